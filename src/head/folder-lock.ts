/**
 * One fetch at a time into one folder, among all processes of this machine: a kernel lock on `<folder>/.fetch.lock`, a
 * SQLite file, which the kernel frees the moment its holder dies. The file is never opened otherwise and never removed.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { SkeinError } from '../kernel/errors.ts';
import { sleep } from '../kernel/retry.ts';

const BUSY = 5;
const LOOK_AGAIN_MS = 50;

export interface FolderLockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told once, when somebody else holds it. */
  readonly onWait?: (() => void) | undefined;
}

/** Runs `work` while this caller alone holds `folder`, which is made if it is absent. Waits as long as it takes. */
export async function withFolderLock<T>(
  folder: string,
  work: () => Promise<T>,
  { signal, onWait }: FolderLockOptions = {},
): Promise<T> {
  await mkdir(folder, { recursive: true });
  // Timeout 0: the event loop never waits inside SQLite.
  using database = new DatabaseSync(join(folder, '.fetch.lock'), { timeout: 0 });
  for (let isTold = false; !tryBegin(database, folder); isTold = true) {
    if (!isTold) onWait?.();
    await sleep(LOOK_AGAIN_MS * (0.5 + Math.random()), signal);
  }
  return await work();
}

function tryBegin(database: DatabaseSync, folder: string): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === BUSY) return false;
    throw new SkeinError('UNAVAILABLE', `${folder}: its lock .fetch.lock cannot be taken`, { cause: error });
  }
}
