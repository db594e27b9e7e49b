/**
 * What a merge did, database by database: `merge_report.json` and what a person is shown (M-10). The first three fields
 * and their members are the original's; the rest is ours.
 */

export interface MergedDatabase {
  readonly db: string;
  /** Content and marker. */
  readonly files_updated: number;
  /** Files of the shard that were not taken because the local reference stays. */
  readonly files_skipped: number;
  /**
   * `updated`: the shard is the reference now. `unchanged`: it was already. `local-newer`: the local one was built later.
   * `local-paid`: another encoder was paid for the local one. `no-marker`: the shard has no marker (M-05).
   */
  readonly outcome: 'updated' | 'unchanged' | 'local-newer' | 'local-paid' | 'no-marker';
  /** The shard that was chosen among all whole ones. */
  readonly shard: string;
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

/** The lines that a person sees (L-07). */
export function describeMerge(report: MergeReport): string[] {
  const { merged_dbs: merged, skipped_dbs: skipped, ignored_shards: ignored, refused_slices: refused } = report;
  return [
    ...merged.map(
      ({ db, files_updated: updated, files_skipped: left, outcome }) =>
        `merged slayer_models_otf/${db}: ${updated} files updated, ${left} skipped${REASONS[outcome]}`,
    ),
    ...skipped.map(({ db, reason }) => `SKIPPED slayer_models_otf/${db}: ${reason}`),
    ...refused.map(({ shard, db, reason }) => `refused ${shard}/${db}: ${reason}`),
    ...(report.notes ?? []),
    ...(ignored.length > 0 ? [`ignored ${ignored.length} incomplete shard(s): ${ignored.join(', ')}`] : []),
  ];
}

const REASONS: Readonly<Record<MergedDatabase['outcome'], string>> = {
  updated: '',
  unchanged: ' (the same already)',
  'local-newer': ' (the local one is newer)',
  'local-paid': ' (another encoder was paid for the local one)',
  'no-marker': ' (the shard has no marker)',
};
