/**
 * One run at this node: a driver like any other, that makes task actors and calls them (DESIGN "A run is a driver"). It
 * has no queue into threads, no frames and no thread entry of its own.
 *
 * Invariants: X1 every task that came in is reported exactly once: with its row stored, returned, or unstored. X2 at most
 * `actors` tasks run at once. X3 an actor that ended is never called again; its successor starts when the next task
 * comes (W-05). X4 a task is reported only after its row is stored; helpers follow and never change the verdict.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { Dataset } from '../dataset/dataset.ts';
import { ActorDiedError, RayTaskError } from '../driver/errors.ts';
import type { TaskAssignment } from '../frameworks/assignment.ts';
import { syntheticRow } from '../frameworks/error-row.ts';
import type { TaskRow } from '../frameworks/framework.ts';
import { describeError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { LogSlice } from './log-slice.ts';
import type { HostedTaskActor, TaskActors } from './task-actors.ts';
import type { RowEnd, Shipper } from './shipper.ts';
import { TaskQueue, type QueuedTask } from './task-queue.ts';
import type { ShippedTask, UploadBack } from './upload-back.ts';

/** How a task ended here, as the head hears of it. */
export type TaskEnd =
  | { readonly kind: 'ok' }
  | { readonly kind: 'error'; readonly error: string }
  | { readonly kind: 'lost'; readonly error: string }
  | { readonly kind: 'returned' }
  | { readonly kind: 'unstored'; readonly error: string };

export interface RunReports {
  started(task: QueuedTask): void;
  ended(task: QueuedTask, end: TaskEnd): void;
  actorsChanged(live: number): void;
}

export interface RunExecutorOptions {
  readonly runId: string;
  readonly dataset: Dataset;
  readonly actors: number;
  readonly taskActors: TaskActors;
  readonly shipper: Shipper;
  readonly uploadBack: UploadBack;
  readonly reports: RunReports;
  readonly log: Logger;
  readonly cacheRoot: string;
  readonly referenceRoot: string;
  /** This run's own folder: scratch, logs. */
  readonly workDir: string;
}

/** Actors in a row that never came to life before a worker gives up. */
const MAX_FAILED_STARTS = 3;
/** Tasks whose objects are on their way, at most: then the actors wait for the store. */
const MAX_SHIPPING = 64;

export class RunExecutor {
  readonly #options: RunExecutorOptions;
  readonly #queue = new TaskQueue();
  readonly #workers: Promise<void>[];
  readonly #shipping = new Set<Promise<void>>();
  readonly #live = new Set<HostedTaskActor>();
  readonly #nonce = randomBytes(4).toString('hex');
  #starts = 0;
  #workersLeft: number;
  #stop: 'running' | 'draining' | 'killing' = 'running';

  constructor(options: RunExecutorOptions) {
    this.#options = options;
    this.#workersLeft = options.actors;
    this.#workers = Array.from({ length: options.actors }, (_, worker) => this.#work(worker));
  }

  add(tasks: readonly QueuedTask[]): void {
    if (this.#stop !== 'running') return this.#giveBack(tasks);
    if (this.#workersLeft > 0) return this.#queue.add(tasks);
    for (const task of tasks) this.#undispatched(task);
  }

  /** Starts nothing new; what runs has `graceMs`, then its actor is killed and the task returned without a row. */
  drain(graceMs: number): void {
    if (this.#stop !== 'running') return;
    this.#stop = 'draining';
    this.#giveBack(this.#queue.close());
    const timer = setTimeout(() => this.#killAll(), graceMs);
    void Promise.all(this.#workers).then(() => clearTimeout(timer));
  }

  /** No task is left: ends the actors and ships what is still here. */
  async close(): Promise<Readonly<Record<string, number>>> {
    this.#giveBack(this.#queue.close());
    await Promise.all(this.#workers);
    await this.#settleShipping(0);
    await this.#options.uploadBack.flush();
    return this.#options.shipper.failures;
  }

  /** Ends at once, without shipping anything more. */
  async destroy(): Promise<void> {
    this.#killAll();
    this.#queue.close();
    await Promise.all(this.#workers);
    await this.#settleShipping(0);
  }

  #giveBack(tasks: readonly QueuedTask[]): void {
    for (const task of tasks) this.#options.reports.ended(task, { kind: 'returned' });
  }

  #killAll(): void {
    this.#stop = 'killing';
    for (const actor of this.#live) actor.kill();
  }

  /** One slot: takes tasks until the queue closes, with one actor at a time. */
  async #work(worker: number): Promise<void> {
    let actor: HostedTaskActor | undefined;
    let failedStarts = 0;
    for (let task = await this.#queue.take(worker); task; task = await this.#queue.take(worker)) {
      try {
        actor ??= this.#startActor(worker);
      } catch (error) {
        // W-07: the actor could not even be asked for.
        this.#ship(
          task,
          this.#synthetic(task, 'dispatch-failure', `dispatch-failure: ${describeError(error)}`, error),
          undefined,
        );
        continue;
      }
      const result = await this.#run(actor, task);
      if (result === 'failed-start') {
        actor = undefined;
        failedStarts += 1;
        this.#queue.putBack(task);
        if (failedStarts < MAX_FAILED_STARTS) continue;
        break;
      }
      if (result === 'actor-gone') actor = undefined;
      else failedStarts = 0;
    }
    if (actor) await this.#endActor(actor);
    this.#retire();
  }

  /** Runs one task and hands its objects on. What became of the actor. */
  async #run(actor: HostedTaskActor, queued: QueuedTask): Promise<'alive' | 'actor-gone' | 'failed-start'> {
    const { reports, runId } = this.#options;
    const diary = this.#options.log;
    const assignment = await this.#assign(queued);
    if (!assignment) {
      const error = `actor-task-error: no task ${queued.instanceId} in the dataset`;
      this.#ship(queued, this.#synthetic(queued, 'actor-task-error', error, error), undefined);
      return 'alive';
    }
    reports.started(queued);
    const startedMs = Date.now();
    const log = new LogSlice(actor.logPath);
    try {
      const outcome = await actor.runTask(assignment);
      this.#ship(queued, outcome.row, { assignment, outcome, actor, startedMs, log: log.read() });
      await this.#settleShipping(MAX_SHIPPING);
      return 'alive';
    } catch (error) {
      if (!(error instanceof ActorDiedError)) {
        // W-06: something escaped the task's body; the actor lives on.
        const text = `actor-task-error: ${describeError(error)}`;
        diary.error({ run: runId, instance: queued.instanceId, error: text }, 'task error escaped');
        this.#ship(queued, this.#synthetic(queued, 'actor-task-error', text, error), {
          assignment,
          actor,
          startedMs,
          log: log.read(),
        });
        return error instanceof RayTaskError ? 'alive' : this.#drop(actor);
      }
      await this.#drop(actor);
      if (this.#stop === 'killing') {
        reports.ended(queued, { kind: 'returned' });
        this.#cleanUp(assignment);
        return 'actor-gone';
      }
      if (error.reason === 'CTOR_ERROR' || error.reason === 'LOAD_FAILED' || error.reason === 'UNSCHEDULABLE') {
        diary.error({ run: runId, error: describeError(error) }, 'actor did not start');
        return 'failed-start';
      }
      diary.error({ run: runId, instance: queued.instanceId, error: describeError(error) }, 'actor lost');
      const row = this.#synthetic(queued, 'actor-lost', 'actor-lost', error);
      this.#ship(queued, row, { assignment, actor, startedMs, log: log.read() });
      return 'actor-gone';
    }
  }

  async #assign({ instanceId, database, attempt }: QueuedTask): Promise<TaskAssignment | undefined> {
    const { dataset, runId, workDir, cacheRoot, referenceRoot } = this.#options;
    const task = dataset.taskById.get(instanceId);
    if (!task) return undefined;
    // A name of its own per start: two starts of one task never share a folder (T-05).
    const unique = `${instanceId}-${this.#nonce}-${(this.#starts += 1)}`;
    const scratchDir = join(workDir, 'bird_interact_slayer_otf', unique);
    return {
      task,
      attempt,
      runId,
      scratchDir,
      databasePath: dataset.databasePath(database),
      datasetDir: dataset.dir,
      cacheRoot,
      referenceRoot,
      setupSessionsRoot: join(workDir, '_setup_sessions'),
    };
  }

  #startActor(worker: number): HostedTaskActor {
    const actor = this.#options.taskActors.start(`${worker}-${randomBytes(3).toString('hex')}`);
    this.#live.add(actor);
    this.#options.reports.actorsChanged(this.#live.size);
    return actor;
  }

  async #drop(actor: HostedTaskActor): Promise<'actor-gone'> {
    actor.kill();
    await actor.died;
    this.#live.delete(actor);
    this.#options.reports.actorsChanged(this.#live.size);
    return 'actor-gone';
  }

  async #endActor(actor: HostedTaskActor): Promise<void> {
    actor.terminate();
    await actor.died;
    this.#live.delete(actor);
    this.#options.reports.actorsChanged(this.#live.size);
  }

  /** A worker is done for good. When none is left, nobody will ever run what still waits (W-08). */
  #retire(): void {
    this.#workersLeft -= 1;
    if (this.#workersLeft > 0 || this.#stop !== 'running') return;
    for (const task of this.#queue.close()) this.#undispatched(task);
  }

  #undispatched(task: QueuedTask): void {
    const error = 'undispatched: no live actors';
    this.#ship(
      task,
      this.#synthetic(task, 'undispatched', error, `${MAX_FAILED_STARTS} actors in a row did not start`),
      undefined,
    );
  }

  #synthetic({ instanceId, database, attempt }: QueuedTask, reason: string, error: string, cause: unknown): TaskRow {
    const task = this.#options.dataset.taskById.get(instanceId) ?? blankTask(instanceId, database);
    return syntheticRow({
      task,
      attempt,
      error,
      reason,
      cause: typeof cause === 'string' ? cause : describeCause(cause),
    });
  }

  /** Stores the row, reports, then ships the rest; in the background. */
  #ship(queued: QueuedTask, row: TaskRow, rest: ShippedTask | undefined): void {
    const work = this.#shipAll(queued, row, rest).catch((error: unknown) =>
      this.#options.log.error({ instance: queued.instanceId, error: describeError(error) }, 'shipping failed'),
    );
    this.#shipping.add(work);
    void work.then(() => this.#shipping.delete(work));
  }

  async #shipAll(queued: QueuedTask, row: TaskRow, rest: ShippedTask | undefined): Promise<void> {
    const { shipper, uploadBack } = this.#options;
    this.#report(queued, row, await shipper.row(row, queued.attempt));
    if (!rest) return;
    await shipper.taskLog(queued.instanceId, queued.attempt, rest.log);
    await uploadBack.task({ ...rest, instanceId: queued.instanceId, attempt: queued.attempt });
    this.#cleanUp(rest.assignment);
  }

  #report(queued: QueuedTask, row: TaskRow, end: RowEnd): void {
    const { reports } = this.#options;
    if (end.kind === 'unstored') return reports.ended(queued, { kind: 'unstored', error: describeError(end.error) });
    if (row.synthetic?.reason === 'actor-lost') return reports.ended(queued, { kind: 'lost', error: row.error ?? '' });
    reports.ended(queued, row.error ? { kind: 'error', error: row.error } : { kind: 'ok' });
  }

  #cleanUp({ scratchDir }: TaskAssignment): void {
    // In place: a scratch folder is some dozen small files, and most tasks leave none.
    if (existsSync(scratchDir)) rmSync(scratchDir, { recursive: true, force: true });
  }

  /** Waits until at most `most` tasks are being shipped. */
  async #settleShipping(most: number): Promise<void> {
    while (this.#shipping.size > most) await Promise.race(this.#shipping);
  }
}

/** What is known about an end, for the row's `synthetic.cause`. */
function describeCause(thrown: unknown): string {
  if (!(thrown instanceof ActorDiedError)) return describeError(thrown);
  const lines = thrown.lastLines.length > 0 ? `; last lines: ${thrown.lastLines.join(' | ')}` : '';
  return `${describeError(thrown)}${lines}`;
}

function blankTask(instanceId: string, database: string): Parameters<typeof syntheticRow>[0]['task'] {
  return {
    instance_id: instanceId,
    selected_database: database,
    amb_user_query: '',
    sol_sql: [],
    preprocess_sql: [],
    clean_up_sqls: [],
    test_cases: [],
    external_knowledge: [],
    category: '',
    knowledge_ambiguity: [],
  };
}
