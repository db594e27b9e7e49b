/**
 * Waiting for a run, on what the bucket says of it and nothing else (L-05). Works with and without a head, from any machine.
 *
 * At every look, in this order: the terminal state; a row for every id; a heartbeat that stopped while the head lives
 * (`stalled`); no head (`headless`); nothing new for too long (`timed-out`); a single look was asked for.
 *
 * Invariants: W1 rows are counted, never believed from the heartbeat; before every id having one means the end, they are
 * read: a lost attempt that will be run again is not done, nor is a row that cannot be read (`id-state.ts`). W2 progress is a new row, a task that starts or
 * ends, and a transcript that grows (V-01, V-03): a slow task is not a stalled run. W3 a heartbeat counts as stopped only
 * if it is old by its own time AND did not change under our eyes, so that clocks may differ. W4 a run whose rows are all
 * there while its heart beats is still shipping: it gets a moment to say that it is done, so that a fetch right after
 * the wait finds the shards of the last tasks too.
 */
import pLimit from 'p-limit';

import { sleep as wait } from '../kernel/retry.ts';
import type { PersistOptions } from '../store/create-or-confirm.ts';
import { parseRowName, rowsPrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';
import { addRowPath, canonicalRow, type RowFile } from './canonical-row.ts';
import { idStateOf } from './id-state.ts';
import { readManifest, type Manifest } from './manifest.ts';
import { storeRows } from './row-source.ts';
import { readStatus, type RunStatus } from './status.ts';

export type WaitEnd =
  | { readonly kind: 'done' }
  /** The run itself ended as failed. */
  | { readonly kind: 'error'; readonly error: string }
  | { readonly kind: 'stalled' | 'headless' | 'timed-out' | 'poll-once-exit'; readonly hint: string };

export interface RunProgress {
  readonly total: number;
  /** Ids that have a row, error rows included. */
  readonly rows: number;
  readonly status: RunStatus | undefined;
}

export type WaitResult = WaitEnd & RunProgress;

export interface WaitOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  /** Default 10,000; 0 = look once. */
  readonly pollMs?: number;
  /** Since the last progress, not since the start. Default 3,600,000; 0 = for ever. */
  readonly noProgressMs?: number;
  /** How old a heartbeat may be. Default 300,000. */
  readonly stallMs?: number;
  /** How long an old heartbeat must stay unchanged while we look. Default 15,000, three beats; 0 when looking once. */
  readonly confirmMs?: number;
  /** How long a run that beats may go on shipping when all rows are there. Default 60,000; 0 when looking once. */
  readonly settleMs?: number;
  /** Only rows and states of this attempt and later count: a resubmitted run is not done by its old ones (L-12). */
  readonly minAttempt?: number;
  /** The ids that are waited for; default all of the run. */
  readonly instanceIds?: readonly string[];
  /** Whether the run's head lives, if anybody knows: undefined means nobody does. */
  readonly isHeadAlive?: () => Promise<boolean | undefined>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: RunProgress) => void;
  /** For tests: milliseconds since the epoch. */
  readonly now?: () => number;
  /** For tests. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<unknown>;
}

const READS_AT_ONCE = 32;

/** Ids whose rows were read and came to an end, with how many row files they had then. */
type Settled = Map<string, number>;

interface Sight extends RunProgress {
  /** Changes with every progress (W2). */
  readonly trace: string;
}

/** @throws SkeinError NOT_FOUND (no such run) | CORRUPT (its manifest) | CANCELLED | the store's */
export async function waitForRun(options: WaitOptions): Promise<WaitResult> {
  const { runId, pollMs = 10_000, signal, now = Date.now, sleep = wait } = options;
  const manifest = await readManifest(options.store, runId);
  const watch = new Watch(manifest, options, now());
  const settled: Settled = new Map();
  for (;;) {
    const sight = await look(options, manifest, settled);
    watch.saw(sight, now());
    options.onProgress?.(progressOf(sight));
    const end = await judge(options, watch, sight, now());
    if (end) return { ...end, ...progressOf(sight) };
    await sleep(pollMs, signal);
  }
}

/** A run that says it was stopped may just be resumed: it gets so long to say so. */
const STOPPED_FOR_MS = 2_000;

/** What one waiter has seen change, by its own clock. */
class Watch {
  readonly createdAtMs: number;
  readonly #confirmMs: number;
  readonly #settleMs: number;
  #completeAtMs: number | undefined;
  #trace: string | undefined;
  #beat: number | null | undefined;
  progressAtMs: number;
  beatAtMs: number;

  constructor(manifest: Manifest, options: WaitOptions, nowMs: number) {
    const { pollMs = 10_000, confirmMs = 15_000, settleMs = 60_000 } = options;
    this.createdAtMs = manifest.created_at_ms;
    this.#confirmMs = pollMs <= 0 ? 0 : confirmMs;
    this.#settleMs = pollMs <= 0 ? 0 : settleMs;
    this.progressAtMs = nowMs;
    this.beatAtMs = nowMs;
  }

  saw({ trace, status, rows, total }: Sight, nowMs: number): void {
    if (rows >= total) this.#completeAtMs ??= nowMs;
    const beat = status?.last_heartbeat_ts;
    if (this.#trace !== trace) this.progressAtMs = nowMs;
    if (this.#beat !== beat) this.beatAtMs = nowMs;
    this.#trace = trace;
    this.#beat = beat;
  }

  /** Whether a run with all its rows is given a moment more (W4). */
  isSettling(nowMs: number): boolean {
    const lastMs = Math.min(this.beatAtMs, 1000 * (this.#beat ?? 0));
    const isBeating = nowMs - lastMs <= this.#confirmMs;
    return isBeating && this.#completeAtMs !== undefined && nowMs - this.#completeAtMs < this.#settleMs;
  }

  /** Since when the heartbeat is the one that it is. */
  beatUnchangedMs(nowMs: number): number {
    return nowMs - this.beatAtMs;
  }

  /** How long the heartbeat has been silent, 0 while that is not certain (W3). */
  silentMs(nowMs: number): number {
    if (nowMs - this.beatAtMs < this.#confirmMs) return 0;
    const lastMs = this.#beat ? this.#beat * 1000 : this.createdAtMs;
    return Math.max(0, nowMs - lastMs);
  }
}

async function judge(options: WaitOptions, watch: Watch, sight: Sight, nowMs: number): Promise<WaitEnd | undefined> {
  const { runId, pollMs = 10_000, noProgressMs = 3_600_000, stallMs = 300_000, minAttempt = 1 } = options;
  const { status, rows, total } = sight;
  if (status?.terminal_state && status.attempt >= minAttempt) {
    if (status.terminal_state === 'done') return { kind: 'done' };
    return { kind: 'error', error: status.error ?? 'the run ended as failed' };
  }
  if (total > 0 && rows >= total) return watch.isSettling(nowMs) ? undefined : { kind: 'done' };

  if (status?.stopped && watch.beatUnchangedMs(nowMs) >= (pollMs <= 0 ? 0 : STOPPED_FOR_MS)) {
    const hint = `the run was stopped; ${rows} of ${total} ids have a row; go on with: skein resume ${runId}`;
    return { kind: 'headless', hint };
  }
  const isAlive = await options.isHeadAlive?.();
  const resume = `${rows} of ${total} ids have a row; go on with: skein resume ${runId}`;
  const silentMs = watch.silentMs(nowMs);
  if (isAlive !== false && silentMs > stallMs) {
    return { kind: 'stalled', hint: `no heartbeat for ${Math.round(silentMs / 1000)} s; ${resume}` };
  }
  if (isAlive === false) return { kind: 'headless', hint: `the run's head is gone; ${resume}` };
  if (noProgressMs > 0 && nowMs - watch.progressAtMs >= noProgressMs) {
    return { kind: 'timed-out', hint: `nothing new for ${Math.round(noProgressMs / 1000)} s; ${resume}` };
  }
  if (pollMs <= 0) return { kind: 'poll-once-exit', hint: `not finished: ${rows} of ${total} ids have a row` };
  return undefined;
}

async function look(options: WaitOptions, manifest: Manifest, settled: Settled): Promise<Sight> {
  const { store, runId, minAttempt = 1, instanceIds, signal } = options;
  const wanted = new Set(instanceIds ?? manifest.instance_ids);
  const [status, { files, newestMs }] = await Promise.all([
    readStatus(store, runId, { signal }),
    scanRows(store, runId, wanted, minAttempt, { signal }),
  ]);
  const retrying = new Set(status?.terminal_state ? [] : status?.retrying);
  let rows = [...files.keys()].filter((id) => !retrying.has(id)).length;
  if (files.size === wanted.size && !status?.terminal_state) {
    rows = await readEnds(store, manifest, files, settled, { signal });
  }
  const inFlight = (status?.in_flight ?? []).map(({ instance_id }) => instance_id).sort();
  return { total: wanted.size, rows, status, trace: JSON.stringify([rows, newestMs, inFlight]) };
}

/** The rows of `wanted`, and when the newest object beside them (rows, partial transcripts) was written. */
async function scanRows(
  store: ObjectStore,
  runId: string,
  wanted: ReadonlySet<string>,
  minAttempt: number,
  options: PersistOptions,
): Promise<{ files: Map<string, RowFile[]>; newestMs: number }> {
  const prefix = rowsPrefix(runId);
  const files = new Map<string, RowFile[]>();
  let newestMs = 0;
  for await (const { name, updatedMs } of listAll(store, prefix, options)) {
    newestMs = Math.max(newestMs, updatedMs);
    const row = parseRowName(name);
    if (row && row.attempt >= minAttempt && wanted.has(row.instanceId)) addRowPath(files, name.slice(prefix.length));
  }
  return { files, newestMs };
}

/** How many ids are done, by what stands in their rows; what was read once and has no new file is not read again. */
async function readEnds(
  store: ObjectStore,
  manifest: Manifest,
  files: ReadonlyMap<string, readonly RowFile[]>,
  settled: Settled,
  options: PersistOptions,
): Promise<number> {
  const source = storeRows(store, manifest.run_id, options);
  const limit = pLimit(READS_AT_ONCE);
  const isDone = async (id: string, own: readonly RowFile[]): Promise<boolean> => {
    if (settled.get(id) === own.length) return true;
    const row = await canonicalRow(own, (file) => source.read(file));
    if (idStateOf(row, manifest.retry_lost).kind === 'open') return false;
    settled.set(id, own.length);
    return true;
  };
  const done = await Promise.all(Array.from(files, ([id, own]) => limit(() => isDone(id, own))));
  return done.filter(Boolean).length;
}

function progressOf({ total, rows, status }: Sight): RunProgress {
  return { total, rows, status };
}
