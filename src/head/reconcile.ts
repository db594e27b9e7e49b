/**
 * What a node says that it holds of a run, against what the ledger has out there: at the begin of every session (DESIGN
 * "Head life", reliability "reconcile rule").
 *
 * | the node says | the ledger has it | then |
 * | --- | --- | --- |
 * | queued, running, shipping | waiting, or out there | it is out there |
 * | queued, running | elsewhere, or ended | revoked: it was given away |
 * | orphaned | waiting, or out there | lost: proof of death |
 * | nothing | out there | its row, if the store has one; else lost if that life is dead and had started it, else it waits again |
 *
 * Invariants: C1 a result that is on its way behind the inventory is not overtaken: the store is asked, and a node that
 * lives gets a moment first. C2 nothing is decided on what changed while the store was asked: a task that came back and
 * went out again meanwhile, be it to the same node, is another matter. Two sessions may ask about one task at a time.
 */
import pLimit from 'p-limit';

import { HeldState, type HeldTask } from '../gen/skein/v1/node.ts';
import { describeError, isSkeinError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { sleep } from '../kernel/retry.ts';
import { canonicalRow } from '../run/canonical-row.ts';
import { readPatiently } from '../store/create-or-confirm.ts';
import { rowName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import type { ActiveRun } from './active-run.ts';
import type { LedgerTask, TaskKey, TaskPhase } from './run-ledger.ts';

const READS_AT_ONCE = 16;
/** What a living node that does not name a task gets for its result to arrive. */
const ON_ITS_WAY_MS = 1_000;
const PAUSE_MS = 1_000;

export interface ReconcileOptions {
  readonly store: ObjectStore;
  readonly log: Logger;
  readonly run: ActiveRun;
  readonly node: string;
  /** What the node says that it holds of this run, by instance id. */
  readonly held: ReadonlyMap<string, HeldTask>;
  /** Whether the life that was handed the tasks is dead. */
  readonly isNewLife: boolean;
  readonly revoke: (tasks: readonly TaskKey[]) => void;
  readonly signal: AbortSignal;
}

/** Settles what can be settled at once; the rest follows when the store has answered. */
export async function reconcile(options: ReconcileOptions): Promise<void> {
  const { run, node, held, isNewLife, revoke, log } = options;
  const given: TaskKey[] = [];
  for (const said of held.values()) if (!take(options, said)) given.push(said);
  if (given.length > 0) {
    log.info({ run: run.runId, node, tasks: given.length }, 'given away meanwhile: revoked');
    revoke(given.map(({ instanceId, attempt }) => ({ instanceId, attempt })));
  }
  const silent = run.ledger.heldBy(node).tasks.filter((task) => held.get(task.instanceId)?.attempt !== task.attempt);
  if (silent.length > 0) {
    const instances = silent.map(({ instanceId, attempt }) => `${instanceId}#${attempt}`);
    log.info({ run: run.runId, node, isNewLife, tasks: silent.length, instances }, 'the node does not name these');
  }
  const limit = pLimit(READS_AT_ONCE);
  // Taken down now: some wait for their turn to ask.
  const asked = silent.map((task) => ({ task, phase: task.phase }));
  await Promise.all(asked.map(({ task, phase }) => limit(() => settle(options, task, phase))));
}

/** Whether what the node holds is its to hold. */
function take({ run, node }: ReconcileOptions, said: HeldTask): boolean {
  const startedMs = said.startedMs || Date.now();
  switch (said.state) {
    case HeldState.ORPHANED: {
      const task = run.ledger.get(said.instanceId);
      if (task?.attempt !== said.attempt) return true;
      const isOurs = task.phase.kind === 'waiting' || (task.phase.kind === 'out' && task.phase.node === node);
      if (isOurs) run.loseTask(task, node, `node ${node} was restarted while it ran`, true);
      return true;
    }
    case HeldState.RUNNING:
      return run.ledger.claim(said, node, startedMs);
    case HeldState.SHIPPING:
      run.ledger.claim(said, node, startedMs);
      return true;
    case HeldState.QUEUED:
    case HeldState.UNSPECIFIED:
    case HeldState.UNRECOGNIZED:
      return run.ledger.claim(said, node, undefined);
  }
}

/** A task that is out at a node which does not name it, since `out`. */
async function settle(
  { store, log, run, node, isNewLife, signal }: ReconcileOptions,
  task: LedgerTask,
  out: TaskPhase,
): Promise<void> {
  const { instanceId, attempt } = task;
  const key = { instanceId, attempt };
  const isStill = (): boolean => task.phase === out;
  try {
    if (!isNewLife) await sleep(ON_ITS_WAY_MS, signal);
    while (isStill()) {
      try {
        const name = rowName(run.runId, instanceId, attempt);
        const file = { runId: run.runId, ...key, kind: 'row' as const, path: name };
        const stored = await readPatiently(store, name, { signal });
        if (!isStill()) return;
        const row = await canonicalRow(stored ? [file] : [], async () => stored?.bytes);
        if (!isStill()) return;
        if (row.kind === 'row')
          return row.isLost ? run.lossStored(key, 'its row says so') : run.rowFound(key, row.isError);
        if (row.kind === 'unreadable') return run.loseTask(task, node, 'its row cannot be read', true);
        const cause = `node ${node} ${isNewLife ? 'was restarted and' : ''} does not have it any more`;
        if (isNewLife) return run.loseTask(task, node, cause);
        run.ledger.returned(key, node);
        log.warn({ run: run.runId, ...key, node }, 'the node does not have it any more: started again');
        return run.advance();
      } catch (error) {
        if (isSkeinError(error, 'CANCELLED')) return;
        log.warn({ run: run.runId, ...key, error: describeError(error) }, 'row of a task not looked up yet');
        await sleep(PAUSE_MS, signal);
      }
    }
  } catch (error) {
    if (!isSkeinError(error, 'CANCELLED')) throw error;
  }
}
