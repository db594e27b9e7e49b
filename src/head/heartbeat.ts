/**
 * Writes a run's status object: one beat at once, then at an interval, and a last one that says how it ended (W-11, L-17).
 *
 * Invariants: B1 one write at a time, so beats never overtake each other. B2 a failed beat is logged and tried again at
 * the next interval; it never ends the heartbeat (P-34). B3 the terminal state is written before the run counts as ended.
 */
import { describeError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import type { Logger } from '../kernel/log.ts';
import type { ObjectStore } from '../store/port.ts';
import type { ActiveRun, RunEnd, RunRecord } from './active-run.ts';
import { makeStatus, writeStatus } from '../run/status.ts';

/** Buckets take about one write per object and second; a waiter calls a run stalled after 300 s (§1L). */
const BEAT_INTERVAL_MS = 5_000;

/** Actors of all nodes. */
export interface ActorCounts {
  readonly live: number;
  readonly pending: number;
}

export class Heartbeat implements RunRecord {
  readonly #store: ObjectStore;
  readonly #log: Logger;
  readonly #actors: () => ActorCounts;
  #run: ActiveRun | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param actors live and starting ones of the nodes, at the moment of a beat (P-05) */
  constructor(store: ObjectStore, log: Logger, actors: () => ActorCounts) {
    this.#store = store;
    this.#log = log;
    this.#actors = actors;
  }

  /** Writes the first beat and goes on until the end. */
  async start(run: ActiveRun): Promise<void> {
    this.#run = run;
    await this.#beat();
    this.#timer = setInterval(() => void this.#beat(), BEAT_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Writes the last beat. A run that was stopped keeps an open status: it can be resumed. */
  async end(end: RunEnd): Promise<void> {
    this.stop();
    await this.#writing;
    failPoint('status.before-terminal');
    await this.#write(end);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): Promise<void> {
    this.#writing = this.#writing
      .then(() => this.#write(undefined))
      .catch((error: unknown) => this.#log.warn({ error: describeError(error) }, 'heartbeat not written'));
    return this.#writing;
  }

  async #write(end: RunEnd | undefined): Promise<void> {
    const run = this.#run;
    if (!run) return;
    const { total, rowsOk, rowsError, inFlight, databases } = run.ledger.tally();
    const nowMs = Date.now();
    const status = makeStatus({
      last_heartbeat_ts: nowMs / 1000,
      rows_done: rowsOk + rowsError,
      rows_total: total,
      terminal_state: end?.kind === 'done' ? 'done' : end?.kind === 'failed' ? 'error' : null,
      attempt: run.attempt,
      in_flight: inFlight.map(({ instanceId, startedMs }) => ({
        instance_id: instanceId,
        elapsed_s: Math.max(0, nowMs - startedMs) / 1000,
      })),
      actors: { ...this.#actors() },
      rows_ok: rowsOk,
      rows_error: rowsError,
      databases: databases.map(({ database, total: all, done, errors, inFlight: running }) => ({
        database,
        total: all,
        done,
        errors,
        in_flight: running,
      })),
      helper_failures: Object.fromEntries(run.helperFailures),
      error: end?.kind === 'failed' ? end.error : null,
    });
    await writeStatus(this.#store, run.runId, status);
  }
}
