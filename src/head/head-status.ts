/** What `Status` says of nodes and runs: made on demand from what the head knows. */
import { NodeState, type NodeStatus, type RunSummary } from '../gen/skein/v1/run.ts';
import type { ActiveRun } from './active-run.ts';
import { summaryOf } from './progress.ts';
import type { NodeRecord, Roster } from './roster.ts';
import type { RunTable } from './run-table.ts';

export function nodeStatuses(roster: Roster, runs: RunTable): NodeStatus[] {
  return roster.list().map((record) => ({
    node: record.name,
    state: stateOf(record),
    version: record.session?.hello.version ?? '',
    actors: record.session?.hello.actors ?? 0,
    actorsLive: record.session?.actorsLive ?? 0,
    actorsPending: record.session?.actorsPending ?? 0,
    tasksOut: tasksOutAt(runs, record.name),
    trouble: record.health.trouble,
    spoolBytes: record.health.spoolBytes,
    silentS: record.silentMs / 1000,
    rssBytes: record.health.rssBytes,
  }));
}

/** Active runs, then those that ended here. */
export function runSummaries(runs: RunTable, waitingFor: (run: ActiveRun) => string): RunSummary[] {
  const ended = Array.from(runs.ended(), ([runId, { state, total, rowsOk, rowsError, helperFailures }]) => ({
    runId,
    state,
    total,
    rowsOk,
    rowsError,
    waiting: 0,
    out: 0,
    waitingFor: '',
    helperFailures,
  }));
  return [...runs.active().map((run) => summaryOf(run, waitingFor(run))), ...ended];
}

/** Unfinished tasks at a node, over all runs. */
function tasksOutAt(runs: RunTable, node: string): number {
  return runs.active().reduce((sum, run) => sum + run.ledger.heldBy(node).count, 0);
}

function stateOf({ session }: NodeRecord): NodeState {
  switch (session?.state) {
    case 'connected':
      return NodeState.CONNECTED;
    case 'leaving':
      return NodeState.LEAVING;
    case 'silent':
    case undefined:
      return NodeState.SILENT;
  }
}
