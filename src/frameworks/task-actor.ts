/**
 * The actor that runs a run's tasks, one at a time: an ordinary class, hosted like any user's. Its framework lives as
 * long as it does (W-02).
 *
 * Invariants: A1 what a framework throws becomes the task's error row, and the actor goes on with the next (W-04). A2
 * it runs one task at a time, so what it prints between a call and its answer is that task's log (W-12). A3 every row has its database, question, start and
 * duration, whatever the framework filled in. A4 an actor whose framework did not come to life says so: what its
 * module left behind is no ground for another try, so the next task gets a new thread.
 */
import { currentCall } from '../actor/context.ts';
import { asError, describeError, isSkeinError } from '../kernel/errors.ts';
import type { Task } from '../dataset/task.ts';
import type { TaskAssignment, TaskOutcome } from './assignment.ts';
import { blankRow, errorRow } from './error-row.ts';
import type { Framework, FrameworkSettings, TaskRow } from './framework.ts';
import type { KnownReferences } from './reference-build.ts';
import { createFramework, namesInRows } from './registry.ts';
import { boundRow } from './row-limit.ts';
import { AttemptContext } from './task-context.ts';

export class TaskActor {
  readonly #settings: FrameworkSettings;
  #framework: Promise<Framework> | undefined;
  /** Whether the framework came to life. */
  #isReady = false;
  #references: Promise<KnownReferences> | undefined;

  constructor(settings: FrameworkSettings) {
    this.#settings = settings;
  }

  /** Runs one attempt; a framework that fails is a row too. Throws only when the actor itself cannot go on. */
  async runTask(assignment: TaskAssignment): Promise<TaskOutcome> {
    const { signal } = currentCall();
    const context = new AttemptContext(assignment, this.#settings, signal, () => this.#knownReferences());
    const row = await this.#attempt(assignment.task, context);
    const { builtReferences, timingsMs } = context;
    return { row, builtReferences, timingsMs, ...(!this.#isReady && { isActorSpent: true }) };
  }

  /** Lets the framework go; called once, before the actor ends in good order. */
  async close(): Promise<void> {
    const framework = await this.#framework?.catch(() => undefined);
    await framework?.close?.();
  }

  /** Loaded only where a framework asks for a reference: mode oracle never does. */
  #knownReferences(): Promise<KnownReferences> {
    return (this.#references ??= import('./reference-build.ts').then((module) => new module.KnownReferences()));
  }

  async #attempt(task: Task, context: AttemptContext): Promise<TaskRow> {
    const startedMs = performance.now();
    const startedAt = Date.now() / 1000;
    const elapsedS = () => (performance.now() - startedMs) / 1000;
    try {
      const framework = await context.timed('framework', () => (this.#framework ??= createFramework(this.#settings)));
      this.#isReady = true;
      const row = await context.timed('task', () => framework.runTask(task, context));
      return boundRow(this.#completed(task, row, startedAt, elapsedS()));
    } catch (error) {
      context.log(asError(error).stack ?? String(error));
      const failed = errorRow(task, describeError(error), startedAt, elapsedS());
      return boundRow({ ...failed, ...namesInRows(this.#settings), ...stackOf(error) });
    } finally {
      await context.close().catch((error: unknown) => context.log(`closing failed: ${describeError(error)}`));
    }
  }

  /** A framework's row over the blank one: a key that it left out has its default (§3A). */
  #completed(task: Task, row: TaskRow, startedAt: number, durationS: number): TaskRow {
    return {
      ...blankRow(task, startedAt),
      ...row,
      ...namesInRows(this.#settings),
      task_id: task.instance_id,
      instance_id: task.instance_id,
      database: task.selected_database,
      user_query: task.amb_user_query,
      started_at: startedAt,
      duration_s: durationS,
    };
  }
}

/** Where the error is in the user's own files, if it is one of theirs. */
function stackOf(error: unknown): { error_stack?: string } {
  const stack = isSkeinError(error) ? error.fields['user_stack'] : undefined;
  return typeof stack === 'string' ? { error_stack: stack } : {};
}
