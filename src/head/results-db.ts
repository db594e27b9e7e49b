/**
 * `results.db`: one SQLite file for the results of many runs (C-02 … C-04). Here: its schema, what a row becomes in it,
 * and the writer.
 *
 * Invariants: D1 one collation is one transaction: a death at any instant leaves the file as it was before or after.
 * D2 a file of an older writer gains the columns it lacks; columns that this version does not know are left alone.
 * D3 what has no column here (P-38) is not lost: `eval.json` holds the rows whole.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';

import { asError, SkeinError } from '../kernel/errors.ts';
import type { StoredRow } from '../run/canonical-row.ts';
import type { Manifest } from '../run/manifest.ts';

export type SqlValue = string | number | null;

/** Columns with their declarations, in order. */
export type Table = Readonly<Record<string, string>>;

const TEXT = 'TEXT';
const TEXT_NOT_NULL = 'TEXT NOT NULL';
const INTEGER = 'INTEGER';

/** The 28 columns of the seed. */
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
  };
  return Object.keys(TASK_RESULTS).map((column) =>
    Object.hasOwn(values, column) ? (values[column] ?? null) : text(row[column]),
  );
}

/** The values of a run in `RUN_METADATA`'s order. `started_at` is when the run was made, not when it was collated. */
export function runMetadata(manifest: Manifest): SqlValue[] {
  const values: Readonly<Record<string, unknown>> = {
    ...manifest,
    started_at: manifest.created_at_ms / 1000,
    dataset: manifest.dataset_dir,
    strict: flag(manifest.strict),
    use_audited_gold_sql: flag(manifest.use_audited_gold_sql),
    prompt_cache: flag(manifest.prompt_cache),
  };
  return Object.keys(RUN_METADATA).map((column) =>
    typeof values[column] === 'number' ? values[column] : text(values[column]),
  );
}

/** How long SQLite waits for another program that writes the file. */
const BUSY_TIMEOUT_MS = 10_000;
/** SQLITE_BUSY, SQLITE_LOCKED. */
const BUSY = new Set([5, 6]);
/** SQLITE_CORRUPT, SQLITE_NOTADB. */
const CORRUPT = new Set([11, 26]);

/**
 * One transaction on a `results.db`, begun by the constructor. Synchronous, and it may wait: for a thread of its own.
 * Disposing of it without `commit` leaves the file as it was.
 */
export class ResultsWriter implements Disposable {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #insertResult: StatementSync;
  readonly #insertRun: StatementSync;

  /** Opens or makes the file. @throws SkeinError UNAVAILABLE (locked) | CORRUPT (no database) */
  constructor(path: string, busyTimeoutMs = BUSY_TIMEOUT_MS) {
    this.#path = path;
    this.#database = this.#guard(() => new DatabaseSync(path, { timeout: busyTimeoutMs }));
    try {
      this.#guard(() => this.#database.exec('BEGIN IMMEDIATE'));
      this.#insertResult = this.#guard(() => ready(this.#database, 'task_results', TASK_RESULTS, TASK_RESULTS_KEY));
      this.#insertRun = this.#guard(() => ready(this.#database, 'run_metadata', RUN_METADATA, RUN_METADATA_KEY));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Adds a task's result, in place of the one that stands there (C-02). */
  write(values: readonly SqlValue[]): void {
    this.#guard(() => this.#insertResult.run(...values));
  }

  /** Makes all of it visible at once. */
  commit(run: readonly SqlValue[]): void {
    this.#guard(() => this.#insertRun.run(...run));
    this.#guard(() => this.#database.exec('COMMIT'));
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
      if (BUSY.has(code)) {
        const todo = 'another program is writing to it: close that one, then fetch again';
        throw new SkeinError('UNAVAILABLE', `${this.#path} is locked: ${todo}`, { cause: error });
      }
      const text = asError(error).message;
      if (!CORRUPT.has(code)) throw new SkeinError('UNAVAILABLE', `${this.#path}: ${text}`, { cause: error });
      throw new SkeinError('CORRUPT', `${this.#path}: ${text}; move it away, then fetch again`, { cause: error });
    }
  }
}

/** Makes the table, or adds the columns that an older file lacks; the statement that puts a row in it. */
function ready(database: DatabaseSync, name: string, table: Table, key: readonly string[]): StatementSync {
  const columns = Object.entries(table).map(([column, declaration]) => `"${column}" ${declaration}`);
  database.exec(`CREATE TABLE IF NOT EXISTS "${name}" (${columns.join(', ')}, PRIMARY KEY (${key.join(', ')}))`);
  const known = database.prepare(`PRAGMA table_info("${name}")`).all();
  const present = new Set(known.map((row) => row['name']));
  for (const [column, declaration] of Object.entries(table)) {
    if (present.has(column)) continue;
    // A column can be added NOT NULL only with a default.
    const needsDefault = declaration.includes('NOT NULL') && !declaration.includes('DEFAULT');
    const fallback = needsDefault ? ` DEFAULT ${declaration.startsWith('TEXT') ? "''" : '0'}` : '';
    database.exec(`ALTER TABLE "${name}" ADD COLUMN "${column}" ${declaration}${fallback}`);
  }
  const names = Object.keys(table);
  const holes = names.map(() => '?').join(', ');
  return database.prepare(`INSERT OR REPLACE INTO "${name}" ("${names.join('", "')}") VALUES (${holes})`);
}
