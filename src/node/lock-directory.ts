/**
 * proper-lockfile's directory beside a kernel lock (`<root>/<db>.build.lock.lock`), for whoever looks for that. Taken only
 * while the kernel lock is held, so of ours at most one asks for it at a time.
 *
 * Invariants: L1 only a directory that is known to be ours is ever removed at a release: after a stall of the event loop
 * it may be another's (reliability F6). L2 one that a dead process of ours left is cleared at once; one of a stranger is
 * respected until it is stale. L3 clearing is a rename first, so one of several wins (F7). L4 the file system is asked
 * synchronously: a busy thread pool must not make a held lock look stale.
 */
import fs from 'node:fs';
import { basename, dirname } from 'node:path';

import lockfile from 'proper-lockfile';

import { SkeinError, systemCode } from '../kernel/errors.ts';
import { sleep, throwIfCancelled } from '../kernel/retry.ts';
import { sweepDeadTemps } from '../reference/dead-temps.ts';
import { lockFileSystem, removeDirectory, stampOf, taking, type Taking } from './lock-file-system.ts';
import { isDead, ownRecord, readHolder, removeHolder } from './lock-holder.ts';

/** A directory older than this has no living holder (one constant for the whole product, reliability 2.1). */
export const STALE_MS = 30_000;
/** How often a holder says that it lives. */
export const UPDATE_MS = 5_000;
const POLL_MS = 20;
/** How far apart the times of a record and of its directory may lie: they are made one after the other. */
const RECORD_SLACK_MS = 1_000;

export interface LockDirectory {
  /** Aborts when another took the directory although we hold it. */
  readonly compromised: AbortSignal;
  /** Whether the directory still is the one that we made. */
  isOurs(): boolean;
  release(): Promise<void>;
}

export interface DirectoryOptions {
  /** The kernel lock's file; the directory is `<path>.lock`. */
  readonly path: string;
  /** Where the holder's record stands. */
  readonly holderPath: string;
  readonly owner: string;
  readonly signal?: AbortSignal | undefined;
  /** Told once, when a stranger turns out to hold it. */
  onWait?(): void;
}

/** @throws SkeinError CANCELLED | UNAVAILABLE when something that is no lock directory stands there */
export async function takeLockDirectory(options: DirectoryOptions): Promise<LockDirectory> {
  const { path, holderPath, signal } = options;
  const directory = `${path}.lock`;
  const compromised = new AbortController();
  const record = ownRecord(options.owner);
  const own: Taking = { holderPath, record, made: '', seen: '' };
  taking.set(directory, own);
  let told = false;
  await sweepLeftOvers(directory, holderPath);
  for (;;) {
    try {
      throwIfCancelled(signal, `waiting for the lock ${directory}`);
      // At each turn: a process that is being killed lets its locks go before it is gone.
      clearLeftOver(directory, holderPath);
      const release = await lockfile.lock(path, {
        stale: STALE_MS,
        update: UPDATE_MS,
        realpath: false,
        fs: lockFileSystem,
        onCompromised: (error) => compromised.abort(error),
      });
      return {
        compromised: compromised.signal,
        isOurs: () => !compromised.signal.aborted && stampOf(directory) === own.made,
        release: async () => {
          // A compromised lock counts as released already; its directory is another's.
          await release().catch(() => {});
          taking.delete(directory);
          removeHolder(holderPath);
        },
      };
    } catch (error) {
      if (systemCode(error) !== 'ELOCKED') {
        taking.delete(directory);
        if (error instanceof SkeinError) throw error;
        throw new SkeinError('UNAVAILABLE', `the lock directory ${directory} cannot be made`, { cause: error });
      }
    }
    if (!told) options.onWait?.();
    told = true;
    await sleep(POLL_MS * (0.25 + Math.random()), signal).catch((error: unknown) => {
      taking.delete(directory);
      throw error;
    });
  }
}

/** Removes what holders left that died between two steps: a record not yet named, a directory already set aside. */
async function sweepLeftOvers(directory: string, holderPath: string): Promise<void> {
  for (const path of [directory, holderPath]) await sweepDeadTemps(dirname(path), `${basename(path)}.`).catch(() => {});
}

/** Clears what a dead holder of ours left: its record, and its lock directory if it still is the one. */
function clearLeftOver(directory: string, holderPath: string): void {
  const left = readHolder(holderPath);
  if (left === undefined || !isDead(left)) return;
  const stats = fs.statSync(directory, { bigint: true, throwIfNoEntry: false });
  if (stats !== undefined) {
    const ageAtRecordMs = left.since_ms - Number(stats.birthtimeMs);
    const isSame = left.directory === '' || left.directory === String(stats.ino);
    // Inode numbers are given out again: it must be as old as the record, too.
    if (isSame && Math.abs(ageAtRecordMs) < RECORD_SLACK_MS)
      removeDirectory(directory, `${stats.ino}-${stats.mtimeNs}`);
  }
  removeHolder(holderPath);
}
