/**
 * A lock that the kernel frees the moment its holder dies: `BEGIN EXCLUSIVE` on a SQLite file of its own.
 *
 * Not here: queues, who holds it, the lock directory beside it (`lock-keeper.ts`).
 *
 * Invariants: K1 at most one holder per file among threads and processes of this machine; a SIGKILL frees it, a SIGSTOP
 * does not. K2 the file is opened by SQLite only: one `open` and `close` of it by `fs` in this process would drop the
 * lock (reliability F13). K3 the event loop never waits in SQLite: a taken lock is asked for again later. K4 what is
 * held is the file that stands at the path: one that was removed and made anew under the lock is taken anew.
 */
import { statSync } from 'node:fs';

import type { DatabaseSync } from 'node:sqlite';

import { SkeinError } from '../kernel/errors.ts';
import { sleep, throwIfCancelled } from '../kernel/retry.ts';

const POLL_MS = 20;
const SQLITE_BUSY = 5;

export interface KernelLock {
  /** False once the file at the path is another one than the one that is held. */
  isWhole(): boolean;
  /** Frees the lock. The file stays (S-09). Any number of times. */
  release(): void;
}

export interface TakeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told once, when somebody else turns out to hold it. */
  onWait?(): void;
}

/**
 * Waits for the lock of the file `path`, whose folder must exist.
 * @throws SkeinError CANCELLED when `signal` fires, UNAVAILABLE when SQLite cannot use the file
 */
export async function takeKernelLock(path: string, options: TakeOptions = {}): Promise<KernelLock> {
  const { DatabaseSync } = await import('node:sqlite');
  let handle: DatabaseSync | undefined;
  let ino: bigint | undefined;
  let told = false;
  try {
    for (;;) {
      throwIfCancelled(options.signal, `waiting for the lock ${path}`);
      if (handle === undefined || ino === undefined || inodeOf(path) !== ino) {
        handle?.close();
        handle = new DatabaseSync(path, { timeout: 0 });
        // SQLite makes the file when it first locks it.
        if (tryBegin(handle, path)) handle.exec('ROLLBACK');
        ino = inodeOf(path);
      }
      if (tryBegin(handle, path)) {
        if (inodeOf(path) === ino && ino !== undefined) return held(path, handle, ino);
        handle.exec('ROLLBACK');
        continue;
      }
      if (!told) options.onWait?.();
      told = true;
      await sleep(POLL_MS * (0.25 + Math.random()), options.signal);
    }
  } catch (error) {
    handle?.close();
    if (error instanceof SkeinError) throw error;
    throw new SkeinError('UNAVAILABLE', `the lock ${path} cannot be taken`, { cause: error });
  }
}

function held(path: string, handle: DatabaseSync, ino: bigint): KernelLock {
  let isHeld = true;
  return {
    isWhole: () => isHeld && inodeOf(path) === ino,
    release: () => {
      if (!isHeld) return;
      isHeld = false;
      handle.close();
    },
  };
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function tryBegin(handle: DatabaseSync, path: string): boolean {
  try {
    // Nothing is ever written: no journal file comes and goes beside the lock.
    handle.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    const errcode = (error as { errcode?: unknown }).errcode;
    if (typeof errcode === 'number' && (errcode & 0xff) === SQLITE_BUSY) return false;
    throw new SkeinError(
      'UNAVAILABLE',
      `the lock ${path} cannot be taken; it must be a file that SQLite can write to`,
      {
        cause: error,
      },
    );
  }
}
