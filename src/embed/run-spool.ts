/**
 * The spool of one run inside a command, where the store is elsewhere: what it has not taken when the command ends lies in
 * a folder beside the results, and whoever goes on with the run there ships it first.
 *
 *     <out>/.spool/<run id>/journal/   what the store does not have
 *     <out>/.spool/<run id>/work/      scratch and logs of the tasks that it is about
 *
 * Invariants: S1 one command at a time uses it (kernel lock). S2 it is removed when nothing is owed. S3 starts are not
 * kept in it: nobody outlives a command, so an id without a row is started again as the same attempt, as ever.
 */
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { takeKernelLock, type KernelLock } from '../node/kernel-lock.ts';
import { Spool } from '../node/spool.ts';

export class RunSpool implements AsyncDisposable {
  readonly dir: string;
  readonly spool: Spool;
  readonly #lock: KernelLock;

  private constructor(dir: string, spool: Spool, lock: KernelLock) {
    this.dir = dir;
    this.spool = spool;
    this.#lock = lock;
  }

  /** @throws SkeinError PREFLIGHT when another command uses it; DISK_FULL | STORE_UNAVAILABLE when the folder cannot be used */
  static async open(dir: string, runId: string, bootId: string, log: Logger): Promise<RunSpool> {
    await mkdir(dir, { recursive: true });
    const lock = await takeLock(join(dir, 'lock'), runId);
    try {
      const spool = await Spool.open({ dir: join(dir, 'journal'), bootId, log, minFreeBytes: 0, keepsStarts: false });
      return new RunSpool(dir, spool, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Of the node that uses the spool. */
  get workDir(): string {
    return join(this.dir, 'work');
  }

  /** Rows that the store does not have. */
  get rows(): number {
    return this.spool.rows;
  }

  /** After the node is gone, which closes the spool. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.spool[Symbol.asyncDispose]();
    if (this.spool.bytes === 0) {
      await rm(this.dir, { recursive: true, force: true });
      // Other runs may have theirs in it.
      await rmdir(dirname(this.dir)).catch(() => {});
    }
    this.#lock.release();
  }
}

async function takeLock(path: string, runId: string): Promise<KernelLock> {
  const waiting = new AbortController();
  try {
    return await takeKernelLock(path, { signal: waiting.signal, onWait: () => waiting.abort() });
  } catch (error) {
    if (!isSkeinError(error, 'CANCELLED')) throw error;
    throw new SkeinError(
      'PREFLIGHT',
      `run ${runId}: another command works on it here (${path} is held); wait for it: skein wait ${runId}`,
      { cause: error, fields: { run: runId } },
    );
  }
}
