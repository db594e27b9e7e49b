/**
 * The tables of `results.db` (C-03, C-04), and what a row and a manifest become in them.
 *
 * Not here: opening, older and newer files, the transaction (`results-db.ts`).
 *
 * Invariants: R1 the seed's columns come first, with its names, types and keys; what later versions of it added, or took
 * away again, stands behind them, then ours. R2 no field of a row is lost (P-37, P-38): what has no column stands in
 * `extra_json`, and the trajectory, which is most of a row's bytes, in `eval.json` and in the mirror.
 */
import type { StoredRow } from '../run/canonical-row.ts';
import { createdAtMs, type Manifest } from '../run/manifest.ts';

/** `PRAGMA user_version` of a file that this version made or opened; 0 is the original's. Raise it only where an older Skein would spoil the file. */
export const SCHEMA_VERSION = 1;

export type SqlValue = string | number | null;

/** Columns with their declarations, in order. */
export type Table = Readonly<Record<string, string>>;

const TEXT = 'TEXT';
const TEXT_NOT_NULL = 'TEXT NOT NULL';
const INTEGER = 'INTEGER';

/** The 28 columns of the seed, two that it gained later (C-03), and ours. */
export const TASK_RESULTS: Table = {
  run_id: TEXT_NOT_NULL,
  framework: TEXT_NOT_NULL,
  mode: TEXT_NOT_NULL,
  query_mode: TEXT_NOT_NULL,
  instance_id: TEXT_NOT_NULL,
  database: TEXT_NOT_NULL,
  started_at: 'REAL NOT NULL',
  duration_s: 'REAL NOT NULL',
  phase1_passed: 'INTEGER NOT NULL',
  phase2_passed: 'INTEGER NOT NULL',
  total_reward: 'REAL NOT NULL',
  submitted_sql: TEXT,
  submitted_query: TEXT,
  ground_truth_sql: TEXT,
  error: TEXT,
  usage_json: `${TEXT_NOT_NULL} DEFAULT '{}'`,
  user_query: TEXT,
  submission_status: `${TEXT_NOT_NULL} DEFAULT 'never_submitted'`,
  phase1_observation: TEXT,
  phase2_observation: TEXT,
  predicted_result_json: TEXT,
  gold_result_json: TEXT,
  n_agent_turns: INTEGER,
  tool_call_stats_json: TEXT,
  phase1_passed_audited: INTEGER,
  phase1_passed_original: INTEGER,
  phase1_observation_audited: TEXT,
  phase1_observation_original: TEXT,
  edited_models_saved_path: TEXT,
  edited_models_applied_from: TEXT,
  extra_json: TEXT,
};
export const TASK_RESULTS_KEY = ['run_id', 'framework', 'mode', 'query_mode', 'instance_id'];

/** The seed's six, then the settings of a run that later versions record (V-16). */
export const RUN_METADATA: Table = {
  run_id: TEXT_NOT_NULL,
  framework: TEXT_NOT_NULL,
  mode: TEXT_NOT_NULL,
  agent_model: TEXT_NOT_NULL,
  user_sim_model: TEXT_NOT_NULL,
  started_at: 'REAL NOT NULL DEFAULT 0',
  query_mode: TEXT,
  slayer_setup: TEXT,
  pre_encoded_source: TEXT,
  patience: INTEGER,
  max_depth: INTEGER,
  reasoning_effort: TEXT,
  dataset: TEXT,
  strict: INTEGER,
  use_audited_gold_sql: INTEGER,
  prompt_cache: INTEGER,
};
export const RUN_METADATA_KEY = ['run_id', 'framework', 'mode'];

const text = (value: unknown): string | null =>
  value === undefined || value === null ? null : typeof value === 'string' ? value : JSON.stringify(value);
const real = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
const flag = (value: unknown): number => (value ? 1 : 0);
const optionalFlag = (value: unknown): number | null => (value === undefined || value === null ? null : flag(value));

/** Fields of a row that stand in a column of another name, or are told apart elsewhere (R2). */
const ELSEWHERE: ReadonlySet<string> = new Set(['usage', 'tool_call_stats', 'trajectory', 'task_id']);

/** What of `row` has no column, as JSON; null if nothing is left. */
function extraJson(row: StoredRow): string | null {
  const extra = Object.entries(row).filter(([field]) => !Object.hasOwn(TASK_RESULTS, field) && !ELSEWHERE.has(field));
  return extra.length === 0 ? null : JSON.stringify(Object.fromEntries(extra));
}

/** The values of a canonical row in `TASK_RESULTS`' order. */
export function taskResult(manifest: Manifest, instanceId: string, database: string, row: StoredRow): SqlValue[] {
  const values: Readonly<Record<string, SqlValue>> = {
    run_id: manifest.run_id,
    framework: manifest.framework,
    mode: manifest.mode,
    query_mode: manifest.query_mode,
    instance_id: instanceId,
    database: text(row['database']) || database,
    started_at: real(row['started_at']),
    duration_s: real(row['duration_s']),
    phase1_passed: flag(row['phase1_passed']),
    phase2_passed: flag(row['phase2_passed']),
    total_reward: real(row['total_reward']),
    usage_json: text(row['usage']) ?? '{}',
    submission_status: text(row['submission_status']) ?? 'never_submitted',
    n_agent_turns: typeof row['n_agent_turns'] === 'number' ? Math.trunc(row['n_agent_turns']) : null,
    tool_call_stats_json: text(row['tool_call_stats']),
    phase1_passed_audited: optionalFlag(row['phase1_passed_audited']),
    phase1_passed_original: optionalFlag(row['phase1_passed_original']),
    extra_json: extraJson(row),
  };
  return Object.keys(TASK_RESULTS).map((column) =>
    Object.hasOwn(values, column) ? (values[column] ?? null) : text(row[column]),
  );
}

/** The values of a run in `RUN_METADATA`'s order. `started_at` is when the run was made, not when it was collated. */
export function runMetadata(manifest: Manifest): SqlValue[] {
  const values: Readonly<Record<string, unknown>> = {
    ...manifest,
    started_at: createdAtMs(manifest) / 1000,
    dataset: manifest.dataset_dir,
    strict: flag(manifest.strict),
    use_audited_gold_sql: flag(manifest.use_audited_gold_sql),
    prompt_cache: flag(manifest.prompt_cache),
  };
  return Object.keys(RUN_METADATA).map((column) =>
    typeof values[column] === 'number' ? values[column] : text(values[column]),
  );
}
