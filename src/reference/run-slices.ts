/**
 * Every slice of a run's local mirror, by database, each judged on its own: what is wrong with one says nothing of the
 * others (M-01, M-02, M-11).
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { describeError } from '../kernel/errors.ts';
import { isName } from '../kernel/ids.ts';
import { isGone } from './marked-tree.ts';
import type { MergeMode } from './merge-candidate.ts';
import { readSlice, type Slice } from './shard-slice.ts';

/** An object of the shards that could not be mirrored this time; what stands in its place may be an older one. */
export interface MissingObject {
  /** Below `post_run/slayer_models_otf/`. */
  readonly path: string;
  readonly reason: string;
}

export interface RunSlices {
  readonly byDatabase: ReadonlyMap<string, readonly Slice[]>;
  /** Shards by name, those without any slice too. */
  readonly shards: readonly string[];
}

/** The slices below `shardsDir`; none where there is no such folder. Changes nothing. */
export async function readRunSlices(
  shardsDir: string,
  mode: MergeMode,
  missing: readonly MissingObject[] = [],
): Promise<RunSlices> {
  const byDatabase = new Map<string, Slice[]>();
  const shards = await foldersIn(shardsDir);
  for (const shard of shards) {
    for (const db of await foldersIn(join(shardsDir, shard))) {
      const slice = await judge(shardsDir, shard, db, mode, missing);
      byDatabase.set(db, [...(byDatabase.get(db) ?? []), slice]);
    }
  }
  return { byDatabase, shards };
}

async function judge(
  shardsDir: string,
  shard: string,
  db: string,
  mode: MergeMode,
  missing: readonly MissingObject[],
): Promise<Slice> {
  for (const [what, name] of [
    ['shard', shard],
    ['database', db],
  ] as const) {
    if (!isName(name)) return { kind: 'refused', shard, reason: `${JSON.stringify(name)} is no name of a ${what}` };
  }
  const hole = missing.find(({ path }) => path.startsWith(`${shard}/${db}/`));
  if (hole) {
    return { kind: 'refused', shard, reason: `${hole.path} was not fetched (${hole.reason}); fetch again` };
  }
  try {
    return await readSlice(join(shardsDir, shard), shard, db, mode === 'per-file' ? 'lenient' : 'strict');
  } catch (error) {
    return { kind: 'refused', shard, reason: `it cannot be read: ${describeError(error)}` };
  }
}

/** Folders in `dir`, sorted. What begins with a dot is somebody's temporary (U-07); links are not followed. */
async function foldersIn(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
    return folders.map(({ name }) => name).sort();
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
