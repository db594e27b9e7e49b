/**
 * What the head knows of one run's tasks: which wait, which are out at a node, which have their row. Plain bookkeeping
 * without clocks, sockets or stores; everything in it can be rebuilt from the manifest and the rows (DESIGN rule 1).
 *
 * Invariants: L1 an id is in exactly one phase. L2 an id that has its row never leaves that phase. L3 ids wait per
 * database in the manifest's (database, id) order (L-15).
 */

export type TaskPhase =
  | { readonly kind: 'waiting' }
  /** Handed to a node. `startedMs` once an actor has it. */
  | { readonly kind: 'out'; readonly node: string; readonly startedMs: number | undefined }
  | { readonly kind: 'row'; readonly isError: boolean }
  /** Ended without a row: it could not be stored. */
  | { readonly kind: 'unstored' };

export interface LedgerTask {
  readonly instanceId: string;
  readonly database: string;
  readonly attempt: number;
  phase: TaskPhase;
}

export interface DatabaseTally {
  readonly database: string;
  readonly total: number;
  readonly done: number;
  readonly errors: number;
  readonly inFlight: number;
}

export interface RunTally {
  readonly total: number;
  readonly rowsOk: number;
  readonly rowsError: number;
  readonly unstored: number;
  readonly waiting: number;
  readonly out: number;
  /** Started tasks, the longest-running first. */
  readonly inFlight: readonly { readonly instanceId: string; readonly database: string; readonly startedMs: number }[];
  readonly databases: readonly DatabaseTally[];
}

interface DatabaseQueue {
  readonly total: number;
  waiting: LedgerTask[];
  ok: number;
  errors: number;
  unstored: number;
}

export class RunLedger {
  readonly #tasks = new Map<string, LedgerTask>();
  readonly #queues = new Map<string, DatabaseQueue>();
  readonly #out = new Map<string, LedgerTask>();

  /** @param tasks every id of the run, in order; those that have a row already are in phase `row` */
  constructor(tasks: readonly LedgerTask[]) {
    for (const task of tasks) this.#tasks.set(task.instanceId, task);
    for (const [database, members] of Map.groupBy(tasks, (task) => task.database)) {
      const rows = members.filter(({ phase }) => phase.kind === 'row');
      const errors = rows.filter(({ phase }) => phase.kind === 'row' && phase.isError).length;
      this.#queues.set(database, {
        total: members.length,
        waiting: members.filter(({ phase }) => phase.kind === 'waiting'),
        ok: rows.length - errors,
        errors,
        unstored: 0,
      });
    }
  }

  /** Databases with waiting tasks. */
  waiting(): { database: string; count: number }[] {
    return [...this.#queues].flatMap(([database, { waiting }]) =>
      waiting.length > 0 ? [{ database, count: waiting.length }] : [],
    );
  }

  /** Hands up to `count` waiting tasks of `database` to `node`. */
  take(database: string, count: number, node: string): LedgerTask[] {
    const taken = this.#queues.get(database)?.waiting.splice(0, count) ?? [];
    for (const task of taken) {
      task.phase = { kind: 'out', node, startedMs: undefined };
      this.#out.set(task.instanceId, task);
    }
    return taken;
  }

  /** How many tasks, and of which databases, are out at `node`. */
  outAt(node: string): { count: number; databases: Set<string> } {
    const databases = new Set<string>();
    let count = 0;
    for (const task of this.#out.values()) {
      if (task.phase.kind !== 'out' || task.phase.node !== node) continue;
      count += 1;
      databases.add(task.database);
    }
    return { count, databases };
  }

  started(instanceId: string, nowMs: number): void {
    const task = this.#out.get(instanceId);
    if (task?.phase.kind === 'out') task.phase = { ...task.phase, startedMs: nowMs };
  }

  /** The task has its row. Whether that was news. */
  hasRow(instanceId: string, isError: boolean): boolean {
    const settled = this.#settle(instanceId, { kind: 'row', isError });
    if (settled) settled[isError ? 'errors' : 'ok'] += 1;
    return settled !== undefined;
  }

  unstored(instanceId: string): void {
    const settled = this.#settle(instanceId, { kind: 'unstored' });
    if (settled) settled.unstored += 1;
  }

  /** The node gave the task back: it waits again, in front. */
  returned(instanceId: string): void {
    const task = this.#out.get(instanceId);
    if (!task) return;
    this.#out.delete(instanceId);
    task.phase = { kind: 'waiting' };
    this.#queues.get(task.database)?.waiting.unshift(task);
  }

  /** A node is gone for good: its tasks wait again. */
  nodeLost(node: string): string[] {
    const ids = [...this.#out.values()].flatMap(({ instanceId, phase }) =>
      phase.kind === 'out' && phase.node === node ? [instanceId] : [],
    );
    for (const id of ids) this.returned(id);
    return ids;
  }

  get isNothingOut(): boolean {
    return this.#out.size === 0;
  }

  get isNothingWaiting(): boolean {
    return [...this.#queues.values()].every(({ waiting }) => waiting.length === 0);
  }

  tally(): RunTally {
    const out = [...this.#out.values()];
    const inFlight = out
      .flatMap(({ instanceId, database, phase }) =>
        phase.kind === 'out' && phase.startedMs !== undefined
          ? [{ instanceId, database, startedMs: phase.startedMs }]
          : [],
      )
      .sort((a, b) => a.startedMs - b.startedMs);
    const running = Map.groupBy(inFlight, ({ database }) => database);
    const queues = [...this.#queues.values()];
    const sum = (pick: (queue: DatabaseQueue) => number): number => queues.reduce((n, queue) => n + pick(queue), 0);
    return {
      total: this.#tasks.size,
      rowsOk: sum(({ ok }) => ok),
      rowsError: sum(({ errors }) => errors),
      unstored: sum(({ unstored }) => unstored),
      waiting: sum(({ waiting }) => waiting.length),
      out: out.length,
      inFlight,
      databases: [...this.#queues].map(([database, { total, ok, errors }]) => ({
        database,
        total,
        done: ok + errors,
        errors,
        inFlight: running.get(database)?.length ?? 0,
      })),
    };
  }

  #settle(instanceId: string, phase: TaskPhase): DatabaseQueue | undefined {
    const task = this.#tasks.get(instanceId);
    if (!task || task.phase.kind === 'row') return undefined;
    const queue = this.#queues.get(task.database);
    if (task.phase.kind === 'waiting' && queue) queue.waiting = queue.waiting.filter((other) => other !== task);
    this.#out.delete(instanceId);
    task.phase = phase;
    return queue;
  }
}
