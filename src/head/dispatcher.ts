/**
 * Hands batches to nodes, once a tick however much happened in it: the choices are `dispatch.ts`'s, who may encode is
 * `grants.ts`'s; here they meet the runs and the nodes.
 *
 * Invariants: D1 nothing goes out without the lease, to a silent or troubled node, or of a run that still waits for the
 * word of a node. D2 the run that has the least out comes first, and so does the node that has the least to do. D3 one
 * steal at a time per source.
 */
import type { Logger } from '../kernel/log.ts';
import type { ActiveRun } from './active-run.ts';
import { chooseBatch, chooseSteal, leastLoaded, type BatchChoice, type StealSource } from './dispatch.ts';
import type { Grants, Permit } from './grants.ts';
import type { NodeSession } from './node-session.ts';
import type { NodeRecord, Roster } from './roster.ts';

/** A node that had nothing left to give back does not say so: it is asked again after this. */
const STEAL_AGAIN_MS = 500;
/** A node that could not do a database's tasks is not given them again before this. */
const PAUSE_MS = 1_000;

export interface DispatcherOptions {
  readonly roster: Roster;
  readonly runs: () => readonly ActiveRun[];
  readonly grants: Grants;
  readonly log: Logger;
  /** Whether this head holds its lease. */
  readonly mayAct: () => boolean;
  /** Whether a run still waits for what nodes have to say of it. */
  readonly isSettling: (run: ActiveRun) => boolean;
}

interface Worker {
  readonly name: string;
  readonly actors: number;
  readonly session: NodeSession;
  held: number;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #steals = new Map<string, number>();
  /** Tasks that go to a node as soon as its grant is durable: they count as its own meanwhile. */
  readonly #reserved = new Map<string, number>();
  /** Until when a node gets nothing of a database, by node, run and database. */
  readonly #pauses = new Map<string, number>();
  #isScheduled = false;
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Something changed: looks again, at the end of this tick. */
  schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#isStopped) this.#dispatch();
    });
  }

  /** Looks again after `ms`, if nothing makes it look before. */
  later(ms: number): void {
    const dueMs = performance.now() + ms;
    if (this.#isStopped || (this.#timer && this.#dueMs <= dueMs)) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.schedule();
    }, ms);
    this.#timer.unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** `node` gave tasks of `database` back: what was stolen has come. With `reason`: it cannot do them now. */
  returned(run: ActiveRun, node: string, database: string, reason: string): void {
    const key = keyOf(node, run.runId, database);
    this.#steals.delete(key);
    if (reason) this.pause(run, node, database, PAUSE_MS);
  }

  /** `node` gets nothing of `database` for now. */
  pause(run: ActiveRun, node: string, database: string, ms: number): void {
    this.#pauses.set(keyOf(node, run.runId, database), performance.now() + ms);
  }

  #dispatch(): void {
    const { roster, mayAct } = this.#options;
    if (!mayAct()) return this.later(PAUSE_MS);
    const runs = this.#dispatchable();
    if (runs.length === 0) return;
    let open = roster.able().flatMap((record) => this.#workerOf(record));
    for (let worker = leastLoaded(open); worker; worker = leastLoaded(open)) {
      const { name } = worker;
      if (!this.#batchFor(worker, runs)) open = open.filter((each) => each.name !== name);
    }
    // A node in trouble gets nothing, but what it has not started may be had.
    const sources = roster.connected().flatMap((record) => this.#workerOf(record));
    for (const worker of roster.able().flatMap((record) => this.#workerOf(record))) {
      if (worker.held < worker.actors) this.#stealFor(worker, sources, runs);
    }
  }

  #dispatchable(): ActiveRun[] {
    return this.#options.runs().filter((run) => {
      if (run.phase.kind !== 'running') return false;
      if (!this.#options.isSettling(run)) return true;
      this.later(100);
      return false;
    });
  }

  #workerOf({ name, session }: NodeRecord): Worker[] {
    if (!session) return [];
    const held = this.#options.runs().reduce((sum, run) => sum + run.ledger.heldBy(name).count, 0);
    const reserved = this.#reserved.get(name) ?? 0;
    return [{ name, actors: session.hello.actors, session, held: held + reserved }];
  }

  /** Hands one batch to `worker`, of the run that has the least out. Whether there was one. */
  #batchFor(worker: Worker, runs: readonly ActiveRun[]): boolean {
    // A batch that a head hands out just before it dies must be looked for where it went.
    const again = (isNamed: boolean): void => (isNamed ? this.schedule() : this.later(PAUSE_MS));
    const open = runs.filter((run) => !run.ledger.isNothingWaiting && run.mayHold(worker.name, again));
    for (const run of open.toSorted((a, b) => a.ledger.outCount - b.ledger.outCount)) {
      if (this.#batchOf(run, worker)) return true;
    }
    return false;
  }

  #batchOf(run: ActiveRun, worker: Worker): boolean {
    const { grants } = this.#options;
    const { manifest, ledger, maxInFlight } = run;
    const permits = new Map<string, Permit>();
    const waiting = ledger.waiting().filter(({ database }) => {
      const permit = grants.permit(manifest, database, worker.name);
      permits.set(database, permit);
      return permit.kind !== 'busy' && permit.kind !== 'pending' && !this.#isPaused(worker.name, run.runId, database);
    });
    const choice = chooseBatch({
      actors: worker.actors,
      held: worker.held,
      heldDatabases: new Set([...ledger.heldBy(worker.name).databases.keys(), ...grants.pendingAt(worker.name)]),
      waiting,
      ...(maxInFlight > 0 && { room: maxInFlight - ledger.outCount }),
    });
    const permit = choice && permits.get(choice.database);
    if (!choice || !permit) return false;
    if (permit.kind === 'askable') {
      this.#ask(run, choice, worker);
      return true;
    }
    const tasks = run.take(choice.database, choice.count, worker.name);
    worker.held += tasks.length;
    this.#options.log.debug({ run: run.runId, node: worker.name, ...choice, permit: permit.kind }, 'batch');
    worker.session.send({
      $case: 'batch',
      value: {
        runId: run.runId,
        database: choice.database,
        tasks: tasks.map(({ instanceId, attempt }) => ({ instanceId, attempt })),
        grantEpoch: permit.kind === 'granted' ? permit.epoch : 0,
        reference: permit.kind === 'open' ? permit.place : undefined,
      },
    });
    return tasks.length > 0;
  }

  /** Gets `worker` the grant for what it is about to be given. Another database meanwhile; this one when the store has it. */
  #ask(run: ActiveRun, { database, count }: BatchChoice, worker: Worker): void {
    const { name } = worker;
    const reserve = (change: number): void => {
      const reserved = (this.#reserved.get(name) ?? 0) + change;
      if (reserved > 0) this.#reserved.set(name, reserved);
      else this.#reserved.delete(name);
    };
    reserve(count);
    worker.held += count;
    void this.#options.grants
      .begin(run.manifest, database, name)
      .then(
        () => this.schedule(),
        () => this.later(PAUSE_MS),
      )
      .finally(() => reserve(-count));
  }

  /** Asks another node to give back what it has not started, if `thief` could do it now. */
  #stealFor(thief: Worker, workers: readonly Worker[], runs: readonly ActiveRun[]): void {
    const { grants, log } = this.#options;
    const sources: StealSource[] = [];
    for (const run of runs) {
      if (!run.isReadyAt(thief.name)) continue;
      for (const { name: node, actors, held } of workers) {
        if (node === thief.name) continue;
        for (const [database, { unstarted }] of run.ledger.heldBy(node).databases) {
          if (unstarted === 0 || this.#isStealing(node, run.runId, database)) continue;
          if (grants.permit(run.manifest, database, thief.name).kind !== 'open') continue;
          if (this.#isPaused(thief.name, run.runId, database)) continue;
          sources.push({ node, actors, held, runId: run.runId, database, unstarted });
        }
      }
    }
    const choice = chooseSteal(thief, sources);
    const victim = workers.find(({ name }) => name === choice?.node);
    if (!choice || !victim) return;
    const { node, runId, database, count } = choice;
    this.#steals.set(keyOf(node, runId, database), performance.now());
    this.later(STEAL_AGAIN_MS);
    log.info({ run: runId, database, from: node, for: thief.name, count }, 'steal');
    victim.session.send({ $case: 'steal', value: { runId, database, count } });
  }

  #isStealing(node: string, runId: string, database: string): boolean {
    const sinceMs = this.#steals.get(keyOf(node, runId, database));
    return sinceMs !== undefined && performance.now() - sinceMs < STEAL_AGAIN_MS;
  }

  #isPaused(node: string, runId: string, database: string): boolean {
    const key = keyOf(node, runId, database);
    const untilMs = this.#pauses.get(key);
    if (untilMs === undefined) return false;
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) this.#pauses.delete(key);
    else this.later(leftMs);
    return leftMs > 0;
  }
}

const keyOf = (node: string, runId: string, database: string): string => `${node} ${runId} ${database}`;
