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
  /* Those that are there. */
  readonly #folders = new Set<string>();

  /** Whether the file at `path` has this size and time already. */
  isUnchanged(path: string, sizeBytes: number, updatedMs: number): boolean {
    const entry = fs.lstatSync(path, { throwIfNoEntry: false });
    // Files keep times to the microsecond at best.
    return entry?.isFile() === true && entry.size === sizeBytes && Math.abs(entry.mtimeMs - updatedMs) < 0.01;
  }

  /** Writes a file aside, gives it the object's time, and renames it into place. @throws the system's error */
  async write(path: string, bytes: Uint8Array, updatedMs: number): Promise<void> {
    this.#ready(dirname(path));
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

  #ready(dir: string): void {
    if (this.#folders.has(dir)) return;
    if (this.#folders.size >= MAX_KNOWN) this.#folders.clear();
    makeFolders(dir);
    this.#folders.add(dir);
  }
}
