/**
 * Snapshots of what a run's tasks leave in their scratch, made while they run: by the daemon, so that they survive the
 * actor, and into the store, so that they survive the node (P-06, V-02).
 *
 *   start ──everyMs, or the first message of its transcript──▶ a pass ──everyMs──▶ a pass … ──the task ends──▶ the final one
 *
 * Not here: what is sent and what is not (`scratch-mirror.ts`).
 *
 * Invariants: N1 a task that ends within the interval costs a timer; only its transcript brings a pass forward. N2 the
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
  #failures = 0;
  #lastMs: number | undefined;
  #isHurried = false;
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

  /** Makes the next pass at once: the interval counts from there. One that is under way is followed by another. */
  hurry(): void {
    if (this.#isStopped || this.#options.everyMs === 0) return;
    if (this.#pass) this.#isHurried = true;
    else this.#schedule(0);
  }

  /** The task has ended: a pass that is under way is given up. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#pass?.abort();
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
          ({ held } = await this.#mirror.pass({ isFinal: false, tries: TRIES, signal: pass.signal }));
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
    const againMs = RETRY_MS / 2 + backoffMs(this.#failures, RETRY_MS, everyMs);
    const restMs = isDone ? Math.max(0, everyMs - tookMs) : Math.min(everyMs, againMs);
    this.#schedule(this.#isHurried ? 0 : restMs);
    this.#isHurried = false;
  }
}
