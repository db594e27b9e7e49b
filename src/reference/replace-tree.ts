/**
 * Puts a whole shard in the place of a database's reference, in place, in the order of M-06. The caller holds the
 * database's lock; readers that hold none may look at any instant.
 *
 * Every file is first copied into `.merge-<pid>-<n>/` in the database's own folder, where no reader looks and whence a
 * rename can never leave the file system; only then is anything touched that stood there.
 *
 * Invariants: T1 a visible marker means that the whole content is there and belongs to it: it goes first and comes
 * last. T2 afterwards the folder holds exactly the files given (M-09), each with its source's time (M-07). T3 a death
 * at any point leaves the old reference, the new one, or a folder without marker, which every reader takes for absent
 * . T4 a source that cannot be read or a disk that is full is met before the old marker goes: the old one stays.
 */
import { copyFile, lstat, mkdir, open, readdir, rename, rm, rmdir, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import pLimit from 'p-limit';

import { systemCode } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { fsyncDirectory } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { MARKERS } from '../store/layout.ts';
import { sweepDeadTemps } from './dead-temps.ts';
import type { SliceFile } from './slice-files.ts';

const MARKER = MARKERS.referenceFingerprint;
const STAGING_PREFIX = '.merge-';
/** Copies at a time: what they wait for is the disk's sync. */
const COPIES_AT_ONCE = 8;
let stagings = 0;

/**
 * @param files the shard's, its marker among them; every source has been checked to be there
 * @param beforeMarker runs when the content is whole and the marker is still off
 * @throws SkeinError DISK_FULL | STORE_UNAVAILABLE; the folder then is as it was, or has no marker
 */
export async function replaceTree(
  target: string,
  files: readonly SliceFile[],
  beforeMarker: () => Promise<void>,
): Promise<void> {
  const staging = join(target, `${STAGING_PREFIX}${process.pid}-${(stagings += 1)}`);
  try {
    const made = await mkdir(target, { recursive: true });
    let staged: ReadonlyMap<string, string>;
    try {
      await sweepMerges(target);
      staged = await stage(staging, files);
    } catch (error) {
      await rm(staging, { recursive: true, force: true });
      if (made !== undefined) await rmdir(target).catch(() => {});
      throw error;
    }

    await rm(join(target, MARKER), { force: true });
    await fsyncDirectory(target);
    failPoint('merge.after-marker-off');

    const content = [...staged].filter(([path]) => path !== MARKER);
    await clear(target, '', new Set(staged.keys()), staging);
    for (const [index, [path, temp]] of content.entries()) {
      if (index === Math.floor(content.length / 2)) failPoint('merge.mid-content');
      await mkdir(dirname(join(target, path)), { recursive: true });
      await rename(temp, join(target, path));
    }
    for (const folder of foldersOf(content.map(([path]) => path))) await fsyncDirectory(join(target, folder));
    await fsyncDirectory(target);

    failPoint('merge.before-marker');
    await beforeMarker();
    await rename(staged.get(MARKER)!, join(target, MARKER));
    await rmdir(staging);
    await fsyncDirectory(target);
    failPoint('merge.after-marker');
  } catch (error) {
    throw fileSystemError(`merging into ${target}`, error);
  }
}

/** Copies every file into `staging`, with its source's time, and brings it to the disk. Where each is, by its path. */
async function stage(staging: string, files: readonly SliceFile[]): Promise<Map<string, string>> {
  await mkdir(staging);
  const limit = pLimit(COPIES_AT_ONCE);
  const copies = files.map(({ path, source, mtimeS }, index) =>
    limit(async (): Promise<[string, string]> => {
      const temp = join(staging, String(index));
      await copyFile(source, temp);
      await utimes(temp, mtimeS, mtimeS);
      await using file = await open(temp, 'r');
      await file.sync();
      return [path, temp];
    }),
  );
  // All of them, also after a failure: none may write into a folder that is being removed.
  const ends = await Promise.allSettled(copies);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
  return new Map(ends.map((end) => (end as PromiseFulfilledResult<[string, string]>).value));
}

/** The folders that hold `paths`, deepest first, without the one that holds them all. */
function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) for (let at = dirname(path); at !== '.'; at = dirname(at)) folders.add(at);
  return [...folders].sort((a, b) => b.split('/').length - a.split('/').length);
}

/** Removes what merges that died left in the folder of a database. The caller holds its lock. */
export async function sweepMerges(target: string): Promise<void> {
  try {
    await sweepDeadTemps(target, STAGING_PREFIX);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** Removes every file below `target`/`relative` that is not kept, then the folders that are left empty, deepest first. */
async function clear(target: string, relative: string, kept: ReadonlySet<string>, staging: string): Promise<void> {
  for (const entry of await readdir(join(target, relative), { withFileTypes: true })) {
    const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
    if (join(target, path) === staging) continue;
    if (!entry.isDirectory()) {
      // Links are taken away, never followed.
      if (!kept.has(path) || !entry.isFile()) await unlink(join(target, path));
      continue;
    }
    await clear(target, path, kept, staging);
    await rmdir(join(target, path)).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOTEMPTY' && systemCode(error) !== 'EEXIST') throw error;
    });
  }
}

/** Why nothing may be merged into `target`, undefined if all is well: a link there would lead the merge elsewhere. */
export async function targetProblem(target: string): Promise<string | undefined> {
  try {
    const stats = await lstat(target);
    return stats.isDirectory() ? undefined : `${target} is no folder`;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    if (systemCode(error) === 'ENOTDIR') return `${dirname(target)} is no folder`;
    throw error;
  }
}
