/**
 * Brings one database of a dataset, or a dataset's tasks file, from the store to this machine (V-05). Both are named by
 * their content, so what stands here once is right for ever.
 *
 * Invariants: C1 `<root>/<db>/<digest>/` appears by one rename, whole, its marker in it; what the store's marker does not
 * name, or names with another digest, is refused. C2 the names that the marker gives never lead out of the folder.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import pLimit from 'p-limit';
import { z } from 'zod';

import { sha256 } from '../kernel/digest.ts';
import { SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { canonicalJson, parseJson } from '../kernel/json.ts';
import { syncTree } from '../reference/marked-tree.ts';
import { sweepDeadTemps } from '../reference/dead-temps.ts';
import { readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { fsyncDirectory, writeFileDurable, writeTemp } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { datasetPrefix, datasetTasksName, MARKERS, nameBelow } from '../store/layout.ts';
import { safeJoin } from '../store/object-name.ts';
import type { ObjectStore } from '../store/port.ts';
import type { LockKeeper } from './lock-keeper.ts';

const FILES_AT_ONCE = 8;

/** The dataset's `_upload_complete`. */
const contentSchema = z.object({
  files: z.record(z.string(), z.object({ size: z.number().int().nonnegative(), sha256: z.string() })),
});
type DatasetFiles = z.infer<typeof contentSchema>['files'];

/** What names the content of a database's folder in a dataset: 32 hex digits. */
export function datasetDigest(files: DatasetFiles): string {
  return createHash('sha256').update(canonicalJson(files)).digest('hex').slice(0, 32);
}

export interface DatasetDownload extends PersistOptions {
  readonly store: ObjectStore;
  /** Holds `<db>/<digest>/` for every database, and `_tasks/`. */
  readonly root: string;
  readonly locks: LockKeeper;
}

/**
 * The folder `<root>/<db>/<digest>`, which holds `<db>/` as a dataset does.
 * @throws SkeinError NOT_FOUND (not whole in the store) | CORRUPT | DISK_FULL | the store's
 */
export async function ensureDatabase(download: DatasetDownload, database: string, digest: string): Promise<string> {
  const { root, locks, signal } = download;
  const dir = join(root, database, digest);
  const marker = join(dir, MARKERS.downloadComplete);
  if (existsSync(marker)) return dir;
  await locks.hold({ root, database, owner: 'download of the dataset', signal }, async () => {
    if (!existsSync(marker)) await fetchDatabase(download, database, digest, dir);
  });
  return dir;
}

async function fetchDatabase(download: DatasetDownload, database: string, digest: string, dir: string): Promise<void> {
  const { store } = download;
  const prefix = datasetPrefix(database, digest);
  const markerName = prefix + MARKERS.uploadComplete;
  const stored = await readPatiently(store, markerName, download);
  if (!stored) {
    const text = `dataset: ${database} ${digest} is not whole in ${store.url} (no ${markerName}); submit the run again`;
    throw new SkeinError('NOT_FOUND', text);
  }
  const content = contentSchema.safeParse(parseJson(markerName, stored.bytes));
  if (!content.success || datasetDigest(content.data.files) !== digest) {
    throw new SkeinError('CORRUPT', `${markerName} in ${store.url} does not name the content that it stands for`);
  }
  const parent = dirname(dir);
  try {
    await mkdir(parent, { recursive: true });
    await sweepDeadTemps(parent, '.dl-');
    const work = join(parent, `.dl-${process.pid}-${randomBytes(4).toString('hex')}`);
    try {
      await fetchFiles(download, { prefix, files: content.data.files, target: join(work, database) });
      await syncTree(work);
      await writeTemp(join(work, MARKERS.downloadComplete), Buffer.from('ok'));
      // Without its marker it is nobody's.
      await rm(dir, { recursive: true, force: true });
      failPoint('dataset.before-publish');
      await rename(work, dir);
      await fsyncDirectory(parent);
      failPoint('dataset.after-publish');
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  } catch (error) {
    throw fileSystemError(`downloading ${database} to ${dir}`, error);
  }
}

async function fetchFiles(
  download: DatasetDownload,
  { prefix, files, target }: { prefix: string; files: DatasetFiles; target: string },
): Promise<void> {
  await mkdir(target, { recursive: true });
  const limit = pLimit(FILES_AT_ONCE);
  await Promise.all(
    Object.entries(files).map(([path, { size, sha256: wanted }]) =>
      limit(async () => {
        const local = safeJoin(target, path);
        const name = nameBelow(prefix, path);
        const stored = await readPatiently(download.store, name, download);
        if (!stored) throw new SkeinError('NOT_FOUND', `${name} is named by its dataset and not in the store`);
        if (stored.bytes.byteLength !== size || sha256(stored.bytes) !== wanted) {
          throw new SkeinError('CORRUPT', `${name} has other bytes than its dataset says`);
        }
        await mkdir(dirname(local), { recursive: true });
        await writeTemp(local, stored.bytes);
      }),
    ),
  );
}

/** The path of the tasks file of that digest, downloaded if it is not there. @throws as `ensureDatabase` */
export async function ensureTasksFile(download: DatasetDownload, digest: string): Promise<string> {
  const { store, root } = download;
  const path = join(root, '_tasks', `${digest}.jsonl`);
  if (existsSync(path)) return path;
  const name = datasetTasksName(digest);
  const stored = await readPatiently(store, name, download);
  if (!stored) throw new SkeinError('NOT_FOUND', `dataset: ${name} is not in ${store.url}; submit the run again`);
  if (!sha256(stored.bytes).startsWith(digest))
    throw new SkeinError('CORRUPT', `${name} has other bytes than its name says`);
  await mkdir(dirname(path), { recursive: true });
  await writeFileDurable(path, stored.bytes);
  return path;
}
