/**
 * Snapshots of what a run's tasks leave in their scratch, made while they run: by the daemon, so that they survive the
 * actor, and into the store, so that they survive the node (P-06, V-02).
 *
 *   start ──everyMs──▶ a pass ──everyMs──▶ a pass … ──the task ends──▶ the final one
 *     └──the first message of its transcript──▶ the transcript alone, at once
 *
 * Not here: what is sent and what is not (`scratch-mirror.ts`).
 *
 * Invariants: N1 a task that ends within the interval costs a timer, and its transcript one object more. N2 the
 * interval counts from the begin of the last pass that left nothing behind: one that failed is tried again sooner, and counted
 * (P-33). N3 what a death costs the store is therefore one interval and one pass, as long as it takes what it is given.
 * N4 the final pass comes after all others and is the only one that a switched-off interval (0) leaves.
 */
import pLimit from 'p-limit';

import { backoffMs } from '../kernel/retry.ts';
import type { ObjectStore } from '../store/port.ts';
import type { LogSlice } from './log-slice.ts';
import { PartialLog } from './partial-log.ts';
import { ScratchMirror } from './scratch-mirror.ts';
import type { Shipper } from './shipper.ts';

export interface SnapshotsOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly shipper: Shipper;
  /** Milliseconds between two snapshots of a task; 0 = none while it runs. */
  readonly everyMs: number;
}

export interface SnapshotTask {
  readonly instanceId: string;
  readonly attempt: number;
  readonly scratchDir: string;
  /** What it prints; absent: no part of it is sent before its end. */
  readonly log?: Pick<LogSlice, 'peek' | 'printedBytes'>;
}

/** Passes at a time over all tasks of a run: rows go first. */
const PASSES_AT_ONCE = 4;
const RETRY_MS = 1_000;
/** A pass is made again soon: it need not fight for its objects. */
const TRIES = 2;

export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #limit = pLimit(PASSES_AT_ONCE);
  readonly #running = new Map<string, AttemptSnapshots>();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** The task is about to start; `stop` it when it has ended. */
  begin(task: SnapshotTask): AttemptSnapshots {
    const { instanceId } = task;
    const snapshots = new AttemptSnapshots(this.#options, task, this.#limit, () => {
      if (this.#running.get(instanceId) === snapshots) this.#running.delete(instanceId);
    });
    this.#running.set(instanceId, snapshots);
    return snapshots;
  }

  /** A running task has written the first message of its transcript. */
  transcriptBegun(instanceId: string): void {
    this.#running.get(instanceId)?.hurry();
  }
}

/** Those of one attempt. */
export class AttemptSnapshots {
  readonly #options: SnapshotsOptions;
  readonly #mirror: ScratchMirror;
  readonly #log: PartialLog | undefined;
  readonly #limit: <T>(work: () => Promise<T>) => Promise<T>;
  readonly #onStop: () => void;
  #timer: NodeJS.Timeout | undefined;
  #pass: AbortController | undefined;
  /** Of the transcript's first upload, and of its next try. */
  #first: AbortController | undefined;
  #again: NodeJS.Timeout | undefined;
  #failures = 0;
  #lastMs: number | undefined;
  #transcriptMs = -Infinity;
  #isStopped = false;

  constructor(
    options: SnapshotsOptions,
    { instanceId, attempt, scratchDir: dir, log: slice }: SnapshotTask,
    limit: <T>(work: () => Promise<T>) => Promise<T>,
    onStop: () => void,
  ) {
    const { store, runId, everyMs } = options;
    this.#options = options;
    this.#limit = limit;
    this.#onStop = onStop;
    this.#mirror = new ScratchMirror({ store, runId, instanceId, attempt, dir });
    this.#log = slice && new PartialLog({ store, runId, instanceId, attempt, slice });
    if (everyMs > 0) this.#schedule(everyMs);
  }

  /** When the store last had all that the task had written, milliseconds since the epoch; undefined: at no time. */
  get lastMs(): number | undefined {
    return this.#lastMs;
  }

  /** Sends the transcript at once, until it is there; all else waits for its time. */
  hurry(failures = 0): void {
    const { everyMs, shipper } = this.#options;
    if (this.#isStopped || everyMs === 0) return;
    const first = (this.#first = new AbortController());
    const send = this.#limit(() =>
      shipper.helper('snapshot', async () => {
        try {
          await this.#mirror.transcript({ tries: TRIES, signal: first.signal });
        } catch (error) {
          if (!first.signal.aborted) throw error;
        }
      }),
    );
    void send.then((isDone) => {
      if (isDone) this.#transcriptMs = performance.now();
      else this.#again = setTimeout(() => this.hurry(failures + 1), this.#againMs(failures + 1)).unref();
    });
  }

  /** The task has ended: a pass that is under way is given up. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
    this.#pass?.abort();
    this.#first?.abort();
    this.#onStop();
  }

  /**
   * The final pass: all that the task left (U-01, V-02).
   * @param isLate the task may be going on elsewhere, as its next attempt
   * @throws as `ScratchMirror.pass`
   */
  async finish(isLate: boolean): Promise<void> {
    this.stop();
    try {
      await this.#mirror.pass({ isFinal: true, isLate });
    } finally {
      await this.#log?.finish();
    }
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#take(), ms).unref();
  }

  /** One pass, then the next one's time. Never throws. */
  async #take(): Promise<void> {
    const { shipper, everyMs } = this.#options;
    const pass = (this.#pass = new AbortController());
    let beganMs = Date.now();
    const startMs = performance.now();
    let held = 0;
    const isDone = await this.#limit(async () => {
      // It waited for its turn, and the task ended meanwhile.
      if (this.#isStopped) return true;
      beganMs = Date.now();
      return await shipper.helper('snapshot', async () => {
        try {
          const options = {
            isFinal: false,
            leavesTranscript: this.#isTranscriptNew,
            tries: TRIES,
            signal: pass.signal,
          };
          ({ held } = await this.#mirror.pass(options));
          await this.#log?.pass({ tries: TRIES, signal: pass.signal });
        } catch (error) {
          // The final pass takes its place.
          if (!pass.signal.aborted) throw error;
        }
      });
    });
    this.#pass = undefined;
    if (this.#isStopped) return;
    this.#failures = isDone ? 0 : this.#failures + 1;
    if (isDone && held === 0) this.#lastMs = beganMs;
    const tookMs = performance.now() - startMs;
    this.#schedule(isDone ? Math.max(0, everyMs - tookMs) : this.#againMs(this.#failures));
  }

  /** Whether the transcript went alone less than an interval ago, but for the moment that timers are early or late. */
  get #isTranscriptNew(): boolean {
    return performance.now() - this.#transcriptMs < 0.9 * this.#options.everyMs;
  }

  #againMs(failures: number): number {
    const { everyMs } = this.#options;
    return Math.min(everyMs, RETRY_MS / 2 + backoffMs(failures, RETRY_MS, everyMs));
  }
}
