/**
 * What a merge did, database by database: `merge_report.json` and what a person is shown (M-10). The first three fields
 * and their members are the original's; the rest is ours.
 */

import type { MergeChanges } from './merge-changes.ts';
import type { MergeOutcome } from './merge-decision.ts';

export interface MergedDatabase {
  readonly db: string;
  /** Content and marker. */
  readonly files_updated: number;
  /** Files of the shard that were not taken because the local reference stays. */
  readonly files_skipped: number;
  readonly outcome: MergeOutcome;
  /** The shard that was chosen among all whole ones. */
  readonly shard: string;
  /** Per file: every shard that gives one, where they are several. */
  readonly shards?: readonly string[];
  /** Of a dry run: what would change. */
  readonly changes?: MergeChanges;
}

export interface MergeReport {
  readonly merged_dbs: readonly MergedDatabase[];
  /** Databases that some shard has and none has whole, and those whose merge failed. */
  readonly skipped_dbs: readonly { readonly db: string; readonly reason: string }[];
  /** Shards that have no whole database. */
  readonly ignored_shards: readonly string[];
  /** Slices that are complete and were refused (M-11), also where another shard had the database whole. */
  readonly refused_slices: readonly { readonly shard: string; readonly db: string; readonly reason: string }[];
  /** What else a person should know. */
  readonly notes?: readonly string[];
}

export const EMPTY_REPORT: MergeReport = { merged_dbs: [], skipped_dbs: [], ignored_shards: [], refused_slices: [] };

/** The lines that a person sees (L-07); of a dry run also each file that would change. */
export function describeMerge(report: MergeReport): string[] {
  const { merged_dbs: merged, skipped_dbs: skipped, ignored_shards: ignored, refused_slices: refused } = report;
  return [
    ...merged.flatMap(describeDatabase),
    ...skipped.map(({ db, reason }) => `SKIPPED slayer_models_otf/${db}: ${reason}`),
    ...refused.map(({ shard, db, reason }) => `refused ${shard}/${db}: ${reason}`),
    ...(report.notes ?? []),
    ...(ignored.length > 0 ? [`ignored ${ignored.length} incomplete shard(s): ${ignored.join(', ')}`] : []),
  ];
}

function describeDatabase({ db, files_updated, files_skipped, outcome, changes }: MergedDatabase): string[] {
  const counts = `${files_updated} files updated, ${files_skipped} skipped${REASONS[outcome]}`;
  if (changes === undefined) return [`merged slayer_models_otf/${db}: ${counts}`];
  return [
    `would merge slayer_models_otf/${db}: ${counts}`,
    ...changes.added.map((path) => `  add ${path}`),
    ...changes.changed.map((path) => `  change ${path}`),
    ...changes.removed.map((path) => `  remove ${path}`),
  ];
}

const REASONS: Readonly<Record<MergeOutcome, string>> = {
  updated: '',
  unchanged: ' (the same already)',
  'local-newer': ' (the local one is as new or newer)',
  'local-paid': ' (the local one was or may have been paid for, with another encoder)',
  'no-marker': ' (the shard has no marker)',
};
