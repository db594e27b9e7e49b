/**
 * The runs of a store, one line each (L-09), and one run in detail. Runs are found as folders below `runs/`, and told from
 * their index and status: two reads a run, whatever it holds (V-12, P-39). Only the detail of one run reads its rows.
 *
 * Invariants: L1 a run whose manifest is gone or unreadable is named and costs no other. L2 what the list says of progress
 * is the last heartbeat's; of a run without a status (never begun, or pinned for longer than that lasts) the ids that have a
 * row are counted by name.
 */
import pLimit from 'p-limit';

import type { PersistOptions } from '../store/create-or-confirm.ts';
import { manifestName, runIdOf, RUNS_PREFIX } from '../store/layout.ts';
import { runRetentionDays } from '../store/lifecycle.ts';
import type { ObjectStore } from '../store/port.ts';
import { listFolders } from '../store/prefix.ts';
import { readCounts, type RunCounts } from './run-counts.ts';
import { isManifestError, readManifest, type Manifest } from './manifest.ts';
import { indexOf, readIndex, type Pin, type RunIndex } from './run-index.ts';
import { storeRows } from './row-source.ts';
import { readStatus, type RunStatus } from './status.ts';

/**
 * `done`, `error`: how it ended. `live`: its heart beats. `stopped`: it was ended before every id had a row, or never begun.
 * `orphaned`: nobody ended it, and its heart beats no more: detached and forgotten, or its head died. The last two are
 * to be resumed.
 */
export type RunState = 'done' | 'error' | 'live' | 'stopped' | 'orphaned';

export interface RunLine {
  readonly runId: string;
  readonly framework: string;
  readonly queryMode: string;
  readonly mode: string;
  readonly state: RunState;
  /** Ids that have a row, error rows included, as the last heartbeat gave them. */
  readonly done: number;
  readonly total: number;
  /** Error rows among `done`; undefined where the status does not say (the original's). */
  readonly errors: number | undefined;
  /** The run-wide attempt: above 1 it was resubmitted. */
  readonly attempt: number;
  /** 0: unknown. */
  readonly createdAtMs: number;
  /** What nothing of it is started without, and how to give it, as the last heartbeat said; empty: nothing. */
  readonly waitingFor: string;
  /** Undefined if it never beat. */
  readonly lastHeartbeatMs: number | undefined;
  /** Null: not pinned. */
  readonly pinned: Pin | null;
  /** When the bucket begins to clear the run away; undefined: never, or nobody knows. */
  readonly expiresAtMs: number | undefined;
}

export interface RunList {
  /** The newest first. */
  readonly runs: readonly RunLine[];
  /** Ids whose manifest is absent or cannot be read. */
  readonly unreadable: readonly string[];
}

/** One run, its rows read. */
export interface RunDetail extends RunLine {
  readonly counts: RunCounts;
  readonly manifest: Manifest;
  readonly status: RunStatus | undefined;
}

/** Beats come every few seconds; after this the heart has stopped. */
const LIVE_WITHIN_MS = 60_000;
/** Runs asked at a time; each makes two calls at once. */
const RUNS_AT_ONCE = 16;
const DAY_MS = 86_400_000;

/** @throws SkeinError the store's */
export async function listRuns(store: ObjectStore, options: PersistOptions = {}, nowMs = Date.now()): Promise<RunList> {
  const limit = pLimit(RUNS_AT_ONCE);
  const days = runRetentionDays(store);
  const pending: Promise<RunLine | string>[] = [];
  for await (const folder of listFolders(store, RUNS_PREFIX, options)) {
    const runId = runIdOf(folder);
    if (runId === undefined) continue;
    pending.push(limit(async () => lineOrId(store, runId, options, { nowMs, days: await days })));
  }
  const all = await Promise.all(pending);
  return {
    runs: all
      .filter((each) => typeof each !== 'string')
      .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.runId < b.runId ? 1 : -1)),
    unreadable: all.filter((each) => typeof each === 'string').sort(),
  };
}

/** One run with the numbers of its rows. @throws SkeinError NOT_FOUND | CORRUPT (its manifest) | the store's */
export async function runDetail(
  store: ObjectStore,
  runId: string,
  options: PersistOptions = {},
  nowMs = Date.now(),
): Promise<RunDetail> {
  const manifest = await readManifest(store, runId);
  const [index, status, counts, days] = await Promise.all([
    readIndex(store, runId, options),
    readStatus(store, runId, options),
    readCounts(store, manifest, options),
    runRetentionDays(store),
  ]);
  const line = lineOf(index ?? indexOf(manifest), status, { nowMs, days });
  const isComplete = counts.missing === 0;
  return {
    ...line,
    // Rows that are all there are an end, whoever was to say so.
    state: isComplete && (line.state === 'stopped' || line.state === 'orphaned') ? 'done' : line.state,
    done: counts.done,
    errors: counts.errors,
    counts,
    manifest,
    status,
  };
}

interface Circumstances {
  readonly nowMs: number;
  readonly days: number | undefined;
}

async function lineOrId(
  store: ObjectStore,
  runId: string,
  options: PersistOptions,
  circumstances: Circumstances,
): Promise<RunLine | string> {
  const [index, status] = await Promise.all([readIndex(store, runId, options), readStatus(store, runId, options)]);
  try {
    const line = lineOf(index ?? (await indexFromManifest(store, runId, circumstances)), status, circumstances);
    return status ? line : { ...line, ...(await countByName(store, line, options)) };
  } catch (error) {
    if (isManifestError(error)) return runId;
    throw error;
  }
}

/** What names alone tell of a run that has no status. */
async function countByName(
  store: ObjectStore,
  { runId, total }: RunLine,
  options: PersistOptions,
): Promise<Pick<RunLine, 'done' | 'state'>> {
  const files = await storeRows(store, runId, options).list();
  const done = Math.min(total, files.size);
  return { done, state: done === total ? 'done' : 'stopped' };
}

/** The original's manifests have no time in them: their object has. */
async function indexFromManifest(store: ObjectStore, runId: string, { days }: Circumstances): Promise<RunIndex> {
  const index = indexOf(await readManifest(store, runId));
  if (index.created_at_ms > 0 || days === undefined) return index;
  return { ...index, created_at_ms: (await store.stat(manifestName(runId)))?.updatedMs ?? 0 };
}

function lineOf(index: RunIndex, status: RunStatus | undefined, { nowMs, days }: Circumstances): RunLine {
  const { run_id: runId, framework, query_mode: queryMode, mode, total, created_at_ms: createdAtMs, pinned } = index;
  const beat = status?.last_heartbeat_ts;
  // The original's status has no such numbers.
  const isCounted = status !== undefined && status.rows_ok + status.rows_error === status.rows_done;
  return {
    runId,
    framework,
    queryMode,
    mode,
    state: stateOf(status, total, nowMs),
    done: status?.rows_done ?? 0,
    total,
    errors: isCounted ? status.rows_error : undefined,
    attempt: status?.attempt ?? 1,
    createdAtMs,
    waitingFor: status?.terminal_state || status?.stopped ? '' : (status?.waiting_for ?? ''),
    lastHeartbeatMs: beat ? beat * 1000 : undefined,
    pinned,
    expiresAtMs: days === undefined || pinned || createdAtMs === 0 ? undefined : createdAtMs + days * DAY_MS,
  };
}

function stateOf(status: RunStatus | undefined, total: number, nowMs: number): RunState {
  if (!status) return 'stopped';
  if (status.terminal_state) return status.terminal_state;
  const isComplete = status.rows_done >= total;
  if (status.stopped) return isComplete ? 'done' : 'stopped';
  const beat = status.last_heartbeat_ts;
  if (!beat) return 'stopped';
  if (nowMs - beat * 1000 < LIVE_WITHIN_MS) return 'live';
  return isComplete ? 'done' : 'orphaned';
}
