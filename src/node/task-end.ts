/** How a task ended at a node, as the head hears of it. */
import { Outcome, type TaskEnded } from '../gen/skein/v1/node.ts';
import type { QueuedTask } from './task-queue.ts';

/** Another row stood in this one's place, and it lies beside it (DESIGN rule 2). */
export type RowBeside = 'late' | 'duplicate';

export type TaskEnd =
  | { readonly kind: 'ok'; readonly beside?: RowBeside }
  | { readonly kind: 'error'; readonly error: string; readonly beside?: RowBeside }
  | { readonly kind: 'lost'; readonly error: string }
  /** `error`: why this node has no use for it; absent when it was just not started. */
  | { readonly kind: 'returned'; readonly error?: string }
  | { readonly kind: 'unstored'; readonly error: string };

export function taskEnded(
  runId: string,
  { instanceId, attempt }: Pick<QueuedTask, 'instanceId' | 'attempt'>,
  end: TaskEnd,
): TaskEnded {
  const beside = 'beside' in end ? end.beside : undefined;
  return {
    runId,
    instanceId,
    attempt,
    outcome: outcomeOf(end),
    error: 'error' in end && end.error !== undefined ? firstLine(end.error) : '',
    isLate: beside === 'late',
    isDuplicate: beside === 'duplicate',
  };
}

function outcomeOf(end: TaskEnd): Outcome {
  switch (end.kind) {
    case 'ok':
      return Outcome.OK;
    case 'returned':
      return Outcome.RETURNED;
    case 'error':
      return Outcome.ERROR;
    case 'lost':
      return Outcome.LOST;
    case 'unstored':
      return Outcome.UNSTORED;
  }
}

function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').slice(0, 500);
}
