/**
 * Waiting for a run, on what the bucket says of it and nothing else (L-05). Works with and without a head, from any machine.
 *
 * At every look, in this order: the terminal state; a row for every id; a heartbeat that stopped while the head lives
 * (`stalled`); no head (`headless`); nothing new for too long (`timed-out`); a single look was asked for. A head daemon that
 * is away may come back, so it counts as none only once the heartbeat is as old as for a stall. A run that
 * says that it waits for somebody is stalled too.
 *
 * Invariants: W1 rows are counted, never believed from the heartbeat; before every id having one means the end, they are
 * read, and of a resubmitted id only those that count (`run-sight.ts`). W2 a slow task that streams is not a stalled run. W3
 * a heartbeat counts as stopped only if it is old by its own time AND did not change under our eyes, so that clocks may
 * differ. W4 a run whose rows are all there while its heart beats is still shipping: it gets a moment to say that it is
 * done, so that a fetch right after the wait finds the shards of the last tasks too.
 */
import { sleep as wait } from '../kernel/retry.ts';
import type { ObjectStore } from '../store/port.ts';
import type { HeadSight } from './head-watch.ts';
import { readManifest, type Manifest } from './manifest.ts';
import { RunEye, type RunProgress, type RunSight } from './run-sight.ts';

export type { RunProgress };

export type WaitEnd =
  | { readonly kind: 'done' }
  /** The run itself ended as failed. */
  | { readonly kind: 'error'; readonly error: string; readonly hint: string }
  | { readonly kind: 'stalled' | 'headless' | 'timed-out' | 'poll-once-exit'; readonly hint: string };

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
  /**
   * Only rows and states of this attempt and later count: a resubmitted run is not done by its old ones (L-12). Above 1 the
   * ids that are waited for are those that such attempts are for, once there is one.
   */
  readonly minAttempt?: number;
  /** The ids that are waited for; default all of the run. */
  readonly instanceIds?: readonly string[];
  /** Whether the run's head lives (`head-watch.ts`). Default: nobody knows. */
  readonly lookAtHead?: () => Promise<HeadSight>;
  /** Flags that the commands of hints repeat, with a blank in front. Default none. */
  readonly flags?: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: RunProgress) => void;
  /** For tests: milliseconds since the epoch. */
  readonly now?: () => number;
  /** For tests. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<unknown>;
}

/** @throws SkeinError NOT_FOUND (no such run) | CORRUPT (its manifest) | CANCELLED | the store's */
export async function waitForRun(options: WaitOptions): Promise<WaitResult> {
  const { runId, pollMs = 10_000, signal, now = Date.now, sleep = wait } = options;
  const manifest = await readManifest(options.store, runId);
  const watch = new Watch(manifest, options, now());
  const { store, minAttempt, instanceIds } = options;
  const eye = new RunEye({ store, manifest, minAttempt, instanceIds, signal });
  for (;;) {
    const sight = await eye.look();
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
  #goneSinceMs: number | undefined;
  #waitsSinceMs: number | undefined;
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

  saw({ trace, status, rows, total }: RunSight, nowMs: number): void {
    if (rows >= total) this.#completeAtMs ??= nowMs;
    this.#waitsSinceMs = status?.waiting_for ? (this.#waitsSinceMs ?? nowMs) : undefined;
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

  /** Whether the head is gone for long enough: somebody may just be going on with its run. */
  isGone(sight: HeadSight, nowMs: number): boolean {
    if (sight !== 'gone') this.#goneSinceMs = undefined;
    else this.#goneSinceMs ??= nowMs;
    return this.#goneSinceMs !== undefined && nowMs - this.#goneSinceMs >= this.#confirmMs;
  }

  /** For how long it has said that it waits for something; undefined: it does not. */
  waitsMs(nowMs: number): number | undefined {
    return this.#waitsSinceMs === undefined ? undefined : nowMs - this.#waitsSinceMs;
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

async function judge(options: WaitOptions, watch: Watch, sight: RunSight, nowMs: number): Promise<WaitEnd | undefined> {
  const { runId, pollMs = 10_000, noProgressMs = 3_600_000, stallMs = 300_000, minAttempt = 1, flags = '' } = options;
  const { status, rows, total } = sight;
  const have = `${rows} of ${total} ids have a row`;
  const resume = `${have}; go on with: skein resume ${runId}${flags}`;
  if (status?.terminal_state && status.attempt >= minAttempt) {
    if (status.terminal_state === 'done') return { kind: 'done' };
    const error = status.error ?? 'the run ended as failed';
    return { kind: 'error', error, hint: `${error}; ${resume}` };
  }
  if (total > 0 && rows >= total) return watch.isSettling(nowMs) ? undefined : { kind: 'done' };

  if (status?.stopped && watch.beatUnchangedMs(nowMs) >= (pollMs <= 0 ? 0 : STOPPED_FOR_MS)) {
    return { kind: 'headless', hint: `the run was stopped${status.error ? `: ${status.error}` : ''}; ${resume}` };
  }
  const head = (await options.lookAtHead?.()) ?? 'unknown';
  const silentMs = watch.silentMs(nowMs);
  const isSilent = silentMs > stallMs;
  if (isSilent && (head === 'alive' || head === 'unknown')) {
    const silence = `no heartbeat for ${seconds(silentMs)}`;
    const end = `its head lives: end it with: skein kill ${runId}${flags}, then go on with: skein resume ${runId}${flags}`;
    return { kind: 'stalled', hint: `${silence}; ${head === 'alive' ? `${have}; ${end}` : resume}` };
  }
  if (watch.isGone(head, nowMs) || (isSilent && head === 'away')) {
    return { kind: 'headless', hint: `the run's head is gone; ${resume}` };
  }
  if ((watch.waitsMs(nowMs) ?? -1) >= (pollMs <= 0 ? 0 : STOPPED_FOR_MS)) {
    return { kind: 'stalled', hint: `${have}; the run ${status?.waiting_for}${flags}` };
  }
  if (noProgressMs > 0 && nowMs - watch.progressAtMs >= noProgressMs) {
    const end = `wait on with: skein wait ${runId}${flags}, or end it with: skein kill ${runId}${flags}`;
    return { kind: 'timed-out', hint: `nothing new for ${seconds(noProgressMs)}; ${have}; ${end}` };
  }
  if (pollMs <= 0) {
    return { kind: 'poll-once-exit', hint: `not finished: ${have}; wait with: skein wait ${runId}${flags}` };
  }
  return undefined;
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

function progressOf({ total, rows, status }: RunSight): RunProgress {
  return { total, rows, status };
}
