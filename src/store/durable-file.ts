/**
 * Files that are whole or absent, and stay so after a crash of the machine: temp, fsync, publish, fsync of the folder.
 *
 * Not here: locks, generations (`directory.ts`).
 *
 * Invariants: D1 a name shows either the whole content or nothing of it; short writes are continued, a full disk is an
 * error and leaves no part behind. D2 a temp whose fsync failed is thrown away, never synced again: the kernel may have
 * marked its pages clean. D3 resolved means on the disk, the folder's entry too. D4 only the syncs, and the content of a
 * large file, leave this thread (`descriptor.ts`): an object is two trips.
 */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { systemCode } from '../kernel/errors.ts';
import { fsyncFile, writeAll } from './descriptor.ts';
import { fileSystemError } from './fs-errors.ts';

/** What `stat` says of a file once it is whole. */
export interface FileStamp {
  readonly mtimeNs: bigint;
  readonly ino: bigint;
  readonly size: bigint;
}

export interface DurableOptions {
  /** Where the temp goes; on the same file system as `path`. Default: beside `path`, as `.<name>.tmp-<pid>-<n>`. */
  readonly tempDir?: string;
  /** True: an existing file is left alone, and `exists` is the answer. Default false: it is replaced. */
  readonly exclusive?: boolean;
  /** Permission bits before the umask. Default 0o666. */
  readonly mode?: number;
}

export type DurableWrite = { readonly kind: 'written' } | { readonly kind: 'exists' };

let tempCount = 0;

/**
 * Writes `bytes` to `path`, whose folder must exist.
 * @throws SkeinError DISK_FULL | INVALID_INPUT | STORE_UNAVAILABLE; `path` is then as it was
 */
export async function writeFileDurable(
  path: string,
  bytes: Uint8Array | string,
  options: DurableOptions = {},
): Promise<DurableWrite> {
  const { tempDir = dirname(path), exclusive = false, mode } = options;
  const temp = join(tempDir, `.${basename(path).slice(0, 200)}.tmp-${process.pid}-${(tempCount += 1)}`);
  const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  try {
    await writeTemp(temp, content, mode);
    const published = exclusive ? publishNew(temp, path) : publishOver(temp, path);
    if (!published) return { kind: 'exists' };
    await fsyncDirectory(dirname(path));
    return { kind: 'written' };
  } catch (error) {
    discard(temp);
    throw fileSystemError(`writing ${path}`, error);
  }
}

/**
 * Makes `temp` (which must not exist) with `bytes`, on the disk. On any error it is gone again (D1, D2).
 * @throws the system's error
 */
export async function writeTemp(temp: string, bytes: Uint8Array, mode = 0o666): Promise<FileStamp> {
  const fd = fs.openSync(temp, 'wx', mode);
  try {
    try {
      await writeAll(fd, bytes);
      await fsyncFile(fd);
      return fs.fstatSync(fd, { bigint: true });
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    discard(temp);
    throw error;
  }
}

/**
 * Gives `temp` the name `path` unless something stands there (false). The temp is gone once this returns; after an
 * error it is still there, for another try or `discard`.
 */
export function publishNew(temp: string, path: string): boolean {
  let published = true;
  try {
    fs.linkSync(temp, path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    published = false;
  }
  discard(temp);
  return published;
}

/** Gives `temp` the name `path`, in place of what stands there. After an error the temp is still there. */
export function publishOver(temp: string, path: string): true {
  fs.renameSync(temp, path);
  return true;
}

/** Removes `path` if it can be; for temps, whose rest is swept later. */
export function discard(path: string): void {
  try {
    fs.unlinkSync(path);
  } catch {
    // Gone already, or not ours to remove.
  }
}

const NO_FOLDER_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP']);

const running = new Map<string, { current: Promise<void>; next: Promise<void> | undefined }>();

/**
 * Brings the entries of `dir` to the disk. Calls that meet a sync under way share the next one: that sync may have begun
 * before their entry was made, so the one under way is not enough.
 * @throws the system's error; the entries may then be lost in a crash of the machine
 */
export function fsyncDirectory(dir: string): Promise<void> {
  const sync = running.get(dir);
  if (sync === undefined) {
    const entry = { current: syncOnce(dir), next: undefined };
    running.set(dir, entry);
    return follow(dir, entry);
  }
  sync.next ??= sync.current.then(
    () => syncOnce(dir),
    () => syncOnce(dir),
  );
  return sync.next;
}

/** Moves the entry on when its sync is over: the next one becomes the current one, or the entry goes. */
function follow(dir: string, entry: { current: Promise<void>; next: Promise<void> | undefined }): Promise<void> {
  const { current } = entry;
  const moveOn = (): void => {
    if (entry.next === undefined) return void running.delete(dir);
    entry.current = entry.next;
    entry.next = undefined;
    void follow(dir, entry).catch(() => {});
  };
  void current.then(moveOn, moveOn);
  return current;
}

async function syncOnce(dir: string): Promise<void> {
  const fd = fs.openSync(dir, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    await fsyncFile(fd);
  } catch (error) {
    // Network and user-space file systems that keep folders durable by themselves, or not at all.
    if (!NO_FOLDER_SYNC.has(systemCode(error) ?? '')) throw error;
  } finally {
    fs.closeSync(fd);
  }
}
