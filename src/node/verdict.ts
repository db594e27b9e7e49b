/** Rows that this node writes for attempts that left none (W-05 … W-08), with what it knows about their end. */
import type { Task } from '../dataset/task.ts';
import { ActorDiedError } from '../driver/errors.ts';
import { syntheticRow } from '../frameworks/error-row.ts';
import type { TaskRow } from '../frameworks/framework.ts';
import { describeError } from '../kernel/errors.ts';
import type { SnapshotFacts } from '../run/synthetic-row.ts';
import type { QueuedTask } from './task-queue.ts';

export interface Verdict {
  /** The first word of the end: `actor-lost`, `dispatch-failure` … */
  readonly reason: string;
  /** The row's `error`. */
  readonly error: string;
  /** What was thrown, or a text. */
  readonly cause: unknown;
  /** Of an attempt that had started. */
  readonly snapshots?: SnapshotFacts;
}

/** @param task as the dataset has it; undefined: only its names are known */
export function verdictRow(
  { instanceId, database, attempt }: QueuedTask,
  task: Task | undefined,
  { reason, error, cause, snapshots }: Verdict,
): TaskRow {
  return syntheticRow({
    task: task ?? blankTask(instanceId, database),
    attempt,
    error,
    reason,
    cause: typeof cause === 'string' ? cause : describeCause(cause),
    snapshots,
  });
}

function describeCause(thrown: unknown): string {
  if (!(thrown instanceof ActorDiedError)) return describeError(thrown);
  const lines = thrown.lastLines.length > 0 ? `; last lines: ${thrown.lastLines.join(' | ')}` : '';
  return `${describeError(thrown)}${lines}`;
}

function blankTask(instanceId: string, database: string): Task {
  return {
    instance_id: instanceId,
    selected_database: database,
    amb_user_query: '',
    sol_sql: [],
    preprocess_sql: [],
    clean_up_sqls: [],
    test_cases: [],
    external_knowledge: [],
    category: '',
    knowledge_ambiguity: [],
  };
}
