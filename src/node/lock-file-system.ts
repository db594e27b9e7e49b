/**
 * The file system as proper-lockfile sees it: synchronous, so that a busy thread pool never makes a held lock look stale;
 * leaving a record of who makes a directory; and removing nothing but the directory that it means.
 */
import fs from 'node:fs';
import { randomBytes } from 'node:crypto';

import { systemCode } from '../kernel/errors.ts';
import { removeHolder, writeHolder, type LockHolder } from './lock-holder.ts';

/**
 * What tells a directory from another at the same path: inode numbers alone are given out again at once, so the time goes
 * with it that its holder set last. Undefined where nothing stands.
 */
export function stampOf(path: string): string | undefined {
  const stats = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.ino}-${stats.mtimeNs}`;
}

/** Takes the directory away if it is the one of that stamp; true if it was. */
export function removeDirectory(directory: string, stamp: string): boolean {
  const aside = `${directory}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    if (stampOf(directory) !== stamp) return false;
    fs.renameSync(directory, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  const isIt = stampOf(aside) === stamp;
  // Another was faster between the look and the rename: it gets its directory back.
  if (isIt) fs.rmdirSync(aside);
  else fs.renameSync(aside, directory);
  return isIt;
}

export interface Taking {
  readonly holderPath: string;
  readonly record: LockHolder;
  /** Stamp of the directory as we made it or touched it last; empty while it is not ours. */
  made: string;
  /** Stamp of the directory that was looked at last, before it was called stale. */
  seen: string;
}

/** By path of the directory: the one of ours that takes or holds it. */
export const taking = new Map<string, Taking>();

type Callback<T = void> = (error: Error | null, value?: T) => void;

/** Node's way to answer, with the work done at once. */
function answer<T>(callback: Callback<T>, work: () => T): void {
  let value: T;
  try {
    value = work();
  } catch (error) {
    process.nextTick(callback, error);
    return;
  }
  process.nextTick(callback, null, value);
}

function makeDirectory(path: string): void {
  const own = taking.get(path)!;
  const { holderPath, record } = own;
  if (fs.existsSync(path)) throw Object.assign(new Error(`${path} exists`), { code: 'EEXIST' });
  // First the record: who dies right after making the directory has left one.
  record.since_ms = Date.now();
  writeHolder(holderPath, record);
  try {
    fs.mkdirSync(path);
  } catch (error) {
    removeHolder(holderPath);
    throw error;
  }
  own.made = stampOf(path) ?? '';
  record.directory = own.made.split('-', 1)[0] ?? '';
  writeHolder(holderPath, record);
}

function lookAt(path: string): fs.Stats {
  const own = taking.get(path);
  if (own) own.seen = stampOf(path) ?? '';
  return fs.statSync(path);
}

function touch(path: string, atime: Date, mtime: Date): void {
  fs.utimesSync(path, atime, mtime);
  const own = taking.get(path);
  if (own) own.made = stampOf(path) ?? '';
}

/** At a release our own one, at a take-over the stale one that was looked at. */
function removeKnown(path: string): void {
  const own = taking.get(path);
  if (own) removeDirectory(path, own.made || own.seen);
}

/* One object for the process: proper-lockfile keeps the precision of times on it, and finding that out moves a
   directory's time up to a second ahead. */
export const lockFileSystem = {
  mkdir: (path: string, callback: Callback) => answer(callback, () => makeDirectory(path)),
  stat: (path: string, callback: Callback<fs.Stats>) => answer(callback, () => lookAt(path)),
  utimes: (path: string, atime: Date, mtime: Date, callback: Callback) =>
    answer(callback, () => touch(path, atime, mtime)),
  rmdir: (path: string, callback: Callback) => answer(callback, () => removeKnown(path)),
  /** At the exit of the process. */
  rmdirSync: (path: string) => {
    removeKnown(path);
    removeHolder(taking.get(path)?.holderPath ?? '');
  },
};
