/**
 * Takes on a run from what the store says of it: the manifest gives its ids, the rows say what is done, the last status
 * what was started and where. A fresh run, a resumed one and one whose head died are the same to this (DESIGN "Head life").
 *
 * Invariants: A1 nothing is adopted without the run's lease. A2 what the last status has in flight at a node stays out
 * there until that node speaks or is lost; only a head inside a command, whose node died with it, waits for nobody. A3 what
 * was resubmitted is read from the records of attempts, so that no life of a head takes an old row for a new one's (L-12).
 */
import pLimit from 'p-limit';

import type { Logger } from '../kernel/log.ts';
import { canonicalRow, type RowFile } from '../run/canonical-row.ts';
import { readAttemptRecords, type Floors } from '../run/attempt-record.ts';
import { idStateOf, rulesOf, type IdState } from '../run/id-state.ts';
import { databaseOf, type Manifest } from '../run/manifest.ts';
import { storeRows } from '../run/row-source.ts';
import type { RunStatus, StoredStatus } from '../run/status.ts';
import type { ObjectStore } from '../store/port.ts';
import { RunLedger, type LedgerTask, type TaskPhase } from './run-ledger.ts';

/** Rows read at a time. */
const READS_AT_ONCE = 32;

export interface AdoptOptions {
  readonly store: ObjectStore;
  readonly log: Logger;
  readonly manifest: Manifest;
  readonly status: StoredStatus;
  /** Whether nodes outlive heads here. */
  readonly isCluster: boolean;
}

export interface Adopted {
  readonly attempt: number;
  readonly ledger: RunLedger;
  /** Nodes that hold, or held, something of it: dispatch gives them a moment to say what. */
  readonly expected: RunStatus['nodes'];
}

const WAITING: TaskPhase = { kind: 'waiting' };

/** The run's tasks as the store knows them. @throws SkeinError STORE_UNAVAILABLE */
export async function adoptRun(options: AdoptOptions): Promise<Adopted> {
  const { manifest, status: stored, log, isCluster } = options;
  const { status } = stored;
  const runId = manifest.run_id;
  const { floors, highest } = await readAttemptRecords(options.store, runId);
  const states = await readStates(options, floors);
  const attempt = Math.max(status?.attempt ?? 1, highest);
  // A run with heartbeats was worked on before: what has no row may have been started.
  const isResumed = status?.last_heartbeat_ts !== undefined && status.last_heartbeat_ts !== null;
  const isOpen = status !== undefined && status.terminal_state === null && !status.stopped;
  const inFlight = new Map((isOpen ? status.in_flight : []).map((each) => [each.instance_id, each]));
  const nowMs = Date.now();

  const taskOf = (instanceId: string): LedgerTask => {
    const state = states.get(instanceId);
    const database = databaseOf(manifest, instanceId);
    if (state?.kind === 'done') {
      return { instanceId, database, attempt: state.attempt, lost: 0, phase: { kind: 'row', isError: state.isError } };
    }
    const floor = floors.get(instanceId);
    const next = Math.max(attempt, state?.nextAttempt ?? floor ?? 1);
    const task: LedgerTask = {
      instanceId,
      database,
      attempt: next,
      lost: state?.lost ?? 0,
      phase: WAITING,
      ...(floor !== undefined && { floor }),
    };
    const flying = inFlight.get(instanceId);
    const fields = { run: runId, instance: instanceId, attempt: next };
    if (isCluster && flying?.node && flying.attempt === next) {
      task.phase = { kind: 'out', node: flying.node, startedMs: nowMs - flying.elapsed_s * 1000 };
    } else if (state && state.why !== 'no-row') {
      log.info({ ...fields, reason: state.why }, 'attempt without a result: started again');
    } else if (flying || (isResumed && !isCluster)) {
      log.info(fields, 'id without a row: started again as the same attempt');
    }
    return task;
  };
  const tasks = [...new Set(manifest.instance_ids)].map(taskOf).sort(byDatabaseAndId);
  return {
    attempt,
    ledger: new RunLedger(tasks, manifest.retry_lost),
    expected: isCluster && isOpen ? status.nodes : [],
  };
}

/** Plain string order, as the seed's job arguments (L-15). */
function byDatabaseAndId(a: LedgerTask, b: LedgerTask): number {
  const [x, y] = a.database === b.database ? [a.instanceId, b.instanceId] : [a.database, b.database];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** What the rows of every id that has any come to; the rows themselves are not kept. */
async function readStates({ store, manifest }: AdoptOptions, floors: Floors): Promise<Map<string, IdState>> {
  const source = storeRows(store, manifest.run_id);
  const files = await source.list();
  const limit = pLimit(READS_AT_ONCE);
  const states = new Map<string, IdState>();
  const rules = rulesOf(manifest.retry_lost, floors);
  const read = async (instanceId: string, own: readonly RowFile[]): Promise<void> => {
    states.set(instanceId, idStateOf(await canonicalRow(own, (file) => source.read(file)), rules(instanceId)));
  };
  await Promise.all(Array.from(files, ([instanceId, own]) => limit(() => read(instanceId, own))));
  return states;
}
