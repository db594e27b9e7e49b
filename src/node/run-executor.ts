/**
 * One run at this node: a driver like any other, that makes task actors and calls them (DESIGN "A run is a driver"). It
 * has no queue into threads, no frames and no thread entry of its own.
 *
 * Not here: what a database needs (`database-preparation.ts`), the way of results (`task-shipping.ts`), how many actors the
 * node may have over all runs (`actor-slots.ts`).
 *
 * Invariants: X1 every task that came in is reported exactly once: with its row stored, returned, or unstored; only what
 * the head itself took away is not, nor what stays in the spool when the node stops. X2 an attempt is started at most
 * once. X3 an actor that ended is never called again; its successor starts when the next task comes (W-05). X4 nothing
 * is started, and nothing kept waiting, while the queue is paused.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { ActorDiedError, RayTaskError } from '../driver/errors.ts';
import type { TaskAssignment, TaskOutcome } from '../frameworks/assignment.ts';
import type { TaskRow } from '../frameworks/framework.ts';
import type { Task } from '../dataset/task.ts';
import { describeError } from '../kernel/errors.ts';
import { ACTOR_LOST, type SnapshotFacts } from '../run/synthetic-row.ts';
import type { Logger } from '../kernel/log.ts';
import type { ActorSlot, ActorSlots } from './actor-slots.ts';
import type { PlaceRequest } from './database-place.ts';
import type { DatabasePreparation } from './database-preparation.ts';
import { LogSlice } from './log-slice.ts';
import { LogTrimmer } from './log-trimmer.ts';
import { RunActors } from './run-actors.ts';
import type { Shipper } from './shipper.ts';
import type { Snapshots } from './snapshots.ts';
import type { Spool } from './spool.ts';
import type { HostedTaskActor, TaskActors } from './task-actors.ts';
import type { TaskEnd } from './task-end.ts';
import { TaskQueue, type QueuedTask } from './task-queue.ts';
import { removeScratch, TaskShipping } from './task-shipping.ts';
import type { UploadBack } from './upload-back.ts';
import { verdictRow } from './verdict.ts';

export type { TaskEnd } from './task-end.ts';

export interface RunReports {
  started(task: QueuedTask): void;
  ended(task: QueuedTask, end: TaskEnd): void;
  /** How many actors of the run live, and how many are coming to life. */
  actorsChanged(live: number, pending: number): void;
  /** The run's tasks of this database cannot work here; those that wait go back behind this. */
  databaseFailed(database: string, error: unknown): void;
}

/** Tasks of one database as the head hands them out. */
export interface TaskBatch extends PlaceRequest {
  readonly tasks: readonly { readonly instanceId: string; readonly attempt: number }[];
}

/** A task that this node has, for the head's books. */
export interface HeldTask extends QueuedTask {
  readonly state: 'queued' | 'running' | 'shipping';
  /** Since the epoch; 0 if it has not started. */
  readonly startedMs: number;
}

/** A task actor as it is at one moment. One that is pending may have its task waiting for it. */
export interface ActorSight {
  readonly kind: 'pending' | 'idle' | 'running';
  readonly name: string;
  readonly logPath: string;
  readonly task?: QueuedTask;
  /** When it got the task, milliseconds since the epoch. */
  readonly startedMs?: number;
}

export interface RunExecutorOptions {
  readonly runId: string;
  /** This node's name: rows say where they come from. */
  readonly node: string;
  /** At least those of the run. */
  readonly taskById: ReadonlyMap<string, Task>;
  readonly databases: DatabasePreparation;
  /** Tasks of this run at a time, at most. */
  readonly actors: number;
  readonly slots: ActorSlots;
  readonly taskActors: TaskActors;
  readonly shipper: Shipper;
  readonly snapshots: Snapshots;
  readonly uploadBack: UploadBack;
  readonly spool?: Spool | undefined;
  readonly reports: RunReports;
  readonly log: Logger;
  /** This run's own folder: scratch, logs. */
  readonly workDir: string;
}

interface RunningTask {
  readonly queued: QueuedTask;
  readonly actor: HostedTaskActor;
  readonly startedMs: number;
  isRevoked: boolean;
}

/** Actors in a row that never came to life before a worker gives up. */
const MAX_FAILED_STARTS = 3;
/** Tasks whose objects are on their way, at most: then the actors wait for the store. */
const MAX_SHIPPING = 64;

export class RunExecutor {
  readonly #options: RunExecutorOptions;
  readonly #queue = new TaskQueue();
  readonly #shipping: TaskShipping;
  readonly #workers: Promise<void>[];
  readonly #actors: RunActors;
  readonly #nonce = randomBytes(4).toString('hex');
  #starts = 0;
  readonly #running = new Map<string, RunningTask>();
  readonly #trimmer = new LogTrimmer();
  /** The last attempt of each id that came in and was not given back: it may not come in again. */
  readonly #seen = new Map<string, number>();
  readonly #stopListening: () => void;
  #workersLeft: number;
  #stop: 'running' | 'draining' | 'killing' = 'running';

  constructor(options: RunExecutorOptions) {
    const { runId, shipper, uploadBack, spool, log, reports, slots } = options;
    this.#options = options;
    this.#shipping = new TaskShipping({
      runId,
      shipper,
      uploadBack,
      spool,
      log,
      ended: (task, end) => reports.ended(task, end),
    });
    this.#actors = new RunActors(options.taskActors, (live, pending) => reports.actorsChanged(live, pending));
    this.#stopListening = slots.onWanted(() => this.#queue.nudge());
    this.#workersLeft = options.actors;
    this.#workers = Array.from({ length: options.actors }, (_, worker) => this.#work(worker));
  }

  /** What of the run is here: it waits, runs, or is on its way to the store. */
  get held(): HeldTask[] {
    return [
      ...this.#queue.waiting.map((task) => ({ ...task, state: 'queued' as const, startedMs: 0 })),
      ...[...this.#running.values()].map(({ queued, startedMs }) => ({
        ...queued,
        state: 'running' as const,
        startedMs,
      })),
      ...this.#shipping.tasks.map((task) => ({ ...task, state: 'shipping' as const, startedMs: 0 })),
    ];
  }

  /** The actors of the run at this moment, with what each does: for people who look why it does not go on. */
  get actors(): ActorSight[] {
    const byActor = new Map([...this.#running.values()].map((running) => [running.actor, running]));
    return this.#actors.list().map(({ actor, isPending }) => {
      const { name, logPath } = actor;
      const running = byActor.get(actor);
      if (!running) return { kind: isPending ? 'pending' : 'idle', name, logPath };
      const { queued, startedMs } = running;
      return { kind: isPending ? 'pending' : 'running', name, logPath, task: queued, startedMs };
    });
  }

  /** Uploads of helpers that failed so far, by kind. */
  get failures(): Readonly<Record<string, number>> {
    return this.#options.shipper.failures;
  }

  /** While paused nothing new is started: what waits goes back for others to do, what runs goes on. */
  set isPaused(isPaused: boolean) {
    this.#queue.isPaused = isPaused;
    if (isPaused) this.#giveBack(this.#queue.takeAll());
  }

  /** Takes tasks in. An attempt that came in before is dropped: a batch may be repeated on the wire. */
  add(batch: TaskBatch): void {
    const { database } = batch;
    const tasks = batch.tasks
      .filter((task) => this.#isNew(task))
      .map(({ instanceId, attempt }): QueuedTask => ({ instanceId, attempt, database }));
    if (tasks.length === 0) return;
    if (this.#stop !== 'running' || this.#queue.isPaused) return this.#giveBack(tasks);
    if (this.#workersLeft === 0) return tasks.forEach((task) => this.#undispatched(task));
    this.#queue.hold(database);
    this.#queue.add(tasks);
    void this.#prepare(batch).finally(() => this.#queue.release(database));
  }

  /** The head says where a database's reference is, without a batch. */
  announce(request: PlaceRequest): void {
    if (this.#stop !== 'running') return;
    this.#queue.hold(request.database);
    void this.#prepare(request).finally(() => this.#queue.release(request.database));
  }

  /** Gives back up to `count` tasks of the database that have not started. */
  steal(database: string, count: number): void {
    this.#giveBack(this.#queue.steal(database, count));
  }

  /**
   * The head gave these attempts away: what waits is dropped, what runs is ended, and neither is reported. A result that
   * is made already is stored beside the other one's.
   */
  revoke(tasks: readonly { readonly instanceId: string; readonly attempt: number }[]): void {
    const { log, runId } = this.#options;
    for (const { instanceId, attempt } of tasks) {
      const waited = this.#queue.remove(instanceId, attempt);
      const running = this.#running.get(instanceId);
      const isRunning = running?.queued.attempt === attempt;
      if (isRunning && !running.isRevoked) {
        running.isRevoked = true;
        running.actor.kill();
      }
      const was = waited ? 'waiting' : isRunning ? 'running' : 'not here';
      log.info({ run: runId, instance: instanceId, attempt, was }, 'attempt revoked by the head');
    }
  }

  /** Starts nothing new; what runs has `graceMs`, then its actor is killed and the task returned without a row. */
  drain(graceMs: number): void {
    if (this.#stop !== 'running') return;
    this.#stop = 'draining';
    this.#giveBack(this.#queue.close());
    this.#options.slots.withdraw(this.#options.runId);
    const timer = setTimeout(() => this.#killAll(), graceMs);
    void Promise.all(this.#workers).then(() => clearTimeout(timer));
  }

  /** Waits until nothing runs any more, after `drain`. */
  async drained(): Promise<void> {
    await Promise.all(this.#workers);
  }

  /** No task is left: ends the actors and ships what is still here. */
  async close(): Promise<Readonly<Record<string, number>>> {
    if (this.#stop === 'running') this.#stop = 'draining';
    this.#giveBack(this.#queue.close());
    this.#options.slots.withdraw(this.#options.runId);
    await Promise.all(this.#workers);
    await this.#shipping.settle(0);
    // A reference that is not stored stays with the spool, for the next life.
    if (await this.#options.uploadBack.flush()) this.#options.databases.close();
    this.#stopListening();
    this.#trimmer[Symbol.dispose]();
    return this.#options.shipper.failures;
  }

  /** Ends at once, without shipping anything more. */
  async destroy(): Promise<void> {
    this.#killAll();
    this.#queue.close();
    await Promise.all(this.#workers);
    await this.#shipping.settle(0);
    this.#stopListening();
    this.#trimmer[Symbol.dispose]();
  }

  #isNew({ instanceId, attempt }: { readonly instanceId: string; readonly attempt: number }): boolean {
    if ((this.#seen.get(instanceId) ?? 0) >= attempt) {
      const { log, runId } = this.#options;
      log.warn({ run: runId, instance: instanceId, attempt }, 'attempt handed out again; it is dropped');
      return false;
    }
    this.#seen.set(instanceId, attempt);
    return true;
  }

  async #prepare(request: PlaceRequest): Promise<void> {
    const { databases, log, runId, reports } = this.#options;
    const { database } = request;
    try {
      const outcome = await databases.prepare(request);
      if (outcome.kind === 'ready') return;
      log.warn({ run: runId, database, reason: outcome.reason }, 'database not granted: its tasks go back');
      this.#giveBack(this.#queue.clear(database), outcome.reason);
    } catch (error) {
      if (this.#stop === 'killing') return;
      log.error({ run: runId, database, error: describeError(error) }, 'database cannot be worked on here');
      // First the reason: what comes back is not to be handed out to this node again.
      reports.databaseFailed(database, error);
      this.#giveBack(this.#queue.clear(database));
    }
  }

  #giveBack(tasks: readonly QueuedTask[], error?: string): void {
    for (const task of tasks) {
      this.#seen.delete(task.instanceId);
      this.#options.reports.ended(task, { kind: 'returned', ...(error !== undefined && { error }) });
    }
  }

  #killAll(): void {
    this.#stop = 'killing';
    this.#options.slots.withdraw(this.#options.runId);
    this.#actors.killAll();
  }

  /** One of the run's workers: takes tasks until the queue closes, with one actor at a time, while it has a slot for it. */
  async #work(worker: number): Promise<void> {
    const { slots, runId } = this.#options;
    let actor: HostedTaskActor | undefined;
    let slot: ActorSlot | undefined;
    let failedStarts = 0;
    const yieldSlot = async (): Promise<void> => {
      if (actor) await this.#actors.end(actor);
      actor = undefined;
      if (slot) slots.release(runId);
      slot = undefined;
      this.#queue.leave(worker);
    };
    for (;;) {
      // Who wanted a slot while this one was in use called nobody who waits.
      if (slot && !this.#queue.hasWork && slots.isWantedElsewhere(runId)) await yieldSlot();
      if (!(await this.#queue.ready())) break;
      // Woken because others want slots: one that asked now for nothing would wake the next, and so on for ever.
      if (!slot && !this.#queue.hasWork) continue;
      slot ??= await slots.take(runId);
      if (!slot) break;
      const task = this.#queue.take(worker);
      if (!task) {
        if (!actor) await yieldSlot();
        continue;
      }
      try {
        actor ??= this.#actors.start(worker);
      } catch (error) {
        // W-07: the actor could not even be asked for.
        const text = `dispatch-failure: ${describeError(error)}`;
        this.#shipping.ship(task, this.#synthetic(task, 'dispatch-failure', text, error));
        continue;
      }
      const result = await this.#run(actor, task);
      if (result === 'failed-start') {
        actor = undefined;
        failedStarts += 1;
        this.#putBack(task);
        if (failedStarts < MAX_FAILED_STARTS) continue;
        break;
      }
      if (result === 'actor-gone') actor = undefined;
      else failedStarts = 0;
      if (slots.shouldYield(runId, slot)) await yieldSlot();
    }
    await yieldSlot();
    this.#retire();
  }

  /** Its actor never got to it: it waits again, or goes back if nothing is started any more. */
  #putBack(task: QueuedTask): void {
    // A trouble is told before it is met here: what waited has gone back already.
    if (this.#stop === 'running' && !this.#queue.isPaused) this.#queue.putBack(task);
    else this.#giveBack([task]);
  }

  /** Runs one task and hands its objects on. What became of the actor. */
  async #run(actor: HostedTaskActor, queued: QueuedTask): Promise<'alive' | 'actor-gone' | 'failed-start'> {
    const { reports, runId, spool, snapshots: all, log: diary } = this.#options;
    const assignment = this.#assign(queued);
    if (!assignment) {
      const error = `actor-task-error: no task ${queued.instanceId} in the dataset`;
      this.#shipping.ship(queued, this.#synthetic(queued, 'actor-task-error', error, error));
      return 'alive';
    }
    const startedMs = Date.now();
    const running: RunningTask = { queued, actor, startedMs, isRevoked: false };
    // Between queue and actor it must not be nowhere: the head may ask at any instant.
    this.#running.set(queued.instanceId, running);
    let start: number | undefined;
    try {
      const { scratchDir, setupSessionsRoot: sessionsRoot } = assignment;
      start = spool?.start({ runId, ...queued, scratchDir, sessionsRoot });
    } catch (error) {
      diary.error({ run: runId, instance: queued.instanceId, error: describeError(error) }, 'task not started');
      this.#running.delete(queued.instanceId);
      if (!running.isRevoked) this.#putBack(queued);
      return 'alive';
    }
    reports.started(queued);
    const log = new LogSlice(actor.logPath);
    const unwatch = this.#trimmer.watch(log);
    const snapshots = all.begin({ ...queued, scratchDir: assignment.scratchDir, log });
    const left = { assignment, actor, startedMs, snapshots };
    try {
      const outcome = await actor.runTask(assignment);
      snapshots.stop();
      this.#running.delete(queued.instanceId);
      this.#shipping.ship(queued, this.#stamped(outcome), { ...left, outcome, log: log.read() }, start);
      await this.#shipping.settle(MAX_SHIPPING);
      if (outcome.isActorSpent !== true) return 'alive';
      await this.#actors.end(actor);
      return 'actor-gone';
    } catch (error) {
      const endedMs = Date.now();
      snapshots.stop();
      this.#running.delete(queued.instanceId);
      if (!(error instanceof ActorDiedError)) {
        // W-06: something escaped the task's body; the actor lives on.
        const text = `actor-task-error: ${describeError(error)}`;
        diary.error({ run: runId, instance: queued.instanceId, error: text }, 'task error escaped');
        const row = this.#synthetic(queued, 'actor-task-error', text, error);
        this.#shipping.ship(queued, row, { ...left, log: log.read() }, start);
        if (error instanceof RayTaskError) return 'alive';
        await this.#actors.drop(actor);
        return 'actor-gone';
      }
      await this.#actors.drop(actor);
      if (this.#stop === 'killing' || running.isRevoked) {
        spool?.settle(start);
        if (!running.isRevoked) this.#giveBack([queued]);
        removeScratch(assignment.scratchDir);
        return 'actor-gone';
      }
      if (error.reason === 'CTOR_ERROR' || error.reason === 'LOAD_FAILED' || error.reason === 'UNSCHEDULABLE') {
        spool?.settle(start);
        diary.error({ run: runId, error: describeError(error) }, 'actor did not start');
        return 'failed-start';
      }
      diary.error({ run: runId, instance: queued.instanceId, error: describeError(error) }, 'actor lost');
      const { lastMs } = snapshots;
      const row = this.#synthetic(queued, ACTOR_LOST, ACTOR_LOST, error, { lastMs, startedMs, endedMs });
      this.#shipping.ship(queued, row, { ...left, log: log.read() }, start);
      return 'actor-gone';
    } finally {
      unwatch();
    }
  }

  #assign({ instanceId, database, attempt }: QueuedTask): TaskAssignment | undefined {
    const { taskById, databases, runId, workDir } = this.#options;
    const task = taskById.get(instanceId);
    const place = databases.placeOf(database);
    if (!task || !place) return undefined;
    // A name of its own per start: two starts of one task never share a folder (T-05).
    const unique = `${instanceId}-${this.#nonce}-${(this.#starts += 1)}`;
    const scratchDir = join(workDir, 'bird_interact_slayer_otf', unique);
    const { databasePath, datasetDir, cacheRoot, referenceRoot, reference } = place;
    const setupSessionsRoot = join(workDir, '_setup_sessions');
    const roots = { databasePath, datasetDir, cacheRoot, referenceRoot, setupSessionsRoot };
    return { task, attempt, runId, scratchDir, ...roots, reference };
  }

  /** A worker is done for good. When none is left, nobody will ever run what still waits (W-08). */
  #retire(): void {
    this.#workersLeft -= 1;
    if (this.#workersLeft > 0) return;
    this.#options.slots.withdraw(this.#options.runId);
    if (this.#stop !== 'running') return;
    for (const task of this.#queue.close()) this.#undispatched(task);
  }

  #undispatched(task: QueuedTask): void {
    const error = 'undispatched: no live actors';
    const cause = `${MAX_FAILED_STARTS} actors in a row did not start`;
    this.#shipping.ship(task, this.#synthetic(task, 'undispatched', error, cause));
  }

  #synthetic(queued: QueuedTask, reason: string, error: string, cause: unknown, snapshots?: SnapshotFacts): TaskRow {
    const verdict = { reason, error, cause, ...(snapshots && { snapshots }) };
    const row = verdictRow(queued, this.#options.taskById.get(queued.instanceId), verdict);
    return { ...row, node: this.#options.node };
  }

  /** The actor's row with where and how long it ran. */
  #stamped({ row, timingsMs }: TaskOutcome): TaskRow {
    const { node } = this.#options;
    const rounded = Object.entries(timingsMs).map(([phase, ms]) => [phase, Math.round(ms * 10) / 10] as const);
    return { ...row, node, ...(rounded.length > 0 && { timings_ms: Object.fromEntries(rounded) }) };
  }
}
