/**
 * Merges the shards of one run into a reference root, the warm cache (seed-system §1F). One whole shard per database,
 * never files of two: encodings of one input differ (P-10).
 *
 * Order between shards: (epoch, build time, digest), so that any two machines choose the same one. Against the local
 * reference: the same content of the same encoder is left alone; else the later build wins, strictly (M-04, M-08); a
 * local reference that another encoder was paid for is never replaced (DESIGN rule 6). Epochs count within one run;
 * between references of two runs the build time decides.
 *
 * Invariants: M1 everything is decided and every slice checked before the first local byte changes (M-08, M-11). M2 a
 * database that fails is reported; the others are merged all the same. M3 each database is merged under its lock, and
 * the local side is looked at only under it.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { describeError, isSkeinError, systemCode } from '../kernel/errors.ts';
import { isName } from '../kernel/ids.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import { buildFacts, writeIdentityRecord } from './build-facts.ts';
import { localReference, type LocalReference } from './local-reference.ts';
import { EMPTY_REPORT, type MergedDatabase, type MergeReport } from './merge-report.ts';
import { replaceTree, targetProblem } from './replace-tree.ts';
import { readSlice, type BuildOrder, type Slice } from './shard-slice.ts';

export interface MergeOptions {
  /** `post_run/slayer_models_otf/` of the run's local mirror: `<shard>/<db>/…`. */
  readonly shardsDir: string;
  /** Where `<db>/` stands; made when there is something to merge. */
  readonly referenceRoot: string;
  /** Runs `work` while holding the lock of (reference root, database) (S-09). */
  readonly withLock: <T>(database: string, work: () => Promise<T>) => Promise<T>;
  readonly signal?: AbortSignal;
}

type Whole = Extract<Slice, { kind: 'whole' }>;

/** Merges every database that the run built. Without shards: an empty report (M-01). */
export async function mergeShards(options: MergeOptions): Promise<MergeReport> {
  const slices = await readSlices(options.shardsDir);
  if (slices.size === 0) return EMPTY_REPORT;
  const merged: MergedDatabase[] = [];
  const skipped: { db: string; reason: string }[] = [];
  const useful = new Set<string>();
  for (const [db, ofDatabase] of [...slices].sort(([a], [b]) => (a < b ? -1 : 1))) {
    throwIfCancelled(options.signal, 'the merge of references');
    for (const { kind, shard } of ofDatabase) if (kind === 'whole' || kind === 'unmarked') useful.add(shard);
    try {
      const result = await mergeDatabase(options, db, ofDatabase);
      if ('reason' in result) skipped.push({ db, reason: result.reason });
      else merged.push(result);
    } catch (error) {
      if (isSkeinError(error, 'CANCELLED')) throw error;
      skipped.push({ db, reason: describeError(error) });
    }
  }
  const all = [...slices.values()].flat();
  return {
    merged_dbs: merged,
    skipped_dbs: skipped,
    ignored_shards: [...new Set(all.map(({ shard }) => shard))].filter((shard) => !useful.has(shard)).sort(),
    refused_slices: [...slices].flatMap(([db, ofDatabase]) =>
      ofDatabase.flatMap((slice) =>
        slice.kind === 'refused' ? [{ shard: slice.shard, db, reason: slice.reason }] : [],
      ),
    ),
  };
}

async function mergeDatabase(
  { referenceRoot, withLock }: MergeOptions,
  db: string,
  slices: readonly Slice[],
): Promise<MergedDatabase | { reason: string }> {
  const whole = slices.filter((slice) => slice.kind === 'whole');
  const best = whole.sort((a, b) => compareOrder(b.order, a.order))[0];
  if (!best) return withoutWhole(db, slices);
  const target = join(referenceRoot, db);
  return withLock(db, async () => {
    const problem = await targetProblem(target);
    if (problem !== undefined) return { reason: problem };
    const local = await localReference(referenceRoot, db);
    const outcome = decide(best, local);
    const count = best.files.length;
    if (outcome !== 'updated') return { db, files_updated: 0, files_skipped: count, outcome, shard: best.shard };
    await replaceTree(target, best.files, () => writeIdentityRecord(referenceRoot, db, best.record?.identity));
    return { db, files_updated: count, files_skipped: 0, outcome, shard: best.shard };
  });
}

function decide(shard: Whole, local: LocalReference | undefined): MergedDatabase['outcome'] {
  if (!local) return 'updated';
  const encoder = buildFacts(shard.record?.identity).encoder;
  const isSameContent = local.order.digest === shard.order.digest && local.fingerprint === shard.fingerprint;
  // Two encoders may write the same; whose it is decides about its reuse, so that must come along.
  const isSameMake = encoder === undefined || encoder === buildFacts(local.identity).encoder;
  if (isSameContent && isSameMake) return 'unchanged';
  if (local.paidEncoder !== undefined && local.paidEncoder !== encoder) return 'local-paid';
  return isLater(shard.order, local.order) ? 'updated' : 'local-newer';
}

/** Epochs compare within one run only; equal is not later (M-04). */
function isLater(shard: BuildOrder, local: BuildOrder): boolean {
  if (shard.runId === local.runId && shard.epoch !== local.epoch) return shard.epoch > local.epoch;
  return shard.builtAtMs > local.builtAtMs;
}

function compareOrder(a: BuildOrder, b: BuildOrder): number {
  return a.epoch - b.epoch || a.builtAtMs - b.builtAtMs || (a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0);
}

function withoutWhole(db: string, slices: readonly Slice[]): MergedDatabase | { reason: string } {
  const unmarked = slices.find((slice) => slice.kind === 'unmarked');
  if (unmarked) {
    const { shard, files } = unmarked;
    return { db, files_updated: 0, files_skipped: files.length, outcome: 'no-marker', shard };
  }
  const refused = slices.find((slice) => slice.kind === 'refused');
  return { reason: refused?.reason ?? 'no complete shard slice (incomplete upload)' };
}

/** Every slice of every database, by database. */
async function readSlices(shardsDir: string): Promise<Map<string, Slice[]>> {
  const slices = new Map<string, Slice[]>();
  for (const shard of await folders(shardsDir)) {
    for (const db of await folders(join(shardsDir, shard))) {
      const slice = await readSlice(join(shardsDir, shard), shard, db);
      slices.set(db, [...(slices.get(db) ?? []), slice]);
    }
  }
  return slices;
}

async function folders(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && isName(entry.name))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
