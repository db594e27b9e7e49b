/**
 * Tasks that a node holds and has not started, per database, and the choice of who works on what (P-09): an actor stays
 * with its database; else it takes the database that the fewest actors are on, the largest first.
 */
export interface QueuedTask {
  readonly instanceId: string;
  readonly database: string;
  readonly attempt: number;
}

interface Waiter {
  readonly worker: number;
  readonly resolve: (task: QueuedTask | undefined) => void;
}

export class TaskQueue {
  readonly #byDatabase = new Map<string, QueuedTask[]>();
  /** The database that each worker is on. */
  readonly #worksOn = new Map<number, string>();
  #waiters: Waiter[] = [];
  #isClosed = false;

  add(tasks: readonly QueuedTask[]): void {
    for (const task of tasks) this.#list(task.database).push(task);
    this.#serve();
  }

  /** Puts a task back in front: its actor never got to it. */
  putBack(task: QueuedTask): void {
    this.#list(task.database).unshift(task);
    this.#serve();
  }

  /** The next task for `worker`; waits for one; undefined once the queue is closed. */
  take(worker: number): Promise<QueuedTask | undefined> {
    return new Promise((resolve) => {
      this.#waiters.push({ worker, resolve });
      this.#serve();
    });
  }

  /** Nothing more is handed out; gives what was left. */
  close(): QueuedTask[] {
    this.#isClosed = true;
    const left = [...this.#byDatabase.values()].flat();
    this.#byDatabase.clear();
    this.#serve();
    return left;
  }

  #list(database: string): QueuedTask[] {
    let list = this.#byDatabase.get(database);
    if (!list) this.#byDatabase.set(database, (list = []));
    return list;
  }

  #serve(): void {
    this.#waiters = this.#waiters.filter(({ worker, resolve }) => {
      const task = this.#isClosed ? undefined : this.#next(worker);
      if (!task && !this.#isClosed) return true;
      resolve(task);
      return false;
    });
  }

  #next(worker: number): QueuedTask | undefined {
    const waiting = [...this.#byDatabase].filter(([, list]) => list.length > 0);
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
}
