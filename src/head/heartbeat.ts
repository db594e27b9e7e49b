/**
 * Writes a run's status object: one beat at once, then at an interval, and a last one that says how it ended (W-11, L-17).
 *
 * Invariants: B1 one write at a time, so beats never overtake each other. B2 a beat that the store did not take is logged
 * and tried again at the next interval; it never ends the heartbeat (P-34). B3 the terminal state is written before the
 * run counts as ended. B4 a write replaces the generation that the last one left: a head that another one replaced finds
 * out here at the latest, and writes nothing (reliability I4). B5 a head without its lease does not beat.
 */
import { describeError, SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import type { Logger } from '../kernel/log.ts';
import { sleep } from '../kernel/retry.ts';
import { makeStatus, parseStatus, setStatus, type RunStatus } from '../run/status.ts';
import { isTransient } from '../store/create-or-confirm.ts';
import type { ObjectStore } from '../store/port.ts';
import type { ActiveRun, RunEnd, RunRecord } from './active-run.ts';

/** Buckets take about one write per object and second; a waiter calls a run stalled after 300 s (§1L). */
const BEAT_INTERVAL_MS = 5_000;

/** The next beat comes by itself. */
const BEAT_TRIES = 3;
const LEASE_LOOK_MS = 200;
/** Ids named as being retried, at most. */
const MOST_NAMED = 10_000;

/** What the head knows besides the run, at the moment of a beat. */
export interface BeatFacts {
  /** Live and starting actors of all nodes (P-05). */
  readonly actors: { readonly live: number; readonly pending: number };
  /** Nodes that may hold any of the run: all that are not lost. */
  readonly nodes: RunStatus['nodes'];
  /** What nothing of the run is started without; empty: nothing. */
  readonly waitingFor: string;
}

export interface HeartbeatOptions {
  readonly store: ObjectStore;
  readonly log: Logger;
  readonly facts: (run: ActiveRun) => BeatFacts;
  /** Of this life of this head. */
  readonly bootId: string;
  /** Whether this head may write at this instant. */
  readonly mayWrite: () => boolean;
  /** Whether it never will again: its lease is somebody else's, or it stops. */
  readonly isOver: () => boolean;
  /** Whether the end of a run waits for a store that is away; else it fails the run. */
  readonly isPatient: boolean;
  /** Of the status as it was when the run was adopted; undefined: there was none. */
  readonly generation: string | undefined;
  /** Told after every beat: undefined = written, else what the store said. */
  readonly onBeat?: (trouble: string | undefined) => void;
  /** Gives the run's lease up, once it has ended. */
  readonly release: () => Promise<void>;
  /** Lets go of the run's lease without an end. */
  readonly abandon: () => Promise<void>;
}

export class Heartbeat implements RunRecord {
  readonly #options: HeartbeatOptions;
  #generation: string | undefined;
  #run: ActiveRun | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isFenced = false;
  /** The nodes of the last beat that was written, undefined before the first. */
  #named: ReadonlySet<string> | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#generation = options.generation;
  }

  /** Writes the first beat and goes on until the end. Where others may take over, nothing goes on without that beat. */
  async start(run: ActiveRun): Promise<void> {
    const { isPatient, isOver } = this.#options;
    this.#run = run;
    await this.beat();
    while (isPatient && !this.#named && !this.#isFenced && !isOver()) {
      await sleep(LEASE_LOOK_MS);
      await this.beat();
    }
    this.#timer = setInterval(() => void this.beat(), BEAT_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Writes the last beat. A run that was stopped keeps an open status: it can be resumed. */
  async end(end: RunEnd): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    failPoint('status.before-terminal');
    await this.#writeEnd(end);
    failPoint('head.after-terminal');
    await this.#options.release();
  }

  /** One more beat, which says what is out and where; then no more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.beat();
    await this.#options.abandon();
  }

  /** No more beats, at once. */
  halt(): void {
    clearInterval(this.#timer);
    this.#isFenced = true;
  }

  /** True of every node where nobody takes over: there the nodes go with the head. */
  names(node: string): boolean {
    return !this.#options.isPatient || (this.#named?.has(node) ?? false);
  }

  /** One more beat, after those before it. Never throws. */
  beat(): Promise<void> {
    const { log, onBeat, mayWrite } = this.#options;
    this.#writing = this.#writing.then(async () => {
      if (this.#isFenced || !mayWrite()) return;
      try {
        await this.#write(undefined);
        onBeat?.(undefined);
      } catch (error) {
        onBeat?.(describeError(error));
        log.warn({ run: this.#run?.runId, error: describeError(error) }, 'heartbeat not written');
      }
    });
    return this.#writing;
  }

  /** An end is not lost because the store is away or a renewal of the lease is late; without the lease it is not ours to say. */
  async #writeEnd(end: RunEnd): Promise<void> {
    const { mayWrite, isOver, isPatient, log } = this.#options;
    for (;;) {
      if (mayWrite()) {
        try {
          return await this.#write(end);
        } catch (error) {
          if (!isPatient || !isTransient(error) || isOver()) throw error;
          log.warn({ run: this.#run?.runId, error: describeError(error) }, 'end of a run not written yet');
        }
      } else if (isOver()) {
        const run = this.#run?.runId;
        throw new SkeinError(
          'UNAVAILABLE',
          `run ${run}: this head lost its lease before it could say how the run ended`,
        );
      }
      await sleep(LEASE_LOOK_MS);
    }
  }

  async #write(end: RunEnd | undefined): Promise<void> {
    const run = this.#run;
    if (!run || this.#isFenced) return;
    const { bootId, facts } = this.#options;
    const status = { ...statusOf(run, facts(run), end, Date.now()), head_boot_id: bootId };
    failPoint('head.before-beat');
    for (;;) {
      const outcome = await setStatus(this.#options.store, run.runId, status, this.#generation, { tries: BEAT_TRIES });
      if (outcome.kind === 'written') {
        this.#generation = outcome.generation;
        this.#named = new Set(status.nodes.map(({ node }) => node));
        return;
      }
      const { standing } = outcome;
      if (!standing || parseStatus(standing)?.head_boot_id !== bootId) break;
      // A beat of ours that was given up as failed had been done.
      this.#generation = standing.generation;
    }
    this.#isFenced = true;
    const text = `run ${run.runId}: another head writes its status; this one lets go of it`;
    this.#options.log.error({ run: run.runId }, 'fenced: another head writes the status of this run');
    run.fenced(text);
    if (end) throw new SkeinError('STORE_CONFLICT', text);
  }
}

function statusOf(
  run: ActiveRun,
  { actors, nodes, waitingFor }: BeatFacts,
  end: RunEnd | undefined,
  nowMs: number,
): RunStatus {
  const { total, rowsOk, rowsError, inFlight, databases } = run.ledger.tally();
  const { retried, lateRows, duplicateRows } = run.counters;
  return makeStatus({
    last_heartbeat_ts: nowMs / 1000,
    rows_done: rowsOk + rowsError,
    rows_total: total,
    terminal_state: end?.kind === 'done' ? 'done' : end?.kind === 'failed' ? 'error' : null,
    stopped: end?.kind === 'stopped',
    attempt: run.attempt,
    in_flight: inFlight.map(({ instanceId, attempt, node, startedMs }) => ({
      instance_id: instanceId,
      elapsed_s: Math.max(0, nowMs - startedMs) / 1000,
      attempt,
      node,
    })),
    nodes,
    actors: { ...actors },
    rows_ok: rowsOk,
    rows_error: rowsError,
    retrying: run.ledger.retrying.values().take(MOST_NAMED).toArray(),
    retried,
    late_rows: lateRows,
    duplicate_rows: duplicateRows,
    databases: databases.map(({ database, total: all, done, errors, inFlight: running }) => ({
      database,
      total: all,
      done,
      errors,
      in_flight: running,
    })),
    helper_failures: Object.fromEntries(run.helperFailures),
    error: end?.kind === 'failed' ? end.error : end?.kind === 'stopped' ? (end.reason ?? null) : null,
    deadline_ms: run.deadlineMs ?? null,
    waiting_for: end ? '' : waitingFor,
  });
}
