/**
 * Brings a run home (L-07): mirrors it from the bucket, collates the mirror, merges its shards into the reference root.
 *
 *     <out>/<run-id>/…           every object of `runs/<run-id>/`
 *     <out>/results.db           all runs that were fetched here
 *     <out>/eval.json            the run fetched last
 *     <out>/merge_report.json    its merge
 *
 * Safe at any time and any number of times, also while the run goes on: rows that are there count, the others are
 * `missing`, and so are ids whose lost attempt will be run again, an object that changes under the listing is skipped and named (V-11).
 *
 * Invariants: F1 fetches into one folder go one after the other. F2 results come before the merge, and a merge that fails
 * costs its database only; so does a `results.db` that takes nothing, which leaves the mirror, `eval.json` and the merge as
 * they would be. F3 what is here already is not read again: neither from the store nor, where no row changed, from the disk.
 */
import { join } from 'node:path';

import { describeError } from '../kernel/errors.ts';
import { jsonBytes } from '../kernel/json.ts';
import { mergeShards, type MergeOptions } from '../reference/merge.ts';
import type { MergeMode } from '../reference/merge-candidate.ts';
import { EMPTY_REPORT, type MergeReport } from '../reference/merge-report.ts';
import type { MissingObject } from '../reference/run-slices.ts';
import { writeFileDurable } from '../store/durable-file.ts';
import { runPrefix, shardsPrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { downloadTree, type DownloadReport } from '../store/prefix.ts';
import { collate, type Collation } from './collate.ts';
import { CollationInputs } from './collation-inputs.ts';
import { standingFacts } from './collation-stamp.ts';
import type { RunCounts } from '../run/run-counts.ts';
import { withFolderLock } from './folder-lock.ts';
import { readFloors, type Floors } from '../run/attempt-record.ts';
import { retryLostOf } from '../run/id-state.ts';
import { readManifest, type Manifest } from '../run/manifest.ts';
import { readStatus } from '../run/status.ts';

export interface FetchOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  /** Made if absent. */
  readonly outDir: string;
  /** The warm cache to merge into; undefined: no merge. */
  readonly referenceRoot?: string | undefined;
  /** The lock of (reference root, database). */
  readonly withLock: MergeOptions['withLock'];
  /** Default `whole`: one shard per database. `per-file`: as the original merged (M-03). */
  readonly mergeMode?: MergeMode | undefined;
  /** How long another program may hold `results.db`. Default 10,000. */
  readonly busyTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Told what begins. */
  readonly onPhase?: (phase: FetchPhase) => void;
}

export type FetchPhase = 'waiting' | 'mirroring' | 'collating' | 'merging';

/** `ok`: every id has a row without error. `errors`: every id has a row. `partial`: some have none, or `results.db` took none. */
export type FetchExit = 'ok' | 'errors' | 'partial';

export interface FetchResult {
  readonly runId: string;
  readonly counts: RunCounts;
  readonly score: Collation['score'];
  readonly exitKind: FetchExit;
  readonly mergeReport: MergeReport;
  readonly paths: {
    readonly resultsDb: string;
    readonly evalJson: string;
    /** Undefined when it could not be written (M-10: best effort) or nothing was to be merged into. */
    readonly mergeReport: string | undefined;
    readonly mirror: string;
  };
  /** Objects that could not be fetched this time. */
  readonly skippedObjects: DownloadReport['skipped'];
  readonly unreadableRows: Collation['unreadable'];
  /** Files among the rows that no attempt is called like. */
  readonly strayRows: Collation['strays'];
  /** Why nothing of this run was written to `results.db`. */
  readonly resultsProblem: string | undefined;
  /** Of the missing: ids that lost an attempt and will be run again. */
  readonly retrying: number;
  readonly ignoredIds: number;
  /** Uploads of helpers that failed while the run went on, by kind, as its status says (P-33). */
  readonly helperFailures: Readonly<Record<string, number>>;
  /** Objects read, and objects that were here already. */
  readonly downloaded: number;
  readonly unchanged: number;
}

/** @throws SkeinError NOT_FOUND (no such run) | CORRUPT (its manifest): nothing is made then; the store's | DISK_FULL | CANCELLED */
export async function fetchRun(options: FetchOptions): Promise<FetchResult> {
  const { store, runId, outDir, signal, onPhase } = options;
  // Before anything is made. It never changes afterwards.
  const manifest = await readManifest(store, runId);
  return withFolderLock(outDir, () => fetchLocked(options, manifest), {
    signal,
    onWait: () => onPhase?.('waiting'),
  });
}

async function fetchLocked(options: FetchOptions, manifest: Manifest): Promise<FetchResult> {
  const { store, runId, outDir, signal, onPhase } = options;
  const mirror = join(outDir, runId);
  // Before the rows: those that are there when a run is done are its last ones.
  const [status, floors] = await Promise.all([
    readStatus(store, runId, { signal }),
    readFloors(store, runId, { signal }),
  ]);
  const retryLost = retryLostOf(manifest, status);
  onPhase?.('mirroring');
  const inputs = new CollationInputs(manifest, retryLost, floors);
  const { onListed, onChanged } = inputs;
  const report = await downloadTree(store, runPrefix(runId), mirror, {
    onError: 'skip',
    skipUnchanged: true,
    signal,
    onListed,
    onChanged,
  });

  onPhase?.('collating');
  const collation = await collated(options, { manifest, retryLost, floors, inputs, mirror });
  onPhase?.('merging');
  const merge = await mergeMirror(options, mirror, report.skipped);
  const { counts, score, unreadable, strays, retrying, ignoredIds, resultsDb, evalJson, resultsProblem } = collation;
  return {
    runId,
    counts,
    score,
    exitKind: resultsProblem === undefined ? exitOf(counts) : 'partial',
    mergeReport: merge.report,
    paths: { resultsDb, evalJson, mergeReport: merge.path, mirror },
    skippedObjects: report.skipped,
    unreadableRows: unreadable,
    strayRows: strays,
    resultsProblem,
    retrying,
    ignoredIds,
    helperFailures: status?.helper_failures ?? {},
    downloaded: report.downloaded,
    unchanged: report.unchanged,
  };
}

interface Mirrored {
  readonly manifest: Manifest;
  readonly retryLost: number;
  readonly floors: Floors;
  readonly inputs: CollationInputs;
  readonly mirror: string;
}

/** The collation that stands there, if nothing that it depends on has changed since; else a new one. */
async function collated(
  { outDir, busyTimeoutMs, signal }: FetchOptions,
  { manifest, retryLost, floors, inputs, mirror }: Mirrored,
): Promise<Collation> {
  const digest = inputs.digest();
  if (!inputs.hasChanged) {
    const paths = { resultsDb: join(outDir, 'results.db'), evalJson: join(outDir, 'eval.json') };
    const facts = standingFacts(paths, manifest.run_id, digest);
    if (facts) return { ...facts, ...paths };
  }
  const rowsDir = join(mirror, 'rows');
  const timeout = busyTimeoutMs === undefined ? {} : { busyTimeoutMs };
  return collate({ manifest, rowsDir, outDir, retryLost, floors, inputs: digest, ...timeout }, signal);
}

async function mergeMirror(
  { runId, outDir, referenceRoot, withLock, mergeMode, signal }: FetchOptions,
  mirror: string,
  skipped: DownloadReport['skipped'],
): Promise<{ report: MergeReport; path: string | undefined }> {
  if (referenceRoot === undefined) return { report: EMPTY_REPORT, path: undefined };
  const report = await mergeShards({
    shardsDir: join(mirror, shardsPrefix(runId).slice(runPrefix(runId).length)),
    referenceRoot,
    withLock,
    mode: mergeMode ?? 'whole',
    missing: missingShardObjects(runId, skipped),
    ...(signal && { signal }),
  });
  const path = join(outDir, 'merge_report.json');
  try {
    await writeFileDurable(path, jsonBytes({ run_id: runId, ...report }, 2));
    return { report, path };
  } catch (error) {
    // Best effort: the merge itself is done and is told of in the result (M-10).
    const reason = `merge_report.json was not written: ${describeError(error)}`;
    return { report: { ...report, notes: [reason] }, path: undefined };
  }
}

/** Those of the objects that were not fetched that lie in the run's shards, as a merge takes them. */
export function missingShardObjects(runId: string, skipped: DownloadReport['skipped']): MissingObject[] {
  const prefix = shardsPrefix(runId);
  const ofShards = skipped.filter(({ name }) => name.startsWith(prefix));
  return ofShards.map(({ name, reason }) => ({ path: name.slice(prefix.length), reason }));
}

/** What a run's counts mean for the exit code of `fetch` and `wait`. */
export function exitOf({ missing, errors }: RunCounts): FetchExit {
  if (missing > 0) return 'partial';
  return errors > 0 ? 'errors' : 'ok';
}
