/**
 * Tasks that a node holds and has not started, per database, and the choice of who works on what (P-09): an actor stays
 * with its database; else it takes the database that the fewest actors are on, the largest first.
 *
 * A database may be held back (what its tasks need is being brought), and the whole queue paused (the node takes nothing
 * new); what waits can be given back all the same.
 */
export interface QueuedTask {
  readonly instanceId: string;
  readonly database: string;
  readonly attempt: number;
}

export class TaskQueue {
  readonly #byDatabase = new Map<string, QueuedTask[]>();
  /** The database that each worker is on. */
  readonly #worksOn = new Map<number, string>();
  /** How often each database was held and not released. */
  readonly #held = new Map<string, number>();
  #waiters: ((isOpen: boolean) => void)[] = [];
  #isClosed = false;
  #isPaused = false;

  /** Every task that waits, those of held databases too. */
  get waiting(): QueuedTask[] {
    return [...this.#byDatabase.values()].flat();
  }

  add(tasks: readonly QueuedTask[]): void {
    for (const task of tasks) this.#list(task.database).push(task);
    this.#wake();
  }

  /** Puts a task back in front: its actor never got to it. */
  putBack(task: QueuedTask): void {
    this.#list(task.database).unshift(task);
    this.#wake();
  }

  /** Nothing of the database is handed out until it is released as often as it was held. */
  hold(database: string): void {
    this.#held.set(database, (this.#held.get(database) ?? 0) + 1);
  }

  release(database: string): void {
    const count = (this.#held.get(database) ?? 0) - 1;
    if (count > 0) this.#held.set(database, count);
    else this.#held.delete(database);
    this.#wake();
  }

  /** While paused nothing is handed out. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
    this.#wake();
  }

  /** Whether there is something to take. */
  get hasWork(): boolean {
    if (this.#isPaused) return false;
    for (const [database, list] of this.#byDatabase) if (list.length > 0 && !this.#held.has(database)) return true;
    return false;
  }

  /** Waits until there is something to take; false once the queue is closed. What there is may be gone in a moment. */
  ready(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    if (this.hasWork) return Promise.resolve(true);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** The next task for `worker`, undefined when there is none at the moment. */
  take(worker: number): QueuedTask | undefined {
    if (this.#isClosed || this.#isPaused) return undefined;
    const waiting = [...this.#byDatabase].filter(([database, list]) => list.length > 0 && !this.#held.has(database));
    if (waiting.length === 0) return undefined;
    const own = this.#worksOn.get(worker);
    const others = (database: string): number =>
      [...this.#worksOn].filter(([other, on]) => other !== worker && on === database).length;
    const [database, list] = waiting.reduce((best, candidate) => {
      if (best[0] === own) return best;
      if (candidate[0] === own) return candidate;
      const difference = others(candidate[0]) - others(best[0]);
      return difference < 0 || (difference === 0 && candidate[1].length > best[1].length) ? candidate : best;
    });
    this.#worksOn.set(worker, database);
    return list.shift();
  }

  /** The worker's actor is gone or does nothing for now: it is on no database any more. */
  leave(worker: number): void {
    this.#worksOn.delete(worker);
  }

  /** Takes up to `count` tasks of the database away, the last ones first. */
  steal(database: string, count: number): QueuedTask[] {
    const list = this.#byDatabase.get(database) ?? [];
    return list.splice(Math.max(0, list.length - count));
  }

  /** Takes one attempt away, if it waits here. */
  remove(instanceId: string, attempt: number): QueuedTask | undefined {
    for (const list of this.#byDatabase.values()) {
      const at = list.findIndex((task) => task.instanceId === instanceId && task.attempt === attempt);
      if (at >= 0) return list.splice(at, 1)[0];
    }
    return undefined;
  }

  /** Takes every task of the database away. */
  clear(database: string): QueuedTask[] {
    return this.steal(database, Infinity);
  }

  /** Takes every task away. */
  takeAll(): QueuedTask[] {
    const all = this.waiting;
    this.#byDatabase.clear();
    return all;
  }

  /** Nothing more is handed out; gives what was left. */
  close(): QueuedTask[] {
    this.#isClosed = true;
    const left = this.takeAll();
    this.#wake();
    return left;
  }

  /** Lets those who wait look again, whatever there is: for a worker that must give its actor up. */
  nudge(): void {
    for (const resolve of this.#waiters.splice(0)) resolve(!this.#isClosed);
  }

  #list(database: string): QueuedTask[] {
    let list = this.#byDatabase.get(database);
    if (!list) this.#byDatabase.set(database, (list = []));
    return list;
  }

  #wake(): void {
    if (this.#isClosed || this.hasWork) this.nudge();
  }
}
