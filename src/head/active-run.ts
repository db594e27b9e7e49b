/**
 * One run at the head, from its adoption to its end.
 *
 *     running ──drain──▶ draining ──┐
 *        │ every id ended           │ nothing out
 *        └───────────▶ closing ◀────┘        (nodes ship what they still hold)
 *                         │ all nodes closed
 *                         ▼
 *                      ending ──the end is durable──▶ ended
 *
 * Not here: which node gets what (`dispatcher.ts`), how a lost attempt gets its row (`losses.ts`).
 *
 * Invariants: R1 `done` is said only when every id has a row that will not be run again, and after the nodes have shipped
 * (W-08). R2 nothing is dispatched outside `running`. R3 the end is settled once. R4 every start of an attempt that may
 * have been started before is logged with its reason.
 */
import { Outcome, type TaskEnded } from '../gen/skein/v1/node.ts';
import { describeError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { Secrets } from '../kernel/secrets.ts';
import type { RunLedger, LedgerTask, TaskKey } from './run-ledger.ts';
import { DeadlineTimer, type RunDeadline } from './run-deadline.ts';
import type { RunFacts } from './run-facts.ts';
import { RunKeys } from './run-keys.ts';

export type RunEnd =
  /** Every id has a row. */
  | { readonly kind: 'done' }
  /** Drained, or some rows could not be stored. `reason`: why it was drained, where nobody asked for it. */
  | { readonly kind: 'stopped'; readonly reason?: string }
  | { readonly kind: 'failed'; readonly error: string };

export type RunPhase =
  | { readonly kind: 'running' }
  | { readonly kind: 'draining' }
  | { readonly kind: 'closing'; readonly end: RunEnd; readonly nodes: Set<string> }
  | { readonly kind: 'ending'; readonly end: RunEnd }
  | { readonly kind: 'ended'; readonly end: RunEnd };

/** What a run tells the nodes that work on it. */
export interface RunNodes {
  drain(node: string, runId: string, graceMs: number): void;
  close(node: string, runId: string): void;
  revoke(node: string, runId: string, tasks: readonly TaskKey[]): void;
}

/** Keeps the run's end where it lasts. */
export interface RunRecord {
  /** Makes the end durable; the run counts as ended only after it has settled. */
  end(end: RunEnd): Promise<void>;
  /** This head lets go of the run in good order: it may go on elsewhere. */
  stop(): Promise<void>;
  /** Writes nothing any more. */
  halt(): void;
  /** Whether the store has it that `node` may hold tasks of the run: a later head waits for its word. */
  names(node: string): boolean;
  /** Writes down how things are now. Never throws. */
  beat(): Promise<void>;
}

/** Puts the row of an attempt that no node can run into the store and tells the run what came of it. */
export type WriteVerdict = (run: ActiveRun, task: LedgerTask, error: string) => void;

/** Puts the synthetic row of a lost attempt into the store and tells the run what came of it. */
export type WriteLoss = (
  run: ActiveRun,
  task: LedgerTask,
  cause: string,
  /** Since the epoch, by the head's clock; undefined: nobody said that it had started. */
  startedMs: number | undefined,
) => void;

/** Looks whether a task that its lost node had not begun has a row all the same, and tells the run. */
export type LookForRow = (run: ActiveRun, task: LedgerTask) => void;

export interface ActiveRunOptions {
  readonly manifest: RunFacts;
  readonly attempt: number;
  readonly ledger: RunLedger;
  readonly nodes: RunNodes;
  readonly record: RunRecord;
  readonly writeLoss: WriteLoss;
  readonly writeVerdict: WriteVerdict;
  readonly lookForRow: LookForRow;
  readonly log: Logger;
  /** Tasks that may be out at once; 0 = no limit. */
  readonly maxInFlight: number;
  /** As an earlier head left them; absent: all 0. */
  readonly counters?: RunCounters;
  /** What whoever started the run gave for its actors; absent: nothing, as after a head's own restart. */
  readonly secrets?: Secrets;
  /** Absent: the run may take as long as it takes. */
  readonly deadline?: RunDeadline | undefined;
  /** As an earlier head left them, by kind. */
  readonly helperFailures?: Readonly<Record<string, number>>;
}

/** What the run met besides its rows. */
export interface RunCounters {
  /** Attempts that were lost and started again. */
  retried: number;
  lateRows: number;
  duplicateRows: number;
}

/** Tasks of which nobody can say whether a silent node has begun them. */
interface Doubt {
  readonly nodes: readonly string[];
  readonly hasSpoken: (node: string) => boolean;
  /** By `nameOf`. */
  readonly attempts: Set<string>;
}

export class ActiveRun {
  readonly runId: string;
  readonly manifest: RunFacts;
  readonly attempt: number;
  readonly ledger: RunLedger;
  readonly maxInFlight: number;
  readonly ended: Promise<RunEnd>;
  readonly counters: RunCounters;
  readonly #options: ActiveRunOptions;
  readonly #log: Logger;
  readonly #settle: (end: RunEnd) => void;
  readonly #listeners = new Set<() => void>();
  /** Nodes that have opened this run. */
  readonly #open = new Set<string>();
  /** Nodes that still ship what an earlier life of theirs built for it. */
  readonly #owing = new Set<string>();
  /** How often a node could not open this run. */
  readonly #failures = new Map<string, number>();
  /** How often each node could not work on a database, by database and node. */
  readonly #databaseFailures = new Map<string, Map<string, number>>();
  /** Databases that no node can work on, each with the reason. */
  readonly #dead = new Map<string, string>();
  readonly #helperFailures: Map<string, number>;
  readonly #deadline: DeadlineTimer | undefined;
  readonly #keys: RunKeys;
  /** Why it was drained, where nobody asked for it. */
  #stopReason: string | undefined;
  #isNaming = false;
  #doubt: Doubt | undefined;
  #phase: RunPhase = { kind: 'running' };

  constructor(options: ActiveRunOptions) {
    const { manifest, attempt, ledger, maxInFlight, log } = options;
    this.runId = manifest.run_id;
    this.manifest = manifest;
    this.attempt = attempt;
    this.ledger = ledger;
    this.maxInFlight = maxInFlight;
    this.counters = { retried: 0, lateRows: 0, duplicateRows: 0, ...options.counters };
    this.#helperFailures = new Map(Object.entries(options.helperFailures ?? {}));
    this.#options = options;
    this.#log = log.child({ run: this.runId });
    const { promise, resolve } = Promise.withResolvers<RunEnd>();
    this.ended = promise;
    this.#settle = resolve;
    this.#keys = new RunKeys(manifest.secret_names, options.secrets ?? Secrets.NONE);
    const { deadline } = options;
    this.#deadline = deadline && new DeadlineTimer(deadline, () => this.#expire(deadline));
    void promise.then(() => this.#letGo());
  }

  /** When it is stopped at the latest, since the epoch; undefined: never. */
  get deadlineMs(): number | undefined {
    return this.#options.deadline?.atMs;
  }

  get phase(): RunPhase {
    return this.#phase;
  }

  get helperFailures(): ReadonlyMap<string, number> {
    return this.#helperFailures;
  }

  isOpenAt(node: string): boolean {
    return this.#open.has(node);
  }

  /** Nodes that have opened it. */
  get openAt(): string[] {
    return [...this.#open];
  }

  /** Why something of it does not go on, a line each: for people. */
  get obstacles(): string[] {
    return [
      ...Array.from(this.#failures, ([node, times]) => `node ${node} could not open the run, ${times} times`),
      ...Array.from(this.#dead, ([database, reason]) => `no node can work on database ${database}: ${reason}`),
      ...Array.from(this.#databaseFailures, ([database, nodes]) => {
        const named = Array.from(nodes, ([node, times]) => `${node} ${times} times`).join(', ');
        return `database ${database} could not be worked on at: ${named}`;
      }),
      ...Array.from(this.#owing, (node) => `node ${node} still ships what an earlier life of it built`),
    ];
  }

  /** Whether `node` could work on it now: it has it open, and all of its secrets. */
  isReadyAt(node: string): boolean {
    return this.#open.has(node) && this.#keys.isEnoughAt(node);
  }

  /** What the run's actors are given, as far as this head knows it (W-13). */
  get secrets(): Secrets {
    return this.#keys.secrets;
  }

  /** These are the run's secrets from now on; its nodes are told by whoever calls. Nothing given changes nothing. */
  provide(secrets: Secrets): void {
    this.#keys.provide(secrets);
  }

  /** What nothing of the run is started without, and how to give it; empty: nothing. */
  get waitingFor(): string {
    const { missing } = this.#keys;
    if (this.#phase.kind !== 'running' || missing.length === 0 || this.ledger.isNothingWaiting) return '';
    return `needs its secrets (${this.manifest.secret_names.join(', ')}): skein resume ${this.runId}`;
  }

  /**
   * Whether `node` may be handed tasks: it has the run open with all its secrets, and the store says so. If the latter is missing it is made
   * good, and `then` is called with whether that worked.
   */
  mayHold(node: string, then: (isNamed: boolean) => void): boolean {
    if (!this.isReadyAt(node)) return false;
    const { record } = this.#options;
    if (record.names(node)) return true;
    if (this.#isNaming) return false;
    this.#isNaming = true;
    void record.beat().then(() => {
      this.#isNaming = false;
      then(record.names(node));
    });
    return false;
  }

  /** Writes down how things are now. */
  beat(): Promise<void> {
    return this.#options.record.beat();
  }

  /** What is said of it is another, though nothing happened in it: those who listen hear so. */
  touched(): void {
    this.#changed();
  }

  /** Calls back after every change; gives the way to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param hasSecrets whether the node says that it has what `secret_names` names */
  nodeOpened(node: string, hasSecrets = false): void {
    if (this.#phase.kind === 'running' || this.#phase.kind === 'draining') {
      this.#open.add(node);
      this.#keys.opened(node, hasSecrets);
      this.#failures.delete(node);
      if (this.#phase.kind === 'draining') this.#options.nodes.drain(node, this.runId, 0);
    } else {
      if (this.#phase.kind === 'closing') this.#phase.nodes.add(node);
      this.#options.nodes.close(node, this.runId);
    }
    this.#changed();
  }

  /** An earlier life of `node` may have left references of this run: it does not end before they are stored, or lost with the node. */
  owes(node: string): void {
    this.#owing.add(node);
  }

  /** What `node` owed is in the store, or will never be. */
  paid(node: string): void {
    if (this.#owing.delete(node)) this.#changed();
  }

  /** Whether this run waits for anything of `node`. */
  awaits(node: string): boolean {
    return this.#open.has(node) || this.#owing.has(node) || this.ledger.heldBy(node).count > 0;
  }

  /** `node` dialled in anew: what it has open it says again. */
  forgetOpen(node: string): void {
    this.#open.delete(node);
    this.#keys.closed(node);
  }

  /** Tasks for `node`, none outside `running`. */
  take(database: string, count: number, node: string): LedgerTask[] {
    const tasks = this.#phase.kind === 'running' ? this.ledger.take(database, count, node) : [];
    if (this.#doubt) this.#sayDoubts(this.#doubt, tasks, node);
    return tasks;
  }

  /**
   * What waits now may run at one of `nodes`, which an earlier head worked with and which do not say what they hold: handing
   * it out may start an attempt a second time, which is logged as such as long as any of them stays silent (R4).
   */
  doubt(nodes: readonly string[], hasSpoken: (node: string) => boolean): void {
    this.#doubt = { nodes, hasSpoken, attempts: new Set(this.ledger.waitingTasks().map(nameOf)) };
  }

  #sayDoubts({ nodes, hasSpoken, attempts }: Doubt, tasks: readonly LedgerTask[], node: string): void {
    const silent = nodes.filter((each) => !hasSpoken(each));
    const instances = tasks.map(nameOf).filter((name) => attempts.delete(name));
    if (silent.length === 0 || attempts.size === 0) this.#doubt = undefined;
    if (silent.length === 0 || instances.length === 0) return;
    this.#log.warn(
      { node, silent, tasks: instances.length, instances },
      'a silent node may have begun these: started again',
    );
  }

  taskStarted(key: TaskKey, node: string, nowMs: number): void {
    this.ledger.started(key, node, nowMs);
    this.#changed();
  }

  /** What `node` says of a task that it was handed. */
  taskEnded(node: string, { instanceId, attempt, outcome, error, isLate, isDuplicate }: TaskEnded): void {
    const key = { instanceId, attempt };
    if (isLate) this.counters.lateRows += 1;
    if (isDuplicate) this.counters.duplicateRows += 1;
    switch (outcome) {
      case Outcome.OK:
      case Outcome.ERROR:
        this.rowFound(key, outcome === Outcome.ERROR, node);
        break;
      case Outcome.LOST:
        this.lossStored(key, `its actor ended at node ${node}`, node);
        break;
      case Outcome.RETURNED: {
        const back = this.ledger.returned(key, node);
        const reason = error || (back?.wasStarted ? 'stopped by its node before it ended' : '');
        if (back && reason && this.#phase.kind === 'running') {
          this.#log.info({ instance: instanceId, attempt, node, reason }, 'task returned: started again');
        }
        break;
      }
      case Outcome.UNSTORED:
      case Outcome.UNSPECIFIED:
      case Outcome.UNRECOGNIZED:
        this.ledger.unstored(key);
        break;
    }
    this.#changed();
  }

  /** A row of `key` stands in the store, written at `node` if that is known. */
  rowFound(key: TaskKey, isError: boolean, node?: string): void {
    const news = this.ledger.row(key, isError);
    if (news.kind === 'settled' && news.revoke && (news.revoke.node !== node || news.revoke.attempt !== key.attempt)) {
      const { node: other, ...task } = news.revoke;
      this.#options.nodes.revoke(other, this.runId, [task]);
    }
    this.#changed();
  }

  /** The synthetic row of a lost attempt stands in the store. */
  lossStored(key: TaskKey, reason: string, node?: string): void {
    if (this.ledger.lost(key, node) === 'retried') {
      this.counters.retried += 1;
      this.#log.warn({ instance: key.instanceId, attempt: key.attempt + 1, reason }, 'attempt lost: started again');
    }
    this.#changed();
  }

  /** The store has no row of a task that its lost node had not begun. */
  neverBegan(key: TaskKey): void {
    this.ledger.spared(key);
    this.#changed();
  }

  /** Is it lost, with proof or after its time: what was started gets its row, the rest waits again. What was out there. */
  loseTasks(node: string, cause: string): TaskKey[] {
    const gone = this.ledger.heldBy(node).tasks;
    for (const task of gone) this.loseTask(task, node, cause);
    if (gone.length > 0) {
      this.#log.warn({ node, tasks: gone.length, instances: gone.map(nameOf), cause }, 'tasks taken back');
    }
    this.#changed();
    return gone.map(({ instanceId, attempt }) => ({ instanceId, attempt }));
  }

  /** One task that is out at `node`. `isStarted`: known from elsewhere than the node's own word. */
  loseTask(task: LedgerTask, node: string, cause: string, isStarted = false): void {
    const startedMs = task.phase.kind === 'out' ? task.phase.startedMs : undefined;
    const wasStarted = isStarted || startedMs !== undefined;
    if (!wasStarted) {
      // Behind a cut it may have begun and ended: only the store knows, and what is done must not be paid for again.
      if (this.ledger.losing(task)) this.#options.lookForRow(this, task);
      // Who takes back many of them at once says so in one line.
      this.#log.debug({ instance: task.instanceId, attempt: task.attempt, node, cause }, 'not started: waits again');
    } else if (this.ledger.losing(task)) {
      this.#log.warn({ instance: task.instanceId, attempt: task.attempt, node, cause }, 'task lost');
      this.#options.writeLoss(this, task, cause, startedMs);
    }
  }

  /** Uploads that failed without failing a task, by kind: so many more. */
  helpersFailed(counts: Readonly<Record<string, number>>): void {
    for (const [kind, count] of Object.entries(counts)) {
      this.#helperFailures.set(kind, (this.#helperFailures.get(kind) ?? 0) + count);
    }
    this.#changed();
  }

  nodeClosed(node: string, failures: Readonly<Record<string, number>>): void {
    this.helpersFailed(failures);
    this.#open.delete(node);
    this.#keys.closed(node);
    if (this.#phase.kind === 'closing') this.#phase.nodes.delete(node);
    this.#changed();
  }

  /** `node` is gone for good as far as this run is concerned. What was out there. */
  nodeGone(node: string, cause: string): TaskKey[] {
    const gone = this.loseTasks(node, cause);
    this.#failures.delete(node);
    for (const failures of this.#databaseFailures.values()) failures.delete(node);
    this.#owing.delete(node);
    this.nodeClosed(node, {});
    return gone;
  }

  /**
   * `node` cannot work on this run.
   * @param tries how often a node may try; the run fails when each of `connected` has used them up
   * @returns whether it may try again
   */
  nodeFailed(node: string, error: string, connected: readonly string[], tries: number): boolean {
    const times = (this.#failures.get(node) ?? 0) + 1;
    this.#log.error({ node, times, error }, 'the run cannot be opened at this node');
    this.loseTasks(node, `node ${node} cannot work on this run: ${error}`);
    this.nodeClosed(node, {});
    this.#failures.set(node, times);
    if (connected.every((each) => (this.#failures.get(each) ?? 0) >= tries)) this.fail(error);
    return times < tries;
  }

  /**
   * `node` cannot work on the tasks of one database; they come back from it. When each of `connected` has used its tries
   * up, those tasks get a row that says why; the others go on.
   * @param tries how often a node may try
   * @returns whether it may try again
   */
  databaseFailed(node: string, database: string, error: string, connected: readonly string[], tries: number): boolean {
    const failures = this.#databaseFailures.get(database) ?? new Map<string, number>();
    this.#databaseFailures.set(database, failures);
    const times = (failures.get(node) ?? 0) + 1;
    failures.set(node, times);
    this.#log.error({ node, database, times, error }, 'the database cannot be worked on at this node');
    if (connected.every((each) => (failures.get(each) ?? 0) >= tries)) this.#dead.set(database, error);
    this.#changed();
    return times < tries;
  }

  /** What waits, and comes back, of databases that no node can work on is not handed out any more. */
  #buryDead(): void {
    if (this.#phase.kind !== 'running') return;
    for (const [database, error] of this.#dead) {
      const tasks = this.ledger.bury(database);
      if (tasks.length === 0) continue;
      const instances = tasks.map(nameOf);
      this.#log.error({ database, tasks: tasks.length, instances, error }, 'no node can work on these: they end so');
      for (const task of tasks) this.#options.writeVerdict(this, task, error);
    }
  }

  #expire({ graceMs, reason }: RunDeadline): void {
    if (this.#phase.kind !== 'running') return;
    this.#log.warn({ reason }, 'the run has used its time up: it is stopped');
    this.#stopReason = reason;
    this.drain(graceMs);
  }

  /** Of what is nothing without the run: its timer and its secrets. */
  #letGo(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#keys[Symbol.dispose]();
  }

  /** Forgets the run without an end: whoever adopts it next goes on from the store. */
  abandon(): Promise<void> {
    this.#letGo();
    return this.#options.record.stop();
  }

  /** As `abandon`, without a last word. */
  halt(): void {
    this.#letGo();
    this.#options.record.halt();
  }

  drain(graceMs: number): void {
    if (this.#phase.kind !== 'running') return;
    this.#phase = { kind: 'draining' };
    for (const node of this.#open) this.#options.nodes.drain(node, this.runId, graceMs);
    this.#changed();
  }

  fail(error: string): void {
    if (this.#phase.kind === 'running' || this.#phase.kind === 'draining') this.#close({ kind: 'failed', error });
    this.#changed();
  }

  /** Another head has the run: nothing more is written of it, and its nodes stop. */
  fenced(error: string): void {
    if (this.#phase.kind === 'ended' || this.#phase.kind === 'ending') return;
    for (const node of this.#open) {
      this.#options.nodes.drain(node, this.runId, 0);
      this.#options.nodes.close(node, this.runId);
    }
    this.#phase = { kind: 'ended', end: { kind: 'failed', error } };
    this.#options.record.halt();
    this.#settle(this.#phase.end);
    this.#changed();
  }

  /** Goes on to the next phase if its time has come: also for a run that was adopted with nothing left to do. */
  advance(): void {
    const { ledger } = this;
    switch (this.#phase.kind) {
      case 'running':
        if (!ledger.isNothingOut || !ledger.isNothingWaiting) return;
        return this.#closeWhole();
      case 'draining':
        if (!ledger.isNothingOut) return;
        // What ended in its grace may have been the last of it.
        if (this.#stopReason !== undefined && ledger.isNothingWaiting) return this.#closeWhole();
        this.#close({ kind: 'stopped', ...(this.#stopReason !== undefined && { reason: this.#stopReason }) });
        return;
      case 'closing':
        if (this.#phase.nodes.size === 0 && this.#owing.size === 0) this.#end(this.#phase.end);
        return;
      case 'ending':
      case 'ended':
        return;
    }
  }

  #closeWhole(): void {
    this.#close(this.ledger.tally().unstored > 0 ? { kind: 'stopped' } : { kind: 'done' });
  }

  #close(end: RunEnd): void {
    this.#phase = { kind: 'closing', end, nodes: new Set(this.#open) };
    for (const node of this.#open) this.#options.nodes.close(node, this.runId);
    this.advance();
  }

  #end(end: RunEnd): void {
    this.#phase = { kind: 'ending', end };
    const settle = (reached: RunEnd): void => {
      this.#phase = { kind: 'ended', end: reached };
      this.#settle(reached);
      this.#changed();
    };
    void this.#options.record.end(end).then(
      () => settle(end),
      (error: unknown) => settle({ kind: 'failed', error: describeError(error) }),
    );
  }

  #changed(): void {
    this.#buryDead();
    this.advance();
    for (const listener of this.#listeners) listener();
  }
}

/** One attempt as logs name it in a list. */
const nameOf = ({ instanceId, attempt }: TaskKey): string => `${instanceId}#${attempt}`;
