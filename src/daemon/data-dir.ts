/**
 * The folder of a daemon, which outlives it:
 *
 *     daemon.lock   the kernel lock: one daemon a folder (an SQLite file, never opened otherwise)
 *     id            made once: who this is, whatever its name or process
 *     ready.json    a daemon lives here and accepts work
 *     token         the head's (0600)
 *     log/          JSON lines
 *
 * and what a node keeps here (`src/node`). Mode 0700.
 *
 * Invariants: D1 whoever holds a DataDir is the only one, until it is released or dies. D2 a folder that did not exist and
 * whose daemon never got ready is gone again.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { asError, isSkeinError, SkeinError, systemCode } from '../kernel/errors.ts';
import { takeKernelLock, type KernelLock } from '../node/kernel-lock.ts';
import { writeFileDurable } from '../store/durable-file.ts';
import { readReady, removeReady } from './ready-file.ts';

/** How long a daemon that was just killed may take to let go. */
const LOCK_WAIT_MS = 1_000;

const lockPath = (dir: string): string => join(dir, 'daemon.lock');

export class DataDir {
  /** Absolute. */
  readonly path: string;
  /** Made once per folder. */
  readonly id: string;
  /** Made now. */
  readonly bootId = randomUUID();
  readonly #lock: KernelLock;
  /** The topmost folder that was made for it, undefined if it was there. */
  readonly #made: string | undefined;

  private constructor(path: string, id: string, lock: KernelLock, made: string | undefined) {
    this.path = path;
    this.id = id;
    this.#lock = lock;
    this.#made = made;
  }

  /**
   * Takes `dir` for this process; a `ready.json` that is there is a dead daemon's and is removed.
   * @throws SkeinError INVALID_INPUT (a file, not writable) | PREFLIGHT (another daemon runs on it)
   */
  static async take(dir: string): Promise<DataDir> {
    const path = resolve(dir);
    const made = await makeFolder(path);
    let lock: KernelLock | undefined;
    try {
      lock = await takeLock(path);
      await removeReady(path);
      return new DataDir(path, await idOf(path), lock, made);
    } catch (error) {
      lock?.release();
      if (made !== undefined) await rm(made, { recursive: true, force: true });
      throw error;
    }
  }

  /** Lets go in good order: nobody takes it for alive any more. */
  async release(): Promise<void> {
    await removeReady(this.path);
    this.#lock.release();
  }

  /** As `release`, of a daemon that never got ready. */
  async giveUp(): Promise<void> {
    await this.release();
    if (this.#made !== undefined) await rm(this.#made, { recursive: true, force: true });
  }
}

/** Whether a daemon runs on `dir` at this moment. Looks only. */
export async function isTaken(dir: string): Promise<boolean> {
  const path = lockPath(dir);
  if (!(await isThere(path))) return false;
  try {
    (await tryLock(path, 0)).release();
    return false;
  } catch (error) {
    if (isSkeinError(error, 'CANCELLED')) return true;
    throw error;
  }
}

async function takeLock(dir: string): Promise<KernelLock> {
  try {
    return await tryLock(lockPath(dir), LOCK_WAIT_MS);
  } catch (error) {
    if (!isSkeinError(error, 'CANCELLED')) throw error;
    const ready = await readReady(dir).catch(() => undefined);
    const who = ready ? `a ${ready.kind} (pid ${ready.pid})` : 'another daemon';
    throw new SkeinError(
      'PREFLIGHT',
      `--data-dir: ${JSON.stringify(dir)}: ${who} runs on it; give each daemon its own, or skein stop --data-dir ${dir}`,
      // Our own patience is no cause: its text would only be noise behind the line.
      { fields: { field: '--data-dir' } },
    );
  }
}

/** The lock, or CANCELLED when somebody else still holds it after `waitMs`. */
async function tryLock(path: string, waitMs: number): Promise<KernelLock> {
  const held = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onWait = (): void => void (timer = setTimeout(() => held.abort(), waitMs));
  try {
    return await takeKernelLock(path, { signal: held.signal, onWait });
  } finally {
    clearTimeout(timer);
  }
}

/** Makes `dir` where it is missing. The topmost folder that was made. */
async function makeFolder(dir: string): Promise<string | undefined> {
  try {
    return await mkdir(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = systemCode(error);
    const why =
      code === 'EEXIST' || code === 'ENOTDIR'
        ? 'a file is in its way'
        : `cannot be made (${code ?? asError(error).message})`;
    throw new SkeinError(
      'INVALID_INPUT',
      `--data-dir: ${JSON.stringify(dir)}: ${why}; name a folder that you may write to`,
      {
        cause: error,
        fields: { field: '--data-dir' },
      },
    );
  }
}

async function idOf(dir: string): Promise<string> {
  const path = join(dir, 'id');
  await writeFileDurable(path, `${randomUUID()}\n`, { exclusive: true, mode: 0o600 });
  const id = (await readFile(path, 'utf8')).trim();
  if (/^[0-9a-f-]{36}$/.test(id)) return id;
  throw new SkeinError(
    'CORRUPT',
    `${path}: ${JSON.stringify(id.slice(0, 80))} is no id; remove the file to get a new one`,
  );
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
