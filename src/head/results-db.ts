/**
 * `results.db`: one SQLite file for the results of many runs (C-02 … C-04). Here: its schema, what a row becomes in it,
 * and the writer, which works on a thread of its own because SQLite may wait for a lock.
 *
 * Invariants: D1 one collation is one transaction: a death at any instant leaves the file as it was before or after.
 * D2 a file of an older writer gains the columns it lacks; columns that this version does not know are left alone.
 * D3 what has no column here (P-38) is not lost: `eval.json` holds the rows whole.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { compiledPath } from '../kernel/compiled.ts';
import { SkeinError } from '../kernel/errors.ts';
import type { StoredRow } from './canonical-row.ts';
import type { Manifest } from './manifest.ts';

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

/** What the writer's thread is asked, one at a time, and what it answers. */
export type WriterRequest =
  | { readonly kind: 'rows'; readonly rows: readonly SqlValue[][] }
  | { readonly kind: 'commit'; readonly run: SqlValue[] };
export type WriterReply =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string; readonly isBusy: boolean; readonly isCorrupt: boolean };

/** How long SQLite waits for another program that writes the file. */
const BUSY_TIMEOUT_MS = 10_000;

/** One transaction on a `results.db`. Disposing of it without `commit` leaves the file as it was. */
export class ResultsWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #worker: Worker;

  private constructor(path: string, worker: Worker) {
    this.#path = path;
    this.#worker = worker;
  }

  /** Opens or makes the file and begins. @throws SkeinError UNAVAILABLE (locked) | CORRUPT (no database) */
  static async open(path: string, busyTimeoutMs = BUSY_TIMEOUT_MS): Promise<ResultsWriter> {
    const worker = new Worker(compiledPath('./results-db-worker.js', import.meta.url), {
      workerData: { path, busyTimeoutMs },
      name: 'results-db',
    });
    const writer = new ResultsWriter(path, worker);
    try {
      await writer.#answer();
      return writer;
    } catch (error) {
      await writer[Symbol.asyncDispose]();
      throw error;
    }
  }

  async write(rows: readonly SqlValue[][]): Promise<void> {
    await this.#ask({ kind: 'rows', rows });
  }

  /** Makes all of it visible at once. */
  async commit(run: SqlValue[]): Promise<void> {
    await this.#ask({ kind: 'commit', run });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask(request: WriterRequest): Promise<void> {
    const answer = this.#answer();
    this.#worker.postMessage(request);
    await answer;
  }

  async #answer(): Promise<void> {
    // `once` rejects with what the thread died of.
    const [reply] = (await once(this.#worker, 'message')) as [WriterReply];
    if (reply.kind === 'done') return;
    const { message, isBusy, isCorrupt } = reply;
    if (isBusy) {
      const todo = 'another program is writing to it: close that one, then fetch again';
      throw new SkeinError('UNAVAILABLE', `${this.#path} is locked: ${todo}`, { cause: message });
    }
    if (isCorrupt) throw new SkeinError('CORRUPT', `${this.#path}: ${message}; move it away, then fetch again`);
    throw new SkeinError('UNAVAILABLE', `${this.#path}: ${message}`);
  }
}
