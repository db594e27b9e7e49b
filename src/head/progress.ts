/** A run's state as clients see it: one message made from the ledger and the nodes. */
import { RunState, type WatchRunResponse } from '../gen/skein/v1/run.ts';
import type { ActiveRun } from './active-run.ts';
import type { NodeSession } from './node-session.ts';

function stateOf(run: ActiveRun): RunState {
  const { phase } = run;
  switch (phase.kind) {
    case 'running':
      return RunState.RUNNING;
    case 'draining':
    case 'closing':
    case 'ending':
      return RunState.DRAINING;
    case 'ended':
      return { done: RunState.DONE, stopped: RunState.STOPPED, failed: RunState.FAILED }[phase.end.kind];
  }
}

export function progressOf(run: ActiveRun, nodes: readonly NodeSession[], nowMs = Date.now()): WatchRunResponse {
  const { total, rowsOk, rowsError, inFlight, databases } = run.ledger.tally();
  const { phase } = run;
  return {
    state: stateOf(run),
    total,
    rowsOk,
    rowsError,
    inFlight: inFlight.map(({ instanceId, database, startedMs }) => ({
      instanceId,
      database,
      elapsedS: Math.max(0, nowMs - startedMs) / 1000,
      node: '',
    })),
    databases: databases.map((tally) => ({ ...tally })),
    actorsLive: nodes.reduce((sum, { actorsLive }) => sum + actorsLive, 0),
    actorsPending: nodes.reduce((sum, { actorsPending }) => sum + actorsPending, 0),
    helperFailures: Object.fromEntries(run.helperFailures),
    error: phase.kind === 'ended' && phase.end.kind === 'failed' ? phase.end.error : '',
    nodes: nodes.length,
    retried: 0,
    lateRows: 0,
    duplicateRows: 0,
  };
}
