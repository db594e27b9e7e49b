/**
 * Merges the shards of one run into a reference root, the warm cache (seed-system §1F). Per database: what the run offers
 * (`merge-candidate.ts`), whether it takes the place of what stands (`merge-decision.ts`), and how (`replace-tree.ts`).
 *
 * Invariants: M1 everything is decided and every slice checked before the first local byte changes (M-08, M-11). M2 a
 * database that fails is reported; the others are merged all the same. M3 each database is merged under its lock, and
 * the local side is looked at only under it. M4 a dry run takes no lock and changes nothing; it reads what stands as
 * any reader without the lock does.
 */
import { join } from 'node:path';

import { describeError, isSkeinError } from '../kernel/errors.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import { localReference } from './local-reference.ts';
import { offerOf, type Candidate, type MergeMode } from './merge-candidate.ts';
import { changesOf, NO_CHANGES } from './merge-changes.ts';
import { clockNotes, decide } from './merge-decision.ts';
import { EMPTY_REPORT, type MergedDatabase, type MergeReport } from './merge-report.ts';
import { replaceTree, sweepMerges, targetProblem } from './replace-tree.ts';
import { readRunSlices, type MissingObject } from './run-slices.ts';
import type { Slice } from './shard-slice.ts';
import { recordFolderProblem, stageIdentityRecord } from './staged-record.ts';

export interface MergeOptions {
  /** `post_run/slayer_models_otf/` of the run's local mirror: `<shard>/<db>/…`. */
  readonly shardsDir: string;
  /** Where `<db>/` stands; made when there is something to merge. */
  readonly referenceRoot: string;
  /** Runs `work` while holding the lock of (reference root, database) (S-09). */
  readonly withLock: <T>(database: string, work: () => Promise<T>) => Promise<T>;
  /** Default `whole`. */
  readonly mode?: MergeMode;
  /** Only says what it would do, with the files concerned. Default false. */
  readonly isDryRun?: boolean;
  /** Objects of the shards that the mirror lacks or has an older one of: their slices are refused. */
  readonly missing?: readonly MissingObject[];
  readonly signal?: AbortSignal;
}

type Result = MergedDatabase | { readonly reason: string };

/** Merges every database that the run built. Without shards: an empty report (M-01). */
export async function mergeShards(options: MergeOptions): Promise<MergeReport> {
  const { shardsDir, mode = 'whole', missing, signal } = options;
  const { byDatabase, shards } = await readRunSlices(shardsDir, mode, missing);
  if (shards.length === 0) return EMPTY_REPORT;
  const merged: MergedDatabase[] = [];
  const skipped: { db: string; reason: string }[] = [];
  const notes: string[] = [];
  const databases = [...byDatabase].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [db, slices] of databases) {
    throwIfCancelled(signal, 'the merge of references');
    try {
      const result = await mergeDatabase(options, db, slices, notes);
      if ('reason' in result) skipped.push({ db, reason: result.reason });
      else merged.push(result);
    } catch (error) {
      if (isSkeinError(error, 'CANCELLED')) throw error;
      skipped.push({ db, reason: describeError(error) });
    }
  }
  const all = [...byDatabase.values()].flat();
  const useful = new Set(all.filter(({ kind }) => kind === 'whole' || kind === 'unmarked').map(({ shard }) => shard));
  return {
    merged_dbs: merged,
    skipped_dbs: skipped,
    ignored_shards: shards.filter((shard) => !useful.has(shard)),
    refused_slices: databases.flatMap(([db, slices]) =>
      slices.flatMap((slice) => (slice.kind === 'refused' ? [{ shard: slice.shard, db, reason: slice.reason }] : [])),
    ),
    ...(notes.length > 0 && { notes }),
  };
}

async function mergeDatabase(
  options: MergeOptions,
  db: string,
  slices: readonly Slice[],
  notes: string[],
): Promise<Result> {
  const { referenceRoot, withLock, mode = 'whole', isDryRun = false } = options;
  const offer = await offerOf(slices, mode);
  if (offer.kind === 'none') return { reason: offer.reason };
  if (offer.kind === 'no-marker') {
    const { shard, files } = offer;
    const changes = isDryRun && { changes: NO_CHANGES };
    return { db, files_updated: 0, files_skipped: files, outcome: 'no-marker', shard, ...changes };
  }
  const target = join(referenceRoot, db);
  const judge = async (): Promise<Result> => {
    const problem = (await targetProblem(target)) ?? (await recordFolderProblem(referenceRoot));
    if (problem !== undefined) return { reason: problem };
    const local = await localReference(referenceRoot, db);
    const outcome = decide(offer, local, mode);
    if (local?.recordProblem !== undefined) notes.push(`${local.recordProblem}; ${db} counts as paid for`);
    notes.push(...clockNotes(db, offer, local, Date.now()));
    const { shard, shards, files } = offer;
    const count = files.length;
    const counts =
      outcome === 'updated' ? { files_updated: count, files_skipped: 0 } : { files_updated: 0, files_skipped: count };
    return { db, ...counts, outcome, shard, ...(shards.length > 1 && { shards }) };
  };
  if (isDryRun) {
    const result = await judge();
    if ('reason' in result) return result;
    return { ...result, changes: result.outcome === 'updated' ? await changesOf(target, offer.files) : NO_CHANGES };
  }
  return withLock(db, async () => {
    const result = await judge();
    if ('reason' in result) return result;
    if (result.outcome === 'updated') await putInPlace(referenceRoot, db, offer);
    else await sweepMerges(target);
    return result;
  });
}

async function putInPlace(referenceRoot: string, db: string, { files, identity }: Candidate): Promise<void> {
  using record = await stageIdentityRecord(referenceRoot, db, identity);
  await replaceTree(join(referenceRoot, db), files, () => record.publish());
}
