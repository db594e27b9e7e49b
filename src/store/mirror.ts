/**
 * The local side of a download: files that are whole or as they were, in folders made when first needed. Not synced: what
 * was mirrored can be fetched again.
 */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { writeAll } from './descriptor.ts';
import { makeFolders } from './folders.ts';

/** Folders that are remembered as made; forgotten all at once beyond it. */
const MAX_KNOWN = 2048;

let asideCount = 0;

export class Mirror {
  /* By folder: whether it was there before this mirror came, so that something may lie in it. */
  readonly #folders = new Map<string, boolean>();

  /** Whether the file at `path` has this size and time already. Makes its folder if it is missing. */
  isUnchanged(path: string, sizeBytes: number, updatedMs: number): boolean {
    if (!this.#wasThere(dirname(path))) return false;
    const entry = fs.lstatSync(path, { throwIfNoEntry: false });
    // Files keep times to the microsecond at best.
    return entry?.isFile() === true && entry.size === sizeBytes && Math.abs(entry.mtimeMs - updatedMs) < 0.01;
  }

  /** Writes a file aside, gives it the object's time, and renames it into place. @throws the system's error */
  async write(path: string, bytes: Uint8Array, updatedMs: number): Promise<void> {
    this.#wasThere(dirname(path));
    const aside = join(dirname(path), `.${basename(path).slice(0, 200)}.part-${process.pid}-${(asideCount += 1)}`);
    const fd = fs.openSync(aside, 'wx');
    try {
      try {
        await writeAll(fd, bytes);
        fs.futimesSync(fd, updatedMs / 1000, updatedMs / 1000);
      } finally {
        fs.closeSync(fd);
      }
      fs.renameSync(aside, path);
    } catch (error) {
      fs.rmSync(aside, { force: true });
      throw error;
    }
  }

  #wasThere(dir: string): boolean {
    const known = this.#folders.get(dir);
    if (known !== undefined) return known;
    if (this.#folders.size >= MAX_KNOWN) this.#folders.clear();
    const wasThere = makeFolders(dir).length === 0;
    this.#folders.set(dir, wasThere);
    return wasThere;
  }
}
