/**
 * Ships a dataset to the store, content by content, so that every node can have it and nothing goes up twice (V-05):
 *
 *     datasets/<db>/<digest>/<path>               the files of one database's folder
 *     datasets/<db>/<digest>/_upload_complete     last: {"files": {path: {size, sha256}}}
 *     datasets/_tasks/<digest>.jsonl              the tasks file
 *
 * `<digest>` is the begin of the SHA-256 over the canonical JSON of that `files`, or over the tasks file's bytes.
 *
 * Invariants: D1 what stands under a digest with its marker is what the digest says: bytes are compared on their way up.
 * D2 nothing of another content is ever removed or replaced: whoever works with it goes on.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import pLimit from 'p-limit';

import { SkeinError } from '../kernel/errors.ts';
import { sha256 } from '../kernel/digest.ts';
import { canonicalJson, jsonBytes } from '../kernel/json.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import { callPatiently, createOrConfirm, overwrite, type PersistOptions } from '../store/create-or-confirm.ts';
import { datasetPrefix, datasetTasksName, MARKERS, nameBelow, validateObjectName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';

/** How many hex digits of a SHA-256 name a content. */
const DIGEST_LENGTH = 32;
const FILES_AT_ONCE = 8;
/** Folders of version control and what lies in folders by itself. */
const SKIPPED: ReadonlySet<string> = new Set(['.git', '.hg', '.svn', '.DS_Store']);

export interface FileFacts {
  readonly size: number;
  readonly sha256: string;
}

/** What a dataset is, by content; as the manifest names it. */
export interface DatasetContent {
  readonly tasks: string;
  readonly databases: Readonly<Record<string, string>>;
}

export interface DatasetDescription {
  readonly content: DatasetContent;
  readonly tasksPath: string;
  readonly databases: readonly {
    readonly database: string;
    readonly dir: string;
    readonly digest: string;
    readonly files: Readonly<Record<string, FileFacts>>;
  }[];
}

export interface DatasetPlace {
  /** Absolute; the databases are its folders. */
  readonly dir: string;
  readonly tasksPath: string;
  readonly databases: readonly string[];
}

export interface DatasetUploadReport {
  /** Databases that went up now, those that stood there already. */
  readonly uploaded: readonly string[];
  readonly unchanged: readonly string[];
  readonly bytes: number;
}

/** Reads every file once. @throws SkeinError INVALID_INPUT (a file that cannot be read or shipped) | CANCELLED */
export async function describeDataset(place: DatasetPlace, signal?: AbortSignal): Promise<DatasetDescription> {
  const limit = pLimit(FILES_AT_ONCE);
  const databases = await Promise.all(
    place.databases.map(async (database) => {
      const dir = join(place.dir, database);
      const paths = await filesBelow(dir);
      for (const path of paths) validateObjectName(`${datasetPrefix(database, '0')}${path}`);
      const facts = await Promise.all(
        paths.map((path) => limit(async () => [path, await factsOf(join(dir, path), signal)] as const)),
      );
      const files = Object.fromEntries(facts);
      return { database, dir, digest: shortDigest(canonicalJson(files)), files };
    }),
  );
  const tasks = shortDigest(await readBytes(place.tasksPath));
  const digests = Object.fromEntries(databases.map(({ database, digest }) => [database, digest]));
  return { content: { tasks, databases: digests }, tasksPath: place.tasksPath, databases };
}

/** Ships what is not there yet. @throws SkeinError INVALID_INPUT (a file changed meanwhile) | CANCELLED | the store's */
export async function uploadDataset(
  store: ObjectStore,
  description: DatasetDescription,
  options: PersistOptions & { readonly onDatabase?: (database: string) => void } = {},
): Promise<DatasetUploadReport> {
  const { content, tasksPath, databases } = description;
  const limit = pLimit(FILES_AT_ONCE);
  const uploaded: string[] = [];
  const unchanged: string[] = [];
  let bytes = 0;
  const put = async (name: string, from: string, wanted: string): Promise<void> => {
    throwIfCancelled(options.signal, `upload of ${from}`);
    const found = await readBytes(from);
    if (!sha256(found).startsWith(wanted)) throw changed(from);
    await putContent(store, name, found, options);
    bytes += found.byteLength;
  };
  const shipDatabase = async ({ database, dir, digest, files }: (typeof databases)[number]): Promise<void> => {
    const prefix = datasetPrefix(database, digest);
    const marker = prefix + MARKERS.uploadComplete;
    if (await isThere(store, marker, options)) return void unchanged.push(database);
    await Promise.all(
      Object.entries(files).map(([path, facts]) =>
        limit(() => put(nameBelow(prefix, path), join(dir, path), facts.sha256)),
      ),
    );
    await putContent(store, marker, jsonBytes({ files }), options);
    uploaded.push(database);
    options.onDatabase?.(database);
  };
  const tasksName = datasetTasksName(content.tasks);
  const shipTasks = async (): Promise<void> => {
    if (!(await isThere(store, tasksName, options))) await limit(() => put(tasksName, tasksPath, content.tasks));
  };
  await Promise.all([shipTasks(), ...databases.map(shipDatabase)]);
  return { uploaded: uploaded.sort(), unchanged: unchanged.sort(), bytes };
}

const shortDigest = (bytes: Uint8Array | string): string => sha256(bytes).slice(0, DIGEST_LENGTH);

async function isThere(store: ObjectStore, name: string, options: PersistOptions): Promise<boolean> {
  return (await callPatiently(`looking for ${name}`, options, (signal) => store.stat(name, { signal }))) !== undefined;
}

/** Other bytes under a name of this content were never whole: they are replaced. */
async function putContent(store: ObjectStore, name: string, bytes: Uint8Array, options: PersistOptions): Promise<void> {
  const outcome = await createOrConfirm(store, name, bytes, options);
  if (outcome.kind !== 'conflict') return;
  await overwrite(store, name, bytes, { ...options, generation: outcome.standing.generation });
}

/** The regular files below `dir`, links to files too, by path relative to it, sorted. */
async function filesBelow(dir: string, below = ''): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(dir, below), { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await filesBelow(dir, path)));
    else if (entry.isFile() || (entry.isSymbolicLink() && (await stat(join(dir, path))).isFile())) found.push(path);
  }
  return found.sort();
}

async function factsOf(path: string, signal: AbortSignal | undefined): Promise<FileFacts> {
  throwIfCancelled(signal, `reading ${path}`);
  const hash = createHash('sha256');
  let size = 0;
  try {
    await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size += chunk.byteLength;
      }
    });
  } catch (error) {
    throw unreadable(path, error);
  }
  return { size, sha256: hash.digest('hex') };
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): SkeinError {
  return new SkeinError('INVALID_INPUT', `${path} cannot be read, so the dataset cannot go to the nodes`, { cause });
}

function changed(path: string): SkeinError {
  return new SkeinError('INVALID_INPUT', `${path} changed while the dataset went up; submit again when it rests`);
}
