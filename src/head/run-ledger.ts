/**
 * What the head knows of one run's tasks: which wait, which are out at a node, which have their row, and as which attempt.
 * Plain bookkeeping without clocks, sockets or stores; everything in it can be rebuilt from the manifest, the rows and
 * what the nodes say that they hold (DESIGN rule 1).
 *
 *     waiting ──take──▶ out ──a row──▶ row
 *        ▲               │ └─lost with its node─▶ losing ──the synthetic row is stored──┐
 *        └── returned ───┘                                                             │
 *        └── lost, and `retryLost` allows one more: attempt + 1 ◀──────────────────────┘ else ▶ row
 *
 * Invariants: L1 an id is in exactly one phase. L2 an id that has its row never leaves that phase. L3 ids wait per
 * database in the manifest's (database, id) order (L-15). L4 what is said of another attempt than the current one changes
 * nothing, except that a real row ends an id which nobody has started again; an error does not, of an attempt before the
 * one that the id was resubmitted as.
 */
import { mayRetry } from '../run/id-state.ts';
import { NodeHoldings, type Holding } from './node-holdings.ts';
import { WaitingLine } from './waiting-line.ts';

export type TaskPhase =
  | { readonly kind: 'waiting' }
  /** Handed to a node. `startedMs` once an actor has it. */
  | { readonly kind: 'out'; readonly node: string; readonly startedMs: number | undefined }
  /** Lost with its node, or no node can run it; the row that says so is on its way to the store. */
  | { readonly kind: 'losing' }
  | { readonly kind: 'row'; readonly isError: boolean }
  /** Ended without a row: it could not be stored. */
  | { readonly kind: 'unstored' };

export interface LedgerTask {
  readonly instanceId: string;
  readonly database: string;
  /** The one that is waiting, out, or has spoken. */
  attempt: number;
  /** Attempts lost so far. */
  lost: number;
  /** A new object for each time that it goes out, starts, or is confirmed to be out: the same one = nothing happened. */
  phase: TaskPhase;
  /** A real row of an earlier attempt came while a later one ran: whether it is an error. */
  earlier?: boolean;
  /** The attempt that a resubmit asked for: errors of those before it say nothing any more (L-12). Default 1. */
  readonly floor?: number;
}

/** Which attempt of which task something is said of. */
export interface TaskKey {
  readonly instanceId: string;
  readonly attempt: number;
}

export interface DatabaseTally {
  readonly database: string;
  readonly total: number;
  readonly done: number;
  readonly errors: number;
  readonly inFlight: number;
}

export interface InFlightTask extends TaskKey {
  readonly database: string;
  readonly node: string;
  readonly startedMs: number;
}

export interface RunTally {
  readonly total: number;
  readonly rowsOk: number;
  readonly rowsError: number;
  readonly unstored: number;
  readonly waiting: number;
  readonly out: number;
  /** Started tasks, the longest-running first. */
  readonly inFlight: readonly InFlightTask[];
  readonly databases: readonly DatabaseTally[];
}

/** What became of an event: `stale` = it changed nothing. */
export type RowNews =
  /** The id has its row. `revoke`: another start of it is now needless, at that node. */
  { readonly kind: 'settled'; readonly revoke?: TaskKey & { readonly node: string } } | { readonly kind: 'stale' };
export type LossNews = 'retried' | 'settled' | 'stale';

interface DatabaseQueue {
  total: number;
  readonly waiting: WaitingLine;
  ok: number;
  errors: number;
  unstored: number;
}

const WAITING: TaskPhase = { kind: 'waiting' };
const LOSING: TaskPhase = { kind: 'losing' };
const UNSTORED: TaskPhase = { kind: 'unstored' };
const ROW = { ok: { kind: 'row', isError: false }, error: { kind: 'row', isError: true } } as const;

export class RunLedger {
  readonly #retryLost: number;
  readonly #tasks = new Map<string, LedgerTask>();
  readonly #queues = new Map<string, DatabaseQueue>();
  readonly #holdings = new NodeHoldings();
  /** Ids that lost an attempt and are not done. */
  readonly #retrying = new Set<string>();
  #losing = 0;
  #waiting = 0;

  /**
   * @param tasks every id of the run, in order; those that have a row already are in phase `row`
   * @param retryLost how often an id that is lost is started again
   */
  constructor(tasks: readonly LedgerTask[], retryLost: number) {
    this.#retryLost = retryLost;
    for (const task of tasks) {
      this.#tasks.set(task.instanceId, task);
      const queue = this.#queueOf(task.database);
      queue.total += 1;
      if (task.lost > 0 && task.phase.kind !== 'row') this.#retrying.add(task.instanceId);
      if (task.phase.kind === 'waiting') this.#wait(task, queue, 'behind');
      else if (task.phase.kind === 'row') queue[task.phase.isError ? 'errors' : 'ok'] += 1;
      else if (task.phase.kind === 'out') this.#holdings.add(task.phase.node, task, task.phase.startedMs);
    }
  }

  /** Databases with waiting tasks. */
  waiting(): { database: string; count: number }[] {
    const found: { database: string; count: number }[] = [];
    for (const [database, { waiting }] of this.#queues) {
      if (waiting.size > 0) found.push({ database, count: waiting.size });
    }
    return found;
  }

  waitingTasks(): LedgerTask[] {
    return [...this.#tasks.values()].filter(({ phase }) => phase.kind === 'waiting');
  }

  /** Hands up to `count` waiting tasks of `database` to `node`. */
  take(database: string, count: number, node: string): LedgerTask[] {
    const taken = this.#queues.get(database)?.waiting.take(count) ?? [];
    for (const task of taken) this.#handOut(task, node, undefined);
    return taken;
  }

  get(instanceId: string): LedgerTask | undefined {
    return this.#tasks.get(instanceId);
  }

  /** What is out at `node`. */
  heldBy(node: string): Holding {
    return this.#holdings.of(node);
  }

  /** Nodes at which anything is out. */
  holders(): string[] {
    return this.#holdings.nodes();
  }

  /** Ids whose lost attempt is started again: the row that they have does not count. */
  get retrying(): ReadonlySet<string> {
    return this.#retrying;
  }

  get outCount(): number {
    return this.#holdings.count;
  }

  /** An actor of `node` has the task. */
  started(key: TaskKey, node: string, nowMs: number): void {
    const task = this.#currentOut(key, node);
    if (task?.phase.kind !== 'out' || task.phase.startedMs !== undefined) return;
    task.phase = { kind: 'out', node, startedMs: nowMs };
    this.#holdings.started(node, task);
  }

  /** `node` says that it holds a task that waits: it is out there. Whether it now is. */
  claim(key: TaskKey, node: string, startedMs: number | undefined): boolean {
    const task = this.#current(key);
    if (task?.phase.kind === 'out' && task.phase.node === node) {
      if (startedMs !== undefined && task.phase.startedMs === undefined) this.started(key, node, startedMs);
      else task.phase = { ...task.phase };
      return true;
    }
    if (task?.phase.kind !== 'waiting') return false;
    this.#unwait(task);
    this.#handOut(task, node, startedMs);
    return true;
  }

  /** A row that a framework wrote, or a verdict that is not run again, stands in the store. */
  row({ instanceId, attempt }: TaskKey, isError: boolean): RowNews {
    const task = this.#tasks.get(instanceId);
    if (!task || task.phase.kind === 'row') return { kind: 'stale' };
    if (isError && attempt < (task.floor ?? 1)) return { kind: 'stale' };
    const { phase } = task;
    const isRunning = phase.kind === 'out' && phase.startedMs !== undefined;
    if (attempt < task.attempt && isRunning) {
      // Paid for already: it ends, and the highest attempt speaks. If it is lost, this one does.
      task.earlier = isError;
      return { kind: 'stale' };
    }
    const revoke = phase.kind === 'out' ? { instanceId, attempt: task.attempt, node: phase.node } : undefined;
    this.#settle(task, isError);
    return { kind: 'settled', ...(revoke && { revoke }) };
  }

  /**
   * The attempt was lost, and its synthetic row is stored.
   * @param node who says so of its own actor; a start of the same attempt elsewhere goes on
   */
  lost(key: TaskKey, node?: string): LossNews {
    const task = this.#current(key);
    if (!task || task.phase.kind === 'row' || task.phase.kind === 'unstored') return 'stale';
    if (node !== undefined && task.phase.kind === 'out' && task.phase.node !== node) return 'stale';
    task.lost += 1;
    if (task.earlier !== undefined || !mayRetry(task.lost, this.#retryLost)) {
      this.#settle(task, task.earlier ?? true);
      return 'settled';
    }
    this.#leave(task);
    task.attempt += 1;
    this.#retrying.add(task.instanceId);
    this.#wait(task, this.#queues.get(task.database), 'front');
    return 'retried';
  }

  unstored(key: TaskKey): void {
    const task = this.#current(key);
    if (!task || task.phase.kind === 'row' || task.phase.kind === 'unstored') return;
    this.#leave(task);
    task.phase = UNSTORED;
    const queue = this.#queues.get(task.database);
    if (queue) queue.unstored += 1;
  }

  /** `node` gave the task back: it waits again, in front. Whether it was out there; `wasStarted` if an actor had it. */
  returned(key: TaskKey, node: string): { readonly wasStarted: boolean } | undefined {
    const task = this.#currentOut(key, node);
    if (task?.phase.kind !== 'out') return undefined;
    const wasStarted = task.phase.startedMs !== undefined;
    this.#leave(task);
    this.#wait(task, this.#queues.get(task.database), 'front');
    return { wasStarted };
  }

  /** Takes every waiting task of `database` out of the line, for good: each counts as out until `row` or `lost` says more. */
  bury(database: string): LedgerTask[] {
    const tasks = this.#queues.get(database)?.waiting.take(Infinity) ?? [];
    for (const task of tasks) task.phase = LOSING;
    this.#waiting -= tasks.length;
    this.#losing += tasks.length;
    return tasks;
  }

  /** The started task went down with its node: it counts as out until `lost` or `row` says how its row came out. */
  losing(key: TaskKey): boolean {
    const task = this.#current(key);
    if (!task || (task.phase.kind !== 'out' && task.phase.kind !== 'waiting')) return false;
    this.#leave(task);
    task.phase = LOSING;
    this.#losing += 1;
    return true;
  }

  /** A task that counted as lost had never begun, as far as the store knows: it waits again, as the same attempt. */
  spared(key: TaskKey): boolean {
    const task = this.#current(key);
    if (task?.phase.kind !== 'losing') return false;
    this.#leave(task);
    this.#wait(task, this.#queues.get(task.database), 'front');
    return true;
  }

  get isNothingOut(): boolean {
    return this.#holdings.count + this.#losing === 0;
  }

  get isNothingWaiting(): boolean {
    return this.#waiting === 0;
  }

  tally(): RunTally {
    const inFlight = this.#holdings.inFlight();
    const running = Map.groupBy(inFlight, ({ database }) => database);
    const queues = [...this.#queues.values()];
    const sum = (pick: (queue: DatabaseQueue) => number): number => queues.reduce((n, queue) => n + pick(queue), 0);
    return {
      total: this.#tasks.size,
      rowsOk: sum(({ ok }) => ok),
      rowsError: sum(({ errors }) => errors),
      unstored: sum(({ unstored }) => unstored),
      waiting: this.#waiting,
      out: this.#holdings.count + this.#losing,
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

  #current({ instanceId, attempt }: TaskKey): LedgerTask | undefined {
    const task = this.#tasks.get(instanceId);
    return task?.attempt === attempt ? task : undefined;
  }

  #currentOut(key: TaskKey, node: string): LedgerTask | undefined {
    const task = this.#current(key);
    return task?.phase.kind === 'out' && task.phase.node === node ? task : undefined;
  }

  #handOut(task: LedgerTask, node: string, startedMs: number | undefined): void {
    this.#waiting -= 1;
    task.phase = { kind: 'out', node, startedMs };
    this.#holdings.add(node, task, startedMs);
  }

  #wait(task: LedgerTask, queue: DatabaseQueue | undefined, where: 'front' | 'behind'): void {
    task.phase = WAITING;
    this.#waiting += 1;
    if (where === 'front') queue?.waiting.putBack(task);
    else queue?.waiting.add(task);
  }

  #unwait(task: LedgerTask): void {
    this.#queues.get(task.database)?.waiting.remove(task);
  }

  /** Out of whatever phase it is in; the caller says which comes next. */
  #leave(task: LedgerTask): void {
    const { phase } = task;
    if (phase.kind === 'waiting') {
      this.#unwait(task);
      this.#waiting -= 1;
    } else if (phase.kind === 'out') {
      this.#holdings.remove(phase.node, task);
    } else if (phase.kind === 'losing') {
      this.#losing -= 1;
    }
  }

  #settle(task: LedgerTask, isError: boolean): void {
    const queue = this.#queues.get(task.database);
    if (task.phase.kind === 'unstored' && queue) queue.unstored -= 1;
    this.#leave(task);
    this.#retrying.delete(task.instanceId);
    task.phase = isError ? ROW.error : ROW.ok;
    if (queue) queue[isError ? 'errors' : 'ok'] += 1;
  }

  #queueOf(database: string): DatabaseQueue {
    const known = this.#queues.get(database);
    if (known) return known;
    const queue = { total: 0, waiting: new WaitingLine(), ok: 0, errors: 0, unstored: 0 };
    this.#queues.set(database, queue);
    return queue;
  }
}
