/**
 * Trees of files to and from a prefix (seed-system B-03, B-04, U-04, V-11), and whole listings.
 *
 * Not here: single objects (`create-or-confirm.ts`), locks over the local tree (whoever owns the tree holds them).
 *
 * Invariants: T1 marker last, marker off first: a marker object is visible only while the whole tree of its upload is.
 * T2 no object name leads out of the destination. T3 a local file is whole or as it was. T4 nothing is lost silently:
 * what was not shipped or fetched is an error or stands in `skipped`.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describeError, isSkeinError, SkeinError, systemCode } from '../kernel/errors.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import { callPatiently, createOrConfirm, overwrite, readPatiently, type PersistOptions } from './create-or-confirm.ts';
import { readWhole } from './descriptor.ts';
import { fileSystemError } from './fs-errors.ts';
import { Mirror } from './mirror.ts';
import { compareNames, safeJoin, validateObjectName } from './object-name.ts';
import type { ListOptions, ListPage, ObjectInfo, ObjectStore } from './port.ts';

export type ListAllOptions = PersistOptions & Pick<ListOptions, 'pageSize'>;

/** Every object below `prefix`, in byte order, page by page: what changes meanwhile may or may not be seen. */
export async function* listAll(
  store: ObjectStore,
  prefix: string,
  options: ListAllOptions = {},
): AsyncGenerator<ObjectInfo> {
  for await (const page of pages(store, prefix, options)) yield* page.objects;
}

/** The folders right below `prefix`, each with its final `/`. */
export async function* listFolders(
  store: ObjectStore,
  prefix: string,
  options: ListAllOptions = {},
): AsyncGenerator<string> {
  for await (const page of pages(store, prefix, { ...options, delimiter: '/' })) yield* page.prefixes;
}

async function* pages(
  store: ObjectStore,
  prefix: string,
  options: ListAllOptions & Pick<ListOptions, 'delimiter'>,
): AsyncGenerator<ListPage> {
  const { pageSize, delimiter } = options;
  const fixed = { ...(pageSize !== undefined && { pageSize }), ...(delimiter !== undefined && { delimiter }) };
  let pageToken: string | undefined;
  do {
    const asked = { ...fixed, ...(pageToken !== undefined && { pageToken }) };
    const page = await callPatiently(`listing ${prefix}`, options, (signal) =>
      store.list(prefix, { ...asked, signal }),
    );
    yield page;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}

/** `runs/r1` would also mean `runs/r10`. */
const folderPrefix = (prefix: string): string => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`);

export interface UploadOptions extends PersistOptions {
  /** Files that go last, in this order, each only when all before it are stored. Given: the prefix ends as the tree. */
  readonly last?: readonly string[];
  /** Objects in flight. Default 16. */
  readonly concurrency?: number;
  /** Which files go, by path relative to the tree. Default: all. */
  readonly include?: (path: string) => boolean;
}

export interface UploadReport {
  readonly files: number;
  readonly bytes: number;
  /** How many of `files` stood there already with the same bytes. */
  readonly unchanged: number;
}

/**
 * Ships every file of the tree `dir` to below `under`, binaries and `_`-files too. Objects that stand there with other
 * bytes are overwritten; a tree that does not exist is an empty one. With `last`, markers that already stand there are taken away before anything
 * under them changes, and objects that the tree does not have are removed.
 * @throws SkeinError NOT_FOUND if a file of `last` is missing, INVALID_INPUT for a link or an illegal name, or the store's
 */
export async function uploadTree(
  store: ObjectStore,
  dir: string,
  under: string,
  options: UploadOptions = {},
): Promise<UploadReport> {
  const prefix = folderPrefix(under);
  const { last = [], concurrency = 16, include = () => true } = options;
  const found = filesOf(dir).filter(include);
  const missing = last.filter((path) => !found.includes(path));
  if (missing.length > 0) {
    throw new SkeinError('NOT_FOUND', `upload of ${dir} to ${prefix}: ${missing.join(', ')} is not there`);
  }
  const bulk = found.filter((path) => !last.includes(path));
  for (const path of found) validateObjectName(prefix + path);
  if (last.length > 0 && (await makeWay(store, dir, prefix, bulk, last, options))) {
    return { ...measure(dir, found), unchanged: found.length };
  }
  let bytes = 0;
  let unchanged = 0;
  const ship = async (path: string): Promise<void> => {
    throwIfCancelled(options.signal, `upload of ${dir} to ${prefix}`);
    const content = await readWhole(join(dir, path));
    const result = await createOrConfirm(store, prefix + path, content, options);
    if (result.kind === 'conflict') {
      await overwrite(store, prefix + path, content, { ...options, generation: result.standing.generation });
    }
    if (result.kind === 'confirmed') unchanged += 1;
    bytes += content.byteLength;
  };
  await inParallel(bulk, concurrency, ship);
  for (const path of last) await ship(path);
  return { files: found.length, bytes, unchanged };
}

/**
 * Readies `prefix` for a tree with markers. True: everything stands there already, markers too, with the same bytes.
 * Else no marker stands there any more, nor an object that the tree does not have.
 */
async function makeWay(
  store: ObjectStore,
  dir: string,
  prefix: string,
  bulk: readonly string[],
  last: readonly string[],
  options: UploadOptions,
): Promise<boolean> {
  const standing = new Map<string, ObjectInfo>();
  for await (const info of listAll(store, prefix, options)) {
    standing.set(info.name.slice(prefix.length), info);
  }
  if (standing.size === 0) return false;
  const wanted = new Set([...bulk, ...last]);
  const limit = options.concurrency ?? 16;
  if (standing.size === wanted.size && [...wanted].every((path) => standing.has(path))) {
    let same = true;
    await inParallel([...wanted], limit, async (path) => {
      const sizeBytes = standing.get(path)?.sizeBytes;
      if (same && !(await isSame(store, prefix + path, join(dir, path), sizeBytes, options))) same = false;
    });
    if (same) return true;
  }
  const remove = async (path: string): Promise<void> => {
    const info = standing.get(path);
    if (info !== undefined) await takeAway(store, info, options);
  };
  for (const marker of last.toReversed()) await remove(marker);
  await inParallel(
    [...standing.keys()].filter((path) => !wanted.has(path)),
    limit,
    remove,
  );
  return false;
}

async function takeAway(store: ObjectStore, info: ObjectInfo, options: PersistOptions): Promise<void> {
  const { name, generation } = info;
  const outcome = await callPatiently(`removing ${name}`, options, (signal) =>
    store.remove(name, generation, { signal }),
  );
  if (outcome.kind !== 'conflict') return;
  throw new SkeinError('STORE_CONFLICT', `${name} in ${store.url} is being written by somebody else; try again later`);
}

async function isSame(
  store: ObjectStore,
  name: string,
  path: string,
  sizeBytes: number | undefined,
  options: PersistOptions,
): Promise<boolean> {
  if (lstatSync(path).size !== sizeBytes) return false;
  const object = await readPatiently(store, name, options);
  return object?.bytes.equals(await readWhole(path)) ?? false;
}

function measure(dir: string, paths: readonly string[]): { files: number; bytes: number } {
  const sizes = paths.map((path) => lstatSync(join(dir, path)).size);
  return { files: paths.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** The files of the tree, as `/`-separated paths in byte order. @throws SkeinError INVALID_INPUT for anything else */
function filesOf(dir: string): string[] {
  const files: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(dir, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) files.push(path);
      else
        throw new SkeinError(
          'INVALID_INPUT',
          `${join(dir, path)} is no plain file; only files and folders are shipped`,
        );
    }
  };
  try {
    visit('');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && files.length === 0) return [];
    throw fileSystemError(`reading the tree ${dir}`, error);
  }
  return files.sort(compareNames);
}

export interface DownloadOptions extends PersistOptions {
  /** What one object's failure means. `skip`: it stands in the report and the rest goes on (fetch of a live run). */
  readonly onError?: 'throw' | 'skip';
  /** Objects in flight. Default 32. */
  readonly concurrency?: number;
  /** Leaves a local file alone whose size and mtime are the object's. Files get the object's mtime. Default false. */
  readonly skipUnchanged?: boolean;
  /** Which objects are fetched, by path below the prefix. Default: all. */
  readonly include?: (path: string) => boolean;
  /** Told of each object that is fetched or is here already, before it is looked at, in the order of the listing. */
  readonly onListed?: (path: string, info: ObjectInfo) => void;
  /** Told of each of them that was written here, or could not be. */
  readonly onChanged?: (path: string) => void;
}

export interface DownloadReport {
  readonly downloaded: number;
  readonly unchanged: number;
  readonly bytes: number;
  /** Objects that stand for a folder (`…/`): there is nothing to write. */
  readonly placeholders: number;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * Fetches every object below `from` into `dest`, over what is there; nothing at `dest` is removed. Makes no folder when
 * there is no object.
 * @throws SkeinError with `onError: 'throw'` (the default): NOT_FOUND for an object that went away, INVALID_INPUT for one
 * whose name would leave `dest`, CORRUPT, the store's; DISK_FULL and CANCELLED with either
 */
export async function downloadTree(
  store: ObjectStore,
  from: string,
  dest: string,
  options: DownloadOptions = {},
): Promise<DownloadReport> {
  const prefix = folderPrefix(from);
  const { onError = 'throw', concurrency = 32, skipUnchanged = false, include = () => true } = options;
  const { onListed, onChanged } = options;
  const counts = { downloaded: 0, unchanged: 0, bytes: 0, placeholders: 0 };
  const skipped: { name: string; reason: string }[] = [];
  const mirror = new Mirror();
  const fetchOne = async (info: ObjectInfo, relative: string): Promise<void> => {
    const path = safeJoin(dest, relative);
    if (skipUnchanged && mirror.isUnchanged(path, info.sizeBytes, info.updatedMs)) {
      return void (counts.unchanged += 1);
    }
    onChanged?.(relative);
    const object = await readPatiently(store, info.name, options);
    if (object === undefined) throw new SkeinError('NOT_FOUND', `${info.name} went away while it was fetched`);
    await mirror.write(path, object.bytes, object.updatedMs);
    counts.downloaded += 1;
    counts.bytes += object.bytes.byteLength;
  };
  const fetchOrSkip = async (info: ObjectInfo): Promise<void> => {
    throwIfCancelled(options.signal, `download of ${prefix}`);
    const relative = info.name.slice(prefix.length).replace(/^\/+/, '');
    if (relative === '' || relative.endsWith('/')) return void (counts.placeholders += 1);
    if (!include(relative)) return;
    onListed?.(relative, info);
    try {
      await fetchOne(info, relative);
    } catch (error) {
      onChanged?.(relative);
      const failure = fileSystemError(`fetching ${info.name} to ${dest}`, error);
      if (onError === 'throw' || isSkeinError(failure, 'DISK_FULL', 'CANCELLED')) throw failure;
      skipped.push({ name: info.name, reason: describeError(failure) });
    }
  };
  for await (const page of pages(store, prefix, options)) {
    await inParallel(page.objects, concurrency, fetchOrSkip);
  }
  return { ...counts, skipped: skipped.sort((a, b) => compareNames(a.name, b.name)) };
}

/** Runs `work` on all items, `concurrency` at a time. After the first failure nothing new is started; it is thrown. */
async function inParallel<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      await work(items[next++] as T).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
