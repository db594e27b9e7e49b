/**
 * Puts a whole shard in the place of a database's reference, in place, in the order of M-06. The caller holds the
 * database's lock; readers that hold none may look at any instant.
 *
 * Invariants: T1 a visible marker means that the whole content is there and belongs to it: it goes first and comes
 * last. T2 afterwards the folder holds exactly the files given (M-09), each with its source's time (M-07). T3 a death
 * at any point leaves a folder without marker, which every reader takes for absent.
 */
import { copyFile, lstat, mkdir, open, readdir, rename, rm, rmdir, unlink, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { systemCode } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { fsyncDirectory } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { MARKERS } from '../store/layout.ts';
import type { SliceFile } from './shard-slice.ts';

const MARKER = MARKERS.referenceFingerprint;
let temps = 0;

/**
 * @param files the shard's, its marker among them; every source has been checked to be there
 * @param beforeMarker runs when the content is whole and the marker is still off
 * @throws SkeinError DISK_FULL | STORE_UNAVAILABLE; the folder then has no marker
 */
export async function replaceTree(
  target: string,
  files: readonly SliceFile[],
  beforeMarker: () => Promise<void>,
): Promise<void> {
  try {
    await mkdir(target, { recursive: true });
    await rm(join(target, MARKER), { force: true });
    await fsyncDirectory(target);
    failPoint('merge.after-marker-off');

    const kept = new Set(files.map(({ path }) => path));
    await clear(target, '', kept);
    const content = files.filter(({ path }) => path !== MARKER);
    for (const [index, file] of content.entries()) {
      if (index === Math.floor(content.length / 2)) failPoint('merge.mid-content');
      await place(target, file);
    }
    for (const dir of new Set(files.map(({ path }) => dirname(join(target, path))))) await fsyncDirectory(dir);

    failPoint('merge.before-marker');
    await beforeMarker();
    for (const file of files) if (file.path === MARKER) await place(target, file);
    await fsyncDirectory(target);
    failPoint('merge.after-marker');
  } catch (error) {
    throw fileSystemError(`merging into ${target}`, error);
  }
}

/** Removes every file below `target`/`relative` that is not kept, then the folders that are left empty, deepest first. */
async function clear(target: string, relative: string, kept: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(join(target, relative), { withFileTypes: true })) {
    const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
    if (!entry.isDirectory()) {
      // Links are taken away, never followed.
      if (!kept.has(path) || !entry.isFile()) await unlink(join(target, path));
      continue;
    }
    await clear(target, path, kept);
    await rmdir(join(target, path)).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOTEMPTY' && systemCode(error) !== 'EEXIST') throw error;
    });
  }
}

/** Copies one file beside its place, gives it its source's time, and renames it there. */
async function place(target: string, { path, source, mtimeS }: SliceFile): Promise<void> {
  const goal = join(target, path);
  const temp = join(dirname(goal), `.${basename(goal)}.merge-${process.pid}-${(temps += 1)}`);
  await mkdir(dirname(goal), { recursive: true });
  try {
    await copyFile(source, temp);
    await utimes(temp, mtimeS, mtimeS);
    await using file = await open(temp, 'r');
    await file.sync();
    await rename(temp, goal);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
}

/** Why nothing may be merged into `target`, undefined if all is well: a link there would lead the merge elsewhere. */
export async function targetProblem(target: string): Promise<string | undefined> {
  try {
    const stats = await lstat(target);
    return stats.isDirectory() ? undefined : `${target} is no folder`;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
