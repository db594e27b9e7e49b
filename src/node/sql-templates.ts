/**
 * Pristine copies of the dataset's databases, one per database and node: from here a task's private copy is one fast
 * file copy. The dataset itself may be read-only and may be a WAL database, whose last transactions stand in a second file,
 * so it is never opened: its files are copied, and the copy is folded into one file.
 */
import { constants, copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { asError, SkeinError, systemCode } from '../kernel/errors.ts';
import { sha256 } from '../kernel/digest.ts';
import { SqlExecutor } from './sql-executor.ts';

/** How long folding a WAL into its database may take. */
const FOLD_DEADLINE_MS = 60_000;

export class SqlTemplates {
  readonly #dir: string;
  readonly #byKey = new Map<string, Promise<string>>();
  #temps = 0;

  /** @param dir where the copies are kept; made when needed, removed by `remove` */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Copies the database at `databasePath`, as it stands now, to `targetPath`, where nothing may stand.
   * @throws SkeinError NOT_FOUND, or CORRUPT where it is no SQLite database
   */
  async copyTo(databasePath: string, targetPath: string): Promise<void> {
    const key = await keyOf(databasePath);
    let template = this.#byKey.get(key);
    if (!template) {
      template = this.#make(databasePath, key);
      this.#byKey.set(key, template);
      // A failed one must not stand in the way of the next try.
      template.catch(() => this.#byKey.delete(key));
    }
    await copyFile(await template, targetPath, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  }

  async remove(): Promise<void> {
    await Promise.allSettled(this.#byKey.values());
    this.#byKey.clear();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #make(databasePath: string, key: string): Promise<string> {
    const name = basename(databasePath);
    const tempDir = join(this.#dir, `.${name}-${process.pid}-${this.#temps++}`);
    const temp = join(tempDir, name);
    try {
      await mkdir(tempDir, { recursive: true });
      await copyFile(databasePath, temp, constants.COPYFILE_FICLONE);
      await copyFile(`${databasePath}-wal`, `${temp}-wal`).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw error;
      });
      await fold(temp);
      const template = join(this.#dir, `${key}-${name}`);
      await rename(temp, template);
      return template;
    } catch (error) {
      const code = error instanceof SkeinError && error.code !== 'UNAVAILABLE' ? error.code : 'CORRUPT';
      throw new SkeinError(code, `${databasePath} could not be copied: ${asError(error).message}`, { cause: error });
    } finally {
      await rm(tempDir, { recursive: true, force: true });
    }
  }
}

/** Names one state of one database: its path, and size and time of its files. */
async function keyOf(databasePath: string): Promise<string> {
  const files = [databasePath, `${databasePath}-wal`].map(async (path) => {
    const { size, mtimeNs } = await stat(path, { bigint: true });
    return `${path}:${size}:${mtimeNs}`;
  });
  const [main, wal] = await Promise.allSettled(files);
  if (main?.status !== 'fulfilled') {
    throw new SkeinError('NOT_FOUND', `database ${databasePath} cannot be read: ${asError(main?.reason).message}`, {
      cause: main?.reason,
    });
  }
  return sha256(`${main.value}\n${wal?.status === 'fulfilled' ? wal.value : ''}`).slice(0, 16);
}

/** Brings what stands in the WAL into the database and leaves one plain file. */
async function fold(path: string): Promise<void> {
  await using executor = new SqlExecutor(path);
  const outcome = await executor.run('PRAGMA journal_mode = DELETE', { timeoutMs: FOLD_DEADLINE_MS });
  if (outcome.kind === 'error') throw new SkeinError('CORRUPT', outcome.message);
}
