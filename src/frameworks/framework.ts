/**
 * The interface of a framework: what an actor runs for a task. Built-in ones stand beside this file.
 *
 * One instance lives as long as its actor and may keep state between tasks (W-02). It sees the world through `TaskContext`
 * only: no store client, no locks (DESIGN rule 1).
 */
import type { KbRow, Task } from '../dataset/task.ts';
import type { SetupResult } from '../reference/model.ts';
import type { SyntheticMark } from '../run/synthetic-row.ts';

/** How a submitted SQL ended, in the order in which it is decided (§3A). */
export type SubmissionStatus =
  | 'never_submitted'
  | 'json_error'
  | 'translation_error'
  | 'dry_run_error'
  | 'infrastructure_error'
  | 'passed_phase2'
  | 'passed_phase1'
  | 'sql_runtime_error'
  | 'wrong_result';

/** Token counts and cost of a task; zero for frameworks without a model. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  n_calls: number;
  cost_usd: number;
  agent_cost_usd: number;
  user_sim_cost_usd: number;
  partial: boolean;
  breakdown: Record<string, unknown>[];
}

/** What an attempt leaves behind: `rows/<iid>/attempt-<n>.json` (§3A, W-09). Every key above `usage` is always there. */
export interface TaskRow {
  task_id: string;
  instance_id: string;
  database: string;
  phase1_passed: boolean;
  phase2_passed: boolean;
  total_reward: number;
  submitted_sql: string | null;
  submitted_query: string | null;
  ground_truth_sql: string | null;
  error: string | null;
  submission_status: SubmissionStatus;
  phase1_observation: string | null;
  phase2_observation: string | null;
  predicted_result_json: string | null;
  gold_result_json: string | null;
  n_agent_turns: number | null;
  duration_s: number;
  started_at: number;
  user_query: string | null;
  usage?: Usage;
  tool_call_stats?: Record<string, unknown>;
  trajectory?: unknown[];
  deleted_kb_ids?: number[];
  variant_storage_path?: string | null;
  /** Ours: why no framework wrote this row (`actor-lost` …). A real row of the same id wins over it (DESIGN rule 2). */
  synthetic?: SyntheticMark;
  /** Ours: the node that the attempt ran on. */
  node?: string;
  /** Ours: milliseconds by phase, what the log shows as `[timing]` (V-24). */
  timings_ms?: Record<string, number>;
  /** Ours: what was cut so that the row fits (`row-limit.ts`): by field, how many bytes it had as JSON. */
  truncated_fields?: Record<string, number>;
  [field: string]: unknown;
}

/** What SQL came to. Errors of the SQL itself are values; the executor was killed at its deadline when `timedOut`. */
export type SqlOutcome =
  | {
      readonly kind: 'rows';
      readonly columns: readonly { name: string; type: string }[];
      /** Integers beyond 2^53 are bigint, BLOBs Uint8Array: neither is JSON as it stands. */
      readonly rows: readonly unknown[][];
      /** More rows than `maxRows` were there. */
      readonly isTruncated: boolean;
    }
  | {
      readonly kind: 'error';
      readonly message: string;
      readonly isTimeout: boolean;
      /** The executor ended by itself (out of memory, killed from outside): not the SQL's fault. */
      readonly isExecutorLost?: boolean;
    };

/** SQL on a task's private copy of its database, run in a process that is SIGKILLed at its deadline (DESIGN rule 8). */
export interface SqlSession {
  /**
   * Runs one or more statements; the rows are those of the last one that has a result, be it empty. At most 10,000 rows by
   * default, within `sqlTimeoutMs` of the run by default.
   */
  run(sql: string, options?: { maxRows?: number; timeoutMs?: number; readOnly?: boolean }): Promise<SqlOutcome>;
  /** Puts the database back to its pristine state (§3C reset). */
  reset(): Promise<void>;
}

export interface TaskContext {
  readonly runId: string;
  readonly attempt: number;
  /** Private to this attempt, shipped as the debug bundle (U-01), then removed. */
  readonly scratchDir: string;
  /** The dataset's own SQLite file of the task's database; to be copied before it is opened. For SQL ask `sql()`. */
  readonly databasePath: string;
  /** Ends the attempt: the run is being stopped. */
  readonly signal: AbortSignal;
  /**
   * Adds a message (any JSON value) to the attempt's transcript: a line on the disk at once, in the store soon after, so
   * that a task which hangs or dies leaves what it had said (V-02, V-08). Never throws; what cannot be written is told in
   * the log.
   */
  transcript(message: unknown): void;
  /** A line for the task's log; `console` and child processes are captured too (W-12). */
  log(line: string): void;
  sql(): Promise<SqlSession>;
  /** The reference of the task's database, built first if it is missing (R-04 … R-09). Never to be written to (T-04). */
  reference(): Promise<ReferenceView>;
}

export interface ReferenceView {
  readonly dir: string;
  readonly fingerprint: string;
  /** The KB as it was encoded. */
  readonly kb: readonly KbRow[];
  readonly results: readonly SetupResult[];
  /** Whether this call built it. */
  readonly wasBuilt: boolean;
}

export interface Framework {
  runTask(task: Task, context: TaskContext): Promise<TaskRow>;
  close?(): Promise<void>;
}

/** Settings of a run that frameworks see. */
export interface FrameworkSettings {
  readonly framework: string;
  readonly queryMode: 'raw' | 'slayer';
  readonly mode: 'a-interact' | 'c-interact' | 'oracle';
  readonly slayerSetup: 'pre-encoded' | 'on-the-fly';
  readonly encoder: string;
  readonly sqlTimeoutMs: number;
  /** `--agent-model`, `anthropic/claude-…`; empty: the run has no model. Its key is in the actor's environment (W-14). */
  readonly agentModel: string;
  /** `--user-sim-model`; empty: nobody plays the user. */
  readonly userSimModel: string;
  /** Clarifications beyond the ambiguities, as the budgets of §3B count them. */
  readonly patience: number;
  readonly strict: boolean;
  /** Whether audited gold SQL takes the place of the dataset's where there is some (§3C). */
  readonly useAuditedGoldSql: boolean;
  /** How deep a recursive agent may go. */
  readonly maxDepth: number;
  readonly promptCache: boolean;
  /** Where pre-encoded models lie on the machine that runs the task, as it was typed; empty: nobody said. */
  readonly slayerStorageRoot: string;
  /** Set: the framework is the user's own, and `framework` is what rows call it. */
  readonly own?: OwnModule;
}

/** A framework of the user's, bundled, as it lies on the actor's machine. */
export interface OwnModule {
  /** Absolute. */
  readonly modulePath: string;
  /** SHA-256 of its bytes, hex. Nothing else is run. */
  readonly digest: string;
  /** The name of the user's file, for texts. */
  readonly file: string;
  /** `--framework-options`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What a run has that says nothing: the seed's defaults (L-02), and no model. */
export const DEFAULT_MODEL_SETTINGS = {
  agentModel: '',
  userSimModel: '',
  patience: 3,
  strict: false,
  useAuditedGoldSql: false,
  maxDepth: 3,
  promptCache: true,
  slayerStorageRoot: '',
} as const satisfies Partial<FrameworkSettings>;

export type FrameworkFactory = (settings: FrameworkSettings) => Promise<Framework> | Framework;
