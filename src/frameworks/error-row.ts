/**
 * Rows: the blank one that every framework starts from, and those that no framework wrote.
 *
 * Invariants: every key above `usage` of §3A is there on every row, with `database` filled from the task (P-36), so that
 * collation never special-cases.
 */
import type { Task } from '../dataset/task.ts';
import { blankRowOf, lossOf, type SnapshotFacts } from '../run/synthetic-row.ts';
import type { TaskRow } from './framework.ts';

/** A row of `task` on which nothing was submitted yet (W-09's defaults). `startedAt` is seconds since the epoch. */
export function blankRow(task: Task, startedAt: number): TaskRow {
  return blankRowOf({
    instanceId: task.instance_id,
    database: task.selected_database,
    userQuery: task.amb_user_query,
    groundTruthSql: task.sol_sql[0] ?? null,
    startedAt,
  });
}

/** The row of an attempt whose framework threw (W-04): its text as `error`, nothing submitted. */
export function errorRow(task: Task, error: string, startedAt: number, durationS: number): TaskRow {
  // The gold SQL of an attempt that never ran is not shown (W-09).
  return { ...blankRow(task, startedAt), ground_truth_sql: null, error, duration_s: durationS };
}

/** Why no framework wrote a row. */
export interface SyntheticCause {
  readonly task: Task;
  readonly attempt: number;
  /** The row's `error`, exactly as readers look for it: `actor-lost`, `dispatch-failure: …`, `undispatched: …` (W-05 … W-08). */
  readonly error: string;
  /** The first word of the end: `actor-lost`, `actor-task-error`, `dispatch-failure`, `undispatched`. */
  readonly reason: string;
  /** What is known about it: exit code, last lines, the store's answer. */
  readonly cause: string;
  /** Of an attempt that had started. */
  readonly snapshots?: SnapshotFacts | undefined;
}

/**
 * The row that a daemon or head writes for an attempt that left none (W-05 … W-08, shape W-09). It carries `synthetic`, by
 * which a real row of the same id wins over it (DESIGN rule 2).
 */
export function syntheticRow({ task, attempt, error, reason, cause, snapshots }: SyntheticCause): TaskRow {
  const synthetic = { reason, cause, ...(snapshots && lossOf(snapshots)) };
  return { ...errorRow(task, error, Date.now() / 1000, 0), attempt, synthetic };
}
