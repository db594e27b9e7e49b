/**
 * The folders of a directory store: made when first needed, checked to be real folders under the root, and known from
 * then on, so that an object costs no more calls than its own.
 *
 * Invariants: F1 no folder is reached over a symbolic link. F2 `settle` resolved means that every folder entry between
 * the root and the object's folder is on the disk. F3 what is remembered is a shortcut only: `forget` loses nothing.
 */
import fs from 'node:fs';
import { dirname } from 'node:path';

import { SkeinError, systemCode } from '../kernel/errors.ts';
import { fsyncDirectory } from './durable-file.ts';

/** How many folders are remembered; beyond it all are forgotten at once (10,000 tasks must cost no memory). */
const MAX_KNOWN = 2048;

interface Folder {
  readonly made: Promise<void>;
  durable: Promise<void> | undefined;
}

export class Folders {
  readonly #root: string;
  #known = new Map<string, Folder>();

  /** @param root absolute, with no symbolic link in it; need not exist */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Makes `dir` and what is missing above it, the root included.
   * @throws SkeinError INVALID_INPUT if a link or a file stands in the way; the system's error otherwise
   */
  ensure(dir: string): Promise<void> {
    const known = this.#known.get(dir);
    if (known !== undefined) return known.made;
    if (this.#known.size >= MAX_KNOWN) this.forget();
    const folder: Folder = { made: this.#make(dir), durable: undefined };
    this.#known.set(dir, folder);
    folder.made.catch(() => {
      if (this.#known.get(dir) === folder) this.#known.delete(dir);
    });
    return folder.made;
  }

  /** Brings `dir`'s own entry, and those above it, to the disk (F2). Once per folder while it is remembered. */
  settle(dir: string): Promise<void> {
    const folder = this.#known.get(dir);
    if (folder?.durable !== undefined) return folder.durable;
    // What is above the root is synced when the root is made; later it may not even be ours to read.
    if (dir === this.#root) return Promise.resolve();
    const durable = Promise.all([fsyncDirectory(dirname(dir)), this.settle(dirname(dir))]).then(() => {});
    if (folder !== undefined) {
      folder.durable = durable;
      durable.catch(() => (folder.durable = undefined));
    }
    return durable;
  }

  /** Forgets every folder: one of them was taken away behind our back. */
  forget(): void {
    this.#known = new Map();
  }

  /** Whether `dir` is there as a real folder under the root. @throws SkeinError INVALID_INPUT over a link (F1) */
  exists(dir: string): boolean {
    try {
      this.#refuseLinks(dir, fs.realpathSync.native(dir));
      return true;
    } catch (error) {
      if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
      throw error;
    }
  }

  async #make(dir: string): Promise<void> {
    if (dir === this.#root) return this.#makeRoot();
    // What is above comes first: a folder must not be made behind somebody's link.
    await this.ensure(dirname(dir));
    try {
      fs.mkdirSync(dir);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      this.#checkStanding(dir, error);
    }
  }

  #checkStanding(dir: string, cause: unknown): void {
    this.#refuseLinks(dir, fs.realpathSync.native(dir));
    const entry = fs.lstatSync(dir);
    if (!entry.isDirectory()) {
      throw new SkeinError('INVALID_INPUT', `${dir} is a file where a folder is needed`, { cause });
    }
  }

  #refuseLinks(dir: string, real: string): void {
    if (real === dir) return;
    throw new SkeinError(
      'INVALID_INPUT',
      `${dir} is reached over a symbolic link; links in a store are never followed`,
    );
  }

  async #makeRoot(): Promise<void> {
    for (const made of makeFolders(this.#root)) await fsyncDirectory(dirname(made));
  }
}

/**
 * Makes `dir` and what is missing above it; gives those that it made, the highest first. Not `mkdir` with `recursive`:
 * where a folder exists and none can be made in it (`/proc`), Node 24's never ends.
 * @throws the system's error
 */
export function makeFolders(dir: string): string[] {
  try {
    fs.mkdirSync(dir);
    return [dir];
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST' && fs.statSync(dir).isDirectory()) return [];
    if (code !== 'ENOENT' || dirname(dir) === dir) throw error;
  }
  const made = makeFolders(dirname(dir));
  try {
    fs.mkdirSync(dir);
    return [...made, dir];
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return made;
    throw error;
  }
}
