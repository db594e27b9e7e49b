/**
 * The `file://` store: a directory with a bucket's semantics. An object IS the plain file of its name under the root, and
 * a file copied in from outside is an object.
 *
 * Not here: listing (`directory-list.ts`), the durable write (`durable-file.ts`), the lock (`write-lock.ts`), the store's
 * own folder (`own-folder.ts`).
 *
 * Invariants: S1 nothing is made before the first write. S2 a generation is (mtime in ns, inode, size) of the file; for
 * one name it never comes twice: a successor's mtime is strictly later, and a removed object's tick is over before its
 * name is free. S3 create is `link`, exclusive by itself; replace and remove compare and act under the write lock, so of
 * two processes one wins. S4 a link is never followed, a folder is no object. S5 a resolved write is on the disk.
 */
import fs from 'node:fs';
import { readFile, realpath, rmdir, unlink, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { asError, SkeinError, systemCode } from '../kernel/errors.ts';
import { sleep, throwIfCancelled } from '../kernel/retry.ts';
import { breath, readUpTo } from './descriptor.ts';
import { PagedWalk } from './directory-list.ts';
import { discard, fsyncDirectory, publishNew, publishOver, writeTemp, type FileStamp } from './durable-file.ts';
import { Folders, makeFolders } from './folders.ts';
import { fileSystemError } from './fs-errors.ts';
import { compareNames, OWN_FOLDER, safeJoin, validatePrefix } from './object-name.ts';
import { OwnFolder } from './own-folder.ts';
import type {
  CallOptions,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  ReadOptions,
  RemoveOutcome,
  StoredObject,
  WriteOutcome,
} from './port.ts';
import { WriteLock } from './write-lock.ts';

const lstat = promisify(fs.lstat) as (path: string, options: { bigint: true }) => Promise<fs.BigIntStats>;

/** A file system's clock may stand still this long; what is younger may share its mtime with a successor. */
const TICK_MS = 20;
const MAX_PAGE = 1000;

/**
 * Opens the store at `url` (`file:///abs/dir`), which need not exist yet. Makes nothing.
 * @param field what the URL is for, as the user wrote it; the error's text names it
 * @throws SkeinError INVALID_INPUT for a relative or otherwise illegal URL, or if a file stands there
 */
export async function openDirectoryStore(url: string, field = '--store'): Promise<ObjectStore> {
  const path = directoryOf(url, field);
  const root = await canonical(path, url, field);
  const own = new OwnFolder(root);
  await own.sweep(Date.now()).catch((error: unknown) => {
    throw fileSystemError(`opening the store ${url}`, error);
  });
  return new DirectoryStore(pathToFileURL(path).href, root, own);
}

function directoryOf(url: string, field: string): string {
  const refuse = (why: string, cause?: unknown): never => {
    const text = `${field}: ${JSON.stringify(url)}: ${why}; write file:///absolute/dir`;
    throw new SkeinError('INVALID_INPUT', text, { cause, fields: { field } });
  };
  if (!url.startsWith('file:')) return refuse('it is no file:// URL');
  if (!url.startsWith('file:///')) return refuse('a directory store needs an absolute path and no host');
  if (/[?#]/.test(url)) return refuse("'?' and '#' in a path are written %3F and %23");
  if (/%[01][0-9a-f]|%7f/i.test(url)) return refuse('it holds a control character');
  try {
    return fileURLToPath(url).replace(/(?<=.)\/+$/, '');
  } catch (error) {
    return refuse(asError(error).message, error);
  }
}

/** `path` with no symbolic link in the part of it that exists. */
async function canonical(path: string, url: string, field: string): Promise<string> {
  try {
    const real = await realpath(path);
    if ((await lstat(real, { bigint: true })).isDirectory()) return real;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' && dirname(path) !== path)
      return join(await canonical(dirname(path), url, field), basename(path));
    if (code === 'EACCES') throw new SkeinError('PREFLIGHT', `${field}: ${asError(error).message}`, { cause: error });
    if (code !== 'ENOTDIR') throw fileSystemError(`opening the store ${url}`, error);
  }
  throw new SkeinError('INVALID_INPUT', `${field}: ${JSON.stringify(url)}: ${path} is no directory; name a directory`, {
    fields: { field },
  });
}

const generationOf = (stamp: FileStamp): string => `${stamp.mtimeNs}-${stamp.ino}-${stamp.size}`;

const infoOf = (name: string, stamp: FileStamp): ObjectInfo => ({
  name,
  generation: generationOf(stamp),
  sizeBytes: Number(stamp.size),
  updatedMs: Number(stamp.mtimeNs / 1000n) / 1000,
});

class DirectoryStore implements ObjectStore {
  readonly url: string;
  readonly #root: string;
  readonly #own: OwnFolder;
  readonly #folders: Folders;
  readonly #lock: WriteLock;
  readonly #walk: PagedWalk;

  constructor(url: string, root: string, own: OwnFolder) {
    this.url = url;
    this.#root = root;
    this.#own = own;
    this.#folders = new Folders(root);
    this.#lock = new WriteLock(own.lockPath);
    this.#walk = new PagedWalk(root);
  }

  create(name: string, bytes: Uint8Array, options: CallOptions = {}): Promise<WriteOutcome> {
    return this.#do('writing', name, options, async (path) => {
      const { temp, stamp } = await this.#prepare(path, bytes);
      try {
        throwIfCancelled(options.signal, `writing ${name}`);
        const published = await this.#link(temp, stamp, path, bytes);
        if (published === undefined) return { kind: 'conflict', generation: await this.#standing(path) };
        await this.#settle(path);
        return { kind: 'written', generation: generationOf(published) };
      } catch (error) {
        discard(temp);
        throw error;
      }
    });
  }

  replace(name: string, bytes: Uint8Array, generation: string, options: CallOptions = {}): Promise<WriteOutcome> {
    return this.#do('writing', name, options, async (path) => {
      const before = await this.#stamp(path);
      if (before === undefined || generationOf(before) !== generation) {
        return { kind: 'conflict', generation: before && generationOf(before) };
      }
      const { temp, stamp } = await this.#prepare(path, bytes);
      try {
        const outcome = await this.#lock.hold(async (): Promise<WriteOutcome> => {
          const standing = await this.#stamp(path);
          if (standing === undefined || generationOf(standing) !== generation) {
            return { kind: 'conflict', generation: standing && generationOf(standing) };
          }
          const later = await makeLater(temp, stamp, standing);
          publishOver(temp, path);
          return { kind: 'written', generation: generationOf(later) };
        }, options.signal);
        if (outcome.kind === 'written') await this.#settle(path);
        else discard(temp);
        return outcome;
      } catch (error) {
        discard(temp);
        throw error;
      }
    });
  }

  read(name: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    return this.#do('reading', name, options, async (path) => {
      await breath();
      if (!this.#folders.exists(dirname(path))) return undefined;
      // Without O_NONBLOCK a pipe that somebody put there would hold the call for ever.
      const flags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;
      const fd = present(() => fs.openSync(path, flags));
      if (fd === undefined) return undefined;
      try {
        const stats = fs.fstatSync(fd, { bigint: true });
        if (!stats.isFile()) return undefined;
        const size = Number(stats.size);
        const start = Math.min(options.range?.start ?? 0, size);
        const end = Math.max(start, Math.min(options.range?.end ?? size, size));
        return { ...infoOf(name, stats), bytes: await readUpTo(fd, start, end - start) };
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  stat(name: string, options: CallOptions = {}): Promise<ObjectInfo | undefined> {
    return this.#do('looking at', name, options, async (path) => {
      const stamp = await this.#stamp(path);
      return stamp && infoOf(name, stamp);
    });
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    validatePrefix(prefix);
    throwIfCancelled(options.signal, `listing ${prefix}`);
    const pageSize = Math.min(Math.max(1, options.pageSize ?? MAX_PAGE), MAX_PAGE);
    try {
      const folder = join(this.#root, prefix.slice(0, prefix.lastIndexOf('/') + 1)).replace(/(?<=.)\/$/, '');
      if (!this.#folders.exists(folder)) return { objects: [], prefixes: [] };
      const isGrouped = options.delimiter !== undefined;
      const { keys, nextPageToken } = await this.#walk.page(prefix, isGrouped, pageSize, options.pageToken ?? '');
      throwIfCancelled(options.signal, `listing ${prefix}`);
      const names = keys.filter((key) => !key.endsWith('/'));
      const infos = names.map((name) => this.#listed(name));
      return {
        objects: infos.filter((info) => info !== undefined).sort((a, b) => compareNames(a.name, b.name)),
        prefixes: keys.filter((key) => key.endsWith('/')),
        ...(nextPageToken !== undefined && { nextPageToken }),
      };
    } catch (error) {
      throw fileSystemError(`listing ${prefix || 'all'} in ${this.url}`, error);
    }
  }

  remove(name: string, generation: string, options: CallOptions = {}): Promise<RemoveOutcome> {
    return this.#do('removing', name, options, async (path) => {
      const before = await this.#stamp(path);
      if (before === undefined) return { kind: 'absent' };
      if (generationOf(before) !== generation) return { kind: 'conflict', generation: generationOf(before) };
      await this.#folders.ensure(this.#own.tempDir);
      await outliveTick(before, options.signal);
      const outcome = await this.#lock.hold(async (): Promise<RemoveOutcome> => {
        const standing = await this.#stamp(path);
        if (standing === undefined) return { kind: 'absent' };
        if (generationOf(standing) !== generation) return { kind: 'conflict', generation: generationOf(standing) };
        await unlink(path);
        return { kind: 'removed' };
      }, options.signal);
      if (outcome.kind === 'removed') await fsyncDirectory(dirname(path));
      return outcome;
    });
  }

  /** Makes the root if it must, makes a probe there as objects are made (temp, sync, link), and takes away whatever it made. */
  async checkWritable(): Promise<void> {
    const probe = join(this.#root, `${OWN_FOLDER}-probe-${process.pid}-${Date.now()}`);
    let made: string[] = [];
    try {
      made = makeFolders(this.#root);
      await writeTemp(`${probe}-temp`, Buffer.from('probe'));
      publishNew(`${probe}-temp`, probe);
      await readFile(probe);
      await unlink(probe);
    } catch (error) {
      discard(`${probe}-temp`);
      discard(probe);
      const text = `the store ${this.url} cannot be written to: ${asError(error).message}`;
      throw new SkeinError('PREFLIGHT', `${text}. Name a directory that you may write to with --store`, {
        cause: error,
      });
    } finally {
      // Only those that are still empty: somebody else may have begun to use them.
      for (const folder of made.toReversed()) await rmdir(folder).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lock.close();
  }

  async #do<T>(verb: string, name: string, options: CallOptions, work: (path: string) => Promise<T>): Promise<T> {
    const path = safeJoin(this.#root, name);
    throwIfCancelled(options.signal, `${verb} ${name}`);
    try {
      return await work(path);
    } catch (error) {
      throw fileSystemError(`${verb} ${name} in ${this.url}`, error);
    }
  }

  /** The new content as a temp on the disk, and meanwhile the folder it will go to. */
  async #prepare(path: string, bytes: Uint8Array): Promise<{ temp: string; stamp: FileStamp }> {
    const temp = this.#own.newTemp();
    const [written, folder] = await Promise.allSettled([
      this.#writeTemp(temp, bytes),
      this.#folders.ensure(dirname(path)),
    ]);
    if (written.status === 'fulfilled' && folder.status === 'fulfilled') return { temp, stamp: written.value };
    discard(temp);
    throw written.status === 'rejected' ? written.reason : (folder as PromiseRejectedResult).reason;
  }

  async #writeTemp(temp: string, bytes: Uint8Array): Promise<FileStamp> {
    await this.#folders.ensure(this.#own.tempDir);
    try {
      return await writeTemp(temp, bytes);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      this.#folders.forget();
      await this.#folders.ensure(this.#own.tempDir);
      return writeTemp(temp, bytes);
    }
  }

  /**
   * Publishes a new object, undefined if something stands there. A folder taken away, or a temp swept by another
   * machine, is made again once; the object then has that temp's stamp.
   */
  async #link(temp: string, stamp: FileStamp, path: string, bytes: Uint8Array): Promise<FileStamp | undefined> {
    try {
      return publishNew(temp, path) ? stamp : undefined;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
    this.#folders.forget();
    await this.#folders.ensure(dirname(path));
    discard(temp);
    const again = await this.#writeTemp(temp, bytes);
    return publishNew(temp, path) ? again : undefined;
  }

  /** Brings a published object's entry to the disk. If that fails the object stands there, but may not survive. */
  async #settle(path: string): Promise<void> {
    const folder = dirname(path);
    try {
      await Promise.all([fsyncDirectory(folder), this.#folders.settle(folder)]);
    } catch (error) {
      throw new SkeinError('OUTCOME_UNKNOWN', `${path} was written, but its folder cannot be synced`, { cause: error });
    }
  }

  /** The generation of what kept a new object out. @throws SkeinError INVALID_INPUT if that is no object (S4) */
  async #standing(path: string): Promise<string | undefined> {
    const stats = await statOrAbsent(path);
    if (stats === undefined) return undefined;
    if (stats.isFile()) return generationOf(stats);
    throw new SkeinError('INVALID_INPUT', `${path} is ${kindOf(stats)}; an object cannot stand there`);
  }

  /** The stamp of the object at `path`, undefined if there is none; a folder is none. @throws over a link (S4) */
  async #stamp(path: string): Promise<FileStamp | undefined> {
    const stats = await statOrAbsent(path);
    if (stats === undefined) return undefined;
    if (!this.#folders.exists(dirname(path))) return undefined;
    if (stats.isSymbolicLink())
      throw new SkeinError('INVALID_INPUT', `${path} is a symbolic link; it is never followed`);
    return stats.isFile() ? stats : undefined;
  }

  #listed(name: string): ObjectInfo | undefined {
    const path = join(this.#root, name);
    const stats = present(() => fs.lstatSync(path, { bigint: true }));
    return stats?.isFile() ? infoOf(name, stats) : undefined;
  }
}

async function statOrAbsent(path: string): Promise<fs.BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** What `look` finds, undefined where nothing is. */
function present<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** Below a file there is nothing either. */
function isAbsence(error: unknown): boolean {
  return systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR';
}

function kindOf(stats: fs.BigIntStats): string {
  if (stats.isDirectory()) return 'a folder';
  return stats.isSymbolicLink() ? 'a symbolic link' : 'no plain file';
}

/** Gives `temp` an mtime behind that of what it replaces (S2), where the clock stood still or went back. */
async function makeLater(temp: string, stamp: FileStamp, standing: FileStamp): Promise<FileStamp> {
  let later = stamp;
  // Times are set in microseconds at best, on some file systems in seconds.
  for (let stepNs = 2_000n; later.mtimeNs <= standing.mtimeNs && stepNs < 20_000_000_000n; stepNs *= 10n) {
    const seconds = Number(standing.mtimeNs + stepNs) / 1e9;
    await utimes(temp, seconds, seconds);
    later = await lstat(temp, { bigint: true });
  }
  return later;
}

/** Waits until the clock has left the tick of `stamp`: a successor with the same inode would look the same (S2). */
async function outliveTick(stamp: FileStamp, signal: AbortSignal | undefined): Promise<void> {
  const ageMs = Date.now() - Number(stamp.mtimeNs / 1_000_000n);
  if (Math.abs(ageMs) < TICK_MS) await sleep(TICK_MS - ageMs, signal);
}
