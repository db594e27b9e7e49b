/**
 * The local side of a download: files that are whole or as they were, in folders made when first needed. Not synced: what
 * was mirrored can be fetched again.
 */
import fs from 'node:fs';
import { rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { openFile, writeAll } from './descriptor.ts';
import { makeFolders } from './folders.ts';

const lstat = promisify(fs.lstat) as (path: string) => Promise<fs.Stats>;
const futimes = promisify(fs.futimes);

/** Folders that are remembered as made; forgotten all at once beyond it. */
const MAX_KNOWN = 2048;

let asideCount = 0;

export class Mirror {
  /* By folder: whether it was there before this mirror came, so that something may lie in it. */
  readonly #folders = new Map<string, Promise<boolean>>();

  /** Whether the file at `path` has this size and time already. Makes its folder if it is missing. */
  async isUnchanged(path: string, sizeBytes: number, updatedMs: number): Promise<boolean> {
    if (!(await this.#wasThere(dirname(path)))) return false;
    const entry = await lstat(path).catch(() => undefined);
    // Files keep times to the microsecond at best.
    return entry?.isFile() === true && entry.size === sizeBytes && Math.abs(entry.mtimeMs - updatedMs) < 0.01;
  }

  /** Writes a file aside, gives it the object's time, and renames it into place. @throws the system's error */
  async write(path: string, bytes: Uint8Array, updatedMs: number): Promise<void> {
    await this.#wasThere(dirname(path));
    const aside = join(dirname(path), `.${basename(path).slice(0, 200)}.part-${process.pid}-${(asideCount += 1)}`);
    const fd = await openFile(aside, 'wx');
    try {
      try {
        await writeAll(fd, bytes);
        await futimes(fd, updatedMs / 1000, updatedMs / 1000);
      } finally {
        fs.closeSync(fd);
      }
      await rename(aside, path);
    } catch (error) {
      await unlink(aside).catch(() => {});
      throw error;
    }
  }

  #wasThere(dir: string): Promise<boolean> {
    const known = this.#folders.get(dir);
    if (known !== undefined) return known;
    if (this.#folders.size >= MAX_KNOWN) this.#folders.clear();
    const folder = makeFolders(dir).then((made) => made.length === 0);
    this.#folders.set(dir, folder);
    return folder;
  }
}
