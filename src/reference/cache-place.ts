/**
 * How a built tree takes its place in the cache root (D-10): written and synced aside, marked last, renamed onto an
 * absent target. A target that is stale, forced or without marker goes first.
 *
 * Invariants: P1 a visible marker means that the whole content is there and on the disk. P2 a whole cache of the same
 * inputs that another builder put there meanwhile stays, unless a rebuild was asked for.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { systemCode } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { fsyncDirectory, writeTemp } from '../store/durable-file.ts';
import { MARKERS } from '../store/layout.ts';

/** A path beside `dir` that no other builder has; `sweepDeadTemps` finds it by its prefix when this process is gone. */
export function asideOf(dir: string): string {
  return join(dirname(dir), `${asidePrefix(dir)}${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** What the names of all such paths begin with. */
export function asidePrefix(dir: string): string {
  return `.${basename(dir)}.tmp-`;
}

/** The fingerprint that the cache at `dir` is marked with, or undefined: no cache, or scrap. */
export async function cacheFingerprint(dir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dir, MARKERS.cacheFingerprint), 'utf8')).trim();
  } catch {
    return undefined;
  }
}

/** Writes `files` (by relative path) below `root`, brings them and their folders to the disk, then marks the tree. */
export async function writeMarkedTree(
  root: string,
  files: ReadonlyMap<string, string | Uint8Array>,
  fingerprint: string,
): Promise<void> {
  const folders = new Set<string>();
  for (const path of files.keys()) {
    for (let folder = dirname(join(root, path)); folder.length >= root.length; folder = dirname(folder)) {
      folders.add(folder);
    }
  }
  for (const folder of folders) await mkdir(folder, { recursive: true });
  await Promise.all(
    [...files].map(([path, content]) =>
      writeTemp(join(root, path), typeof content === 'string' ? Buffer.from(content) : content),
    ),
  );
  await Promise.all([...folders].map((folder) => fsyncDirectory(folder)));
  failPoint('stage1.before-marker');
  await writeTemp(join(root, MARKERS.cacheFingerprint), Buffer.from(`${fingerprint}\n`));
  await fsyncDirectory(root);
  failPoint('stage1.after-marker');
}

/** Puts `temp` at `dir`. False: another builder's cache of the same inputs stands there, and stays (P2). */
export async function commitTree(temp: string, dir: string, fingerprint: string, force: boolean): Promise<boolean> {
  const taken: string[] = [];
  if (!moveInto(temp, dir)) {
    if (!force && markSync(dir) === fingerprint) return false;
    if (!replace(temp, dir, taken, force ? undefined : fingerprint)) return false;
  }
  await fsyncDirectory(dirname(dir));
  for (const aside of taken) await rm(aside, { recursive: true, force: true });
  return true;
}

const OCCUPIED = new Set(['ENOTEMPTY', 'EEXIST', 'ENOTDIR']);

/** Renames onto an absent or empty folder; false if something else stands there. */
function moveInto(temp: string, dir: string): boolean {
  try {
    renameSync(temp, dir);
    return true;
  } catch (error) {
    if (OCCUPIED.has(systemCode(error) ?? '')) return false;
    throw error;
  }
}

/** How long one builder waits for the few renames of another. */
const LOCK_TIMEOUT_MS = 10_000;

/**
 * Takes what stands at `dir` away, to a path noted in `taken`, and puts `temp` there. False: it is marked with `kept`
 * and stays.
 *
 * Only one builder of any process at a time may take away: else the second could take what the first just put there. The
 * lock is SQLite's, because the kernel gives it up with its holder; nothing is awaited under it, so that two builds of one
 * thread cannot wait for each other.
 */
function replace(temp: string, dir: string, taken: string[], kept: string | undefined): boolean {
  using lock = new DatabaseSync(join(dirname(dir), LOCK_FILE), { timeout: LOCK_TIMEOUT_MS });
  lock.exec('BEGIN EXCLUSIVE');
  do {
    if (kept !== undefined && markSync(dir) === kept) return false;
    const aside = asideOf(dir);
    try {
      // One rename: no reader meets half of it.
      renameSync(dir, aside);
      taken.push(aside);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
    // Who meets an absent folder needs no lock, so one may have come in between: look again.
  } while (!moveInto(temp, dir));
  return true;
}

/** In the cache root; empty. */
const LOCK_FILE = '.stage1.lock';

function markSync(dir: string): string | undefined {
  try {
    return readFileSync(join(dir, MARKERS.cacheFingerprint), 'utf8').trim();
  } catch {
    return undefined;
  }
}
