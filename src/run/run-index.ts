/**
 * The runs of a store, one line each (L-09), and the counts of one. Runs are found as folders below `runs/`, never by a
 * scan of all objects (V-12, P-39).
 */
import pLimit from 'p-limit';

import type { PersistOptions } from '../store/create-or-confirm.ts';
import { runIdOf, RUNS_PREFIX } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listFolders } from '../store/prefix.ts';
import { canonicalRow } from './canonical-row.ts';
import type { RunCounts } from './run-counts.ts';
import { idStateOf, retryLostOf } from './id-state.ts';
import { isManifestError, readManifest, type Manifest } from './manifest.ts';
import { storeRows } from './row-source.ts';
import { readStatus, type RunStatus } from './status.ts';

/**
 * `done`, `error`: how it ended. `live`: its heart beats. `stopped`: it does not, and not every id has a row: to be resumed.
 */
export type RunState = 'done' | 'error' | 'live' | 'stopped';

export interface RunSummary {
  readonly runId: string;
  readonly framework: string;
  readonly queryMode: string;
  readonly mode: string;
  readonly state: RunState;
  /** Ids that have a row, error rows included. */
  readonly done: number;
  readonly total: number;
  /** Error rows among `done`, as the last heartbeat gave them; undefined without one. */
  readonly errors: number | undefined;
  readonly createdAtMs: number;
  /** Undefined if it never beat. */
  readonly lastHeartbeatMs: number | undefined;
}

export interface RunList {
  /** The newest first. */
  readonly runs: readonly RunSummary[];
  /** Ids whose manifest is absent or cannot be read. */
  readonly unreadable: readonly string[];
}

/** Beats come every few seconds; after this the heart has stopped. */
const LIVE_WITHIN_MS = 60_000;
const READS_AT_ONCE = 16;

export async function listRuns(store: ObjectStore, options: PersistOptions = {}): Promise<RunList> {
  const limit = pLimit(READS_AT_ONCE);
  const pending: Promise<RunSummary | string>[] = [];
  for await (const folder of listFolders(store, RUNS_PREFIX, options)) {
    const runId = runIdOf(folder);
    if (runId !== undefined) pending.push(limit(() => summaryOrId(store, runId, options)));
  }
  const all = await Promise.all(pending);
  return {
    runs: all
      .filter((each) => typeof each !== 'string')
      .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.runId < b.runId ? 1 : -1)),
    unreadable: all.filter((each) => typeof each === 'string').sort(),
  };
}

/** One run. @throws SkeinError NOT_FOUND | CORRUPT (its manifest) | the store's */
export async function runSummary(
  store: ObjectStore,
  runId: string,
  options: PersistOptions = {},
  nowMs = Date.now(),
): Promise<RunSummary> {
  const [manifest, status] = await Promise.all([readManifest(store, runId), readStatus(store, runId, options)]);
  const total = new Set(manifest.instance_ids).size;
  // An ended run's status is its last word; of any other the rows are asked.
  const done = status?.terminal_state === 'done' ? status.rows_done : await countRows(store, manifest, status, options);
  const beat = status?.last_heartbeat_ts;
  return {
    runId,
    framework: manifest.framework,
    queryMode: manifest.query_mode,
    mode: manifest.mode,
    state: stateOf(status, done >= total, nowMs),
    done,
    total,
    errors: status?.rows_error,
    createdAtMs: manifest.created_at_ms,
    lastHeartbeatMs: beat ? beat * 1000 : undefined,
  };
}

/** What became of every id, from the rows themselves: all of them are read. A run that is done retries nothing. */
export async function readCounts(
  store: ObjectStore,
  manifest: Manifest,
  options: PersistOptions = {},
): Promise<RunCounts> {
  const source = storeRows(store, manifest.run_id, options);
  const [files, status] = await Promise.all([source.list(), readStatus(store, manifest.run_id, options)]);
  const retryLost = retryLostOf(manifest, status);
  const limit = pLimit(2 * READS_AT_ONCE);
  const ids = [...new Set(manifest.instance_ids)];
  const ends = await Promise.all(
    ids.map((id) =>
      limit(async () => {
        const row = await canonicalRow(files.get(id) ?? [], (file) => source.read(file));
        const state = idStateOf(row, retryLost);
        return state.kind === 'done' ? (state.isError ? 'error' : 'ok') : 'missing';
      }),
    ),
  );
  const count = (end: string): number => ends.filter((each) => each === end).length;
  const [ok, errors, missing] = [count('ok'), count('error'), count('missing')];
  return { expected: ids.length, done: ok + errors, ok, errors, missing };
}

function stateOf(status: RunStatus | undefined, isComplete: boolean, nowMs: number): RunState {
  if (status?.terminal_state) return status.terminal_state;
  if (status?.stopped) return isComplete ? 'done' : 'stopped';
  const beat = status?.last_heartbeat_ts;
  if (beat && nowMs - beat * 1000 < LIVE_WITHIN_MS) return 'live';
  return isComplete ? 'done' : 'stopped';
}

async function summaryOrId(store: ObjectStore, runId: string, options: PersistOptions): Promise<RunSummary | string> {
  try {
    return await runSummary(store, runId, options);
  } catch (error) {
    if (isManifestError(error)) return runId;
    throw error;
  }
}

/**
 * Ids of the run that are done. Names tell it, as long as some have none at all, less those that the status knows to be
 * retried; when every id has a name the rows are read.
 */
async function countRows(
  store: ObjectStore,
  manifest: Manifest,
  status: RunStatus | undefined,
  options: PersistOptions,
): Promise<number> {
  const files = await storeRows(store, manifest.run_id, options).list();
  const retrying = new Set(status?.retrying);
  const ids = new Set(manifest.instance_ids);
  const named = [...ids].filter((id) => files.has(id));
  if (named.length === ids.size) return (await readCounts(store, manifest, options)).done;
  return named.filter((id) => !retrying.has(id)).length;
}
