/**
 * Tells silence from death: counts how long nodes say nothing, and takes back what they run when their time is up (DESIGN
 * rule 2).
 *
 * Invariants: S1 a run loses its tasks at a silent node after its own `lost_after_ms`, else after the head's; the grant to
 * encode for it passes on in the same tick. S2 a node is given up when the head's time is up and no run waits longer for
 * it; it may come back as a new session. S3 what was given away is revoked in the old session, so a node that comes back
 * in time for that drops it before it does anything else. S4 nothing is lost while this head does not hold its lease.
 */
import type { Logger } from '../kernel/log.ts';
import type { ActiveRun } from './active-run.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Grants } from './grants.ts';
import type { NodeSession } from './node-session.ts';
import type { NodeRecord, Roster } from './roster.ts';
import type { TaskKey } from './run-ledger.ts';
import type { RunTable } from './run-table.ts';

export interface SilenceOptions {
  readonly log: Logger;
  readonly roster: Roster;
  readonly runs: RunTable;
  readonly grants: Grants;
  readonly dispatcher: Dispatcher;
  readonly lostAfterMs: number;
  /** Whether this head acts. */
  readonly mayAct: () => boolean;
  /** Forgets a session for good. */
  readonly drop: (session: NodeSession) => void;
  /** Ends the counting. */
  readonly signal: AbortSignal;
}

const TICK_MS = 200;

export class Silence {
  readonly #options: SilenceOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SilenceOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => clearInterval(this.#timer), { once: true });
  }

  /** Counts as long as anybody is silent. */
  watch(): void {
    if (this.#timer || this.#options.signal.aborted) return;
    this.#options.roster.tick();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /** The node is lost, for every run and for good. */
  lose(record: NodeRecord, cause: string): void {
    const { roster, runs, grants, log, drop, dispatcher } = this.#options;
    log.warn({ node: record.name, cause }, 'node lost');
    for (const run of runs.active()) run.nodeGone(record.name, cause);
    grants.release(record.name);
    roster.remove(record);
    if (record.session) drop(record.session);
    dispatcher.schedule();
  }

  #tick(): void {
    const { roster, runs, lostAfterMs, mayAct } = this.#options;
    const silent = roster.tick();
    if (silent.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    if (!mayAct()) return;
    for (const record of silent) {
      const { name, silentMs } = record;
      const cause = `node ${name}: silent for ${Math.round(silentMs / 1000)} s`;
      const concerned = runs.active().filter((run) => run.awaits(name));
      const isOver = (run: ActiveRun): boolean => silentMs >= (run.manifest.lost_after_ms ?? lostAfterMs);
      for (const run of concerned) if (isOver(run)) this.#takeBack(record, run, cause);
      if (silentMs >= lostAfterMs && concerned.every(isOver)) this.lose(record, cause);
    }
  }

  #takeBack(record: NodeRecord, run: ActiveRun, cause: string): void {
    const { grants, dispatcher } = this.#options;
    grants.release(record.name, run.manifest);
    revoke(record, run, run.nodeGone(record.name, cause));
    dispatcher.schedule();
  }
}

/** Tells a node that tasks of a run were given away; kept for it while it is silent. */
export function revoke({ session }: NodeRecord, { runId }: ActiveRun, tasks: readonly TaskKey[]): void {
  if (session) sendRevoke(session, runId, tasks);
}

/** A task takes at most some 150 bytes: well below what one message may have. */
const TASKS_PER_ORDER = 5_000;

/** One order, or several where there are many tasks. */
export function sendRevoke(session: NodeSession, runId: string, tasks: readonly TaskKey[]): void {
  for (let start = 0; start < tasks.length; start += TASKS_PER_ORDER) {
    const some = tasks.slice(start, start + TASKS_PER_ORDER);
    session.send({ $case: 'revoke', value: { runId, tasks: some } });
  }
}
