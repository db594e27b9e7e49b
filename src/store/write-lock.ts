/**
 * The lock under which one process at a time looks at an object's generation and replaces or removes it: a kernel lock
 * on a SQLite file. The kernel frees it the moment its holder dies, so nothing of a SIGKILLed process stays behind.
 *
 * Not here: what is done under it. It is held for a stat and a rename, never over a disk sync.
 *
 * Invariants: W1 at most one holder per file, among threads and processes of this machine. W2 the file is opened by
 * SQLite only: a process that opens and closes it with `fs` would drop the lock of all its own connections. W3 the event
 * loop never waits in SQLite: a taken lock is asked again later.
 */
import { statSync } from 'node:fs';

import type { DatabaseSync } from 'node:sqlite';

import { SkeinError } from '../kernel/errors.ts';
import { sleep, throwIfCancelled } from '../kernel/retry.ts';

/** How long one caller waits before it gives up: far beyond any honest holder, who needs a millisecond. */
const MAX_WAIT_MS = 30_000;
const SQLITE_BUSY = 5;

export class WriteLock {
  readonly #path: string;
  #database: { readonly handle: DatabaseSync; readonly ino: bigint } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param path the lock file; its folder must exist by the first `hold` */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Runs `work` while this process alone holds the lock. Callers of this object queue here, first come first served.
   * @throws SkeinError STORE_UNAVAILABLE if it stays taken, CANCELLED; and what `work` throws
   */
  hold<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.#last.then(() => this.#holdNow(work, signal));
    this.#last = turn.catch(() => {});
    return turn;
  }

  close(): void {
    this.#database?.handle.close();
    this.#database = undefined;
  }

  async #holdNow<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const release = await this.#acquire(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  async #acquire(signal: AbortSignal | undefined): Promise<() => void> {
    const deadline = performance.now() + MAX_WAIT_MS;
    for (let tries = 1; ; tries += 1) {
      throwIfCancelled(signal, 'waiting for the store lock');
      const handle = await this.#open();
      if (this.#tryBegin(handle)) return () => handle.exec('ROLLBACK');
      if (performance.now() > deadline) {
        throw new SkeinError('STORE_UNAVAILABLE', `${this.#path} was held by another process for ${MAX_WAIT_MS} ms`);
      }
      await sleep(Math.min(25, tries) * (0.5 + Math.random()), signal);
    }
  }

  /** The connection to the file that stands there now: a store that was deleted and made anew has a new lock file. */
  async #open(): Promise<DatabaseSync> {
    const ino = statSync(this.#path, { bigint: true, throwIfNoEntry: false })?.ino;
    if (this.#database !== undefined && this.#database.ino === ino) return this.#database.handle;
    this.close();
    const { DatabaseSync } = await import('node:sqlite');
    const handle = new DatabaseSync(this.#path, { timeout: 0 });
    this.#database = { handle, ino: statSync(this.#path, { bigint: true }).ino };
    return handle;
  }

  #tryBegin(handle: DatabaseSync): boolean {
    try {
      handle.exec('BEGIN EXCLUSIVE');
      return true;
    } catch (error) {
      const errcode = (error as { errcode?: unknown }).errcode;
      if (typeof errcode === 'number' && (errcode & 0xff) === SQLITE_BUSY) return false;
      throw new SkeinError('STORE_UNAVAILABLE', `the store lock ${this.#path} cannot be taken`, { cause: error });
    }
  }
}
