/** A run's state as clients see it: one message made from the ledger and the nodes. */
import {
  RunState,
  type InFlight,
  type RunFindings,
  type RunSummary,
  type WatchRunResponse,
} from '../gen/skein/v1/run.ts';
import type { ActiveRun, RunEnd } from './active-run.ts';
import type { InFlightTask } from './run-ledger.ts';

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

/**
 * @param nodes how many are connected, with how many actors
 * @param waitingFor what nothing is started without; empty: nothing
 */
export function progressOf(
  run: ActiveRun,
  nodes: { readonly connected: number; readonly live: number; readonly pending: number },
  waitingFor: string,
  nowMs = Date.now(),
): WatchRunResponse {
  const { total, rowsOk, rowsError, inFlight, databases } = run.ledger.tally();
  const { phase, counters } = run;
  return {
    state: stateOf(run),
    total,
    rowsOk,
    rowsError,
    inFlight: inFlight.map((task) => inFlightOf(task, nowMs)),
    databases: databases.map((tally) => ({ ...tally })),
    actorsLive: nodes.live,
    actorsPending: nodes.pending,
    helperFailures: Object.fromEntries(run.helperFailures),
    error: phase.kind === 'ended' ? reasonOf(phase.end) : '',
    nodes: nodes.connected,
    retried: counters.retried,
    lateRows: counters.lateRows,
    duplicateRows: counters.duplicateRows,
    waitingFor,
  };
}

function inFlightOf({ instanceId, database, node, startedMs }: InFlightTask, nowMs: number): InFlight {
  return { instanceId, database, elapsedS: Math.max(0, nowMs - startedMs) / 1000, node };
}

/** In-flight tasks that are named, the longest-running first: a message has a limit. */
const MOST_NAMED = 2_000;

/** What of a run somebody wants to see who looks why it does not go on. */
export function findingsOf(run: ActiveRun, nowMs = Date.now()): RunFindings {
  const { inFlight } = run.ledger.tally();
  return {
    waiting: run.ledger.waiting(),
    inFlight: inFlight.slice(0, MOST_NAMED).map((task) => inFlightOf(task, nowMs)),
    openAt: run.openAt,
    obstacles: run.obstacles,
  };
}

/** Why it is not done, where that is known. */
function reasonOf(end: RunEnd): string {
  switch (end.kind) {
    case 'done':
      return '';
    case 'stopped':
      return end.reason ?? '';
    case 'failed':
      return end.error;
  }
}

/** One line of `Status`. */
export function summaryOf(run: ActiveRun, waitingFor: string): RunSummary {
  const { total, rowsOk, rowsError, waiting, out } = run.ledger.tally();
  const helperFailures = Object.fromEntries(run.helperFailures);
  return { runId: run.runId, state: stateOf(run), total, rowsOk, rowsError, waiting, out, waitingFor, helperFailures };
}
