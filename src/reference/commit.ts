/**
 * Puts a finished tree in the place of a database's folder, for builds and for downloads. The caller holds the
 * database's lock; readers that hold none may look at any instant.
 *
 * Invariants: C1 a visible marker means the whole content of it, and the record beside it is its own: the old marker goes
 * first, then the record is written, then the new folder appears by one rename, marker and all. C2 what bears a marker
 * is removed only if the caller has seen that very marker and means it; scrap without marker always is. C3 a death
 * at any point leaves the old, the new, or nothing that has a marker.
 */
import { lstat, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { SkeinError, systemCode } from '../kernel/errors.ts';
import { fsyncDirectory } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { markerOf } from './marked-tree.ts';

export interface CommitRequest {
  /** The finished tree, synced, its marker in it. On the file system of `target`. */
  readonly tree: string;
  /** `<root>/<db>`. */
  readonly target: string;
  /** The marker's name. */
  readonly marker: string;
  /** A name beside the tree that is free, for what is replaced; removed by whoever removes the tree's parent. */
  readonly aside: string;
  /** Stamp of the marker that may be replaced; undefined: none may. */
  readonly replaces?: string | undefined;
  /** Runs while no marker stands at the target. */
  writeRecord?(): Promise<void>;
}

/** `peer`: another's marked folder stands there, and this tree was not needed. */
export type CommitOutcome = 'committed' | 'peer';

/** @throws SkeinError DISK_FULL | STORE_UNAVAILABLE; the target then is as it was, or without a marker */
export async function commitTree(request: CommitRequest): Promise<CommitOutcome> {
  const { tree, target, marker, aside, replaces } = request;
  try {
    const standing = await markerOf(target, marker);
    if (standing !== undefined && standing.stamp !== replaces) return 'peer';
    if (standing !== undefined) {
      await rm(join(target, marker));
      await fsyncDirectory(target);
    }
    await request.writeRecord?.();
    if ((await lstat(target).catch(() => undefined)) !== undefined) await rename(target, aside);
    try {
      await rename(tree, target);
    } catch (error) {
      // somebody else put one there meanwhile, which they could not under our lock.
      if (isOccupied(error) && (await markerOf(target, marker)) !== undefined) return 'peer';
      throw error;
    }
    await fsyncDirectory(dirname(target));
    return 'committed';
  } catch (error) {
    if (error instanceof SkeinError) throw error;
    throw fileSystemError(`committing ${basename(target)} to ${dirname(target)}`, error);
  }
}

function isOccupied(error: unknown): boolean {
  return ['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR'].includes(systemCode(error) ?? '');
}
