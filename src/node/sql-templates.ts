/**
 * Pristine copies of the dataset's databases, one per database and node: from here a task's private copy is one fast
 * file copy, also of a WAL database, whose last transactions stand in a second file.
 *
 * Not here: how a dataset's file is copied (`src/dataset/sqlite-file.ts`).
 */
import { constants } from 'node:fs';
import { copyFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { copySqliteFile } from '../dataset/sqlite-file.ts';
import { sha256 } from '../kernel/digest.ts';

export class SqlTemplates {
  readonly #dir: string;
  readonly #byKey = new Map<string, Promise<string>>();

  /** @param dir where the copies are kept, of this node alone; made when needed */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Copies the database at `databasePath`, as it stands now, to `targetPath`, where nothing may stand.
   * @throws SkeinError INVALID_INPUT (absent, no SQLite file) | CORRUPT
   */
  async copyTo(databasePath: string, targetPath: string): Promise<void> {
    const key = await keyOf(databasePath);
    const template = this.#byKey.get(key) ?? this.#make(databasePath, key);
    await copyFile(await template, targetPath, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  }

  /** Waits for the copies under way; then the folder may be removed. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#byKey.values());
    this.#byKey.clear();
  }

  #make(databasePath: string, key: string): Promise<string> {
    const path = join(this.#dir, `${key}-${basename(databasePath)}`);
    const template = copySqliteFile(databasePath, path).then(() => path);
    this.#byKey.set(key, template);
    // A failed one must not stand in the way of the next try.
    template.catch(() => this.#byKey.delete(key));
    return template;
  }
}

/** Names one state of one database: its path, and size and time of its files. An absent file shows in the copy. */
async function keyOf(databasePath: string): Promise<string> {
  const files = await Promise.all(
    [databasePath, `${databasePath}-wal`].map(async (path) => {
      const entry = await stat(path, { bigint: true }).catch(() => undefined);
      return `${path}:${entry?.size}:${entry?.mtimeNs}`;
    }),
  );
  return sha256(files.join('\n')).slice(0, 16);
}
