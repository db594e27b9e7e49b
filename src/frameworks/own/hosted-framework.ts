/**
 * Runs a framework of the user's in a task actor: makes its contexts, and turns what it returns or throws into rows.
 *
 * Invariants: F1 the reference stands before the user's code gets a task that has one: whoever holds the head's grant for it
 * builds it, whether the task then asks for it or not. F2 what a model cost is in the row of an attempt that failed, too.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { currentActor } from '../../actor/context.ts';
import type { Task } from '../../dataset/task.ts';
import { describeError, SkeinError } from '../../kernel/errors.ts';
import { LastContent } from '../../reference/reference-content.ts';
import { encodes } from '../../reference/shard.ts';
import { blankRow, errorRow } from '../error-row.ts';
import type { Framework, FrameworkSettings, OwnModule, SqlSession, TaskContext, TaskRow } from '../framework.ts';
import { rowOf } from './answer.ts';
import type { AgentContext, AgentSettings, AgentTask, KnowledgeStore, OwnFramework } from './interface.ts';
import { TaskKnowledge } from './knowledge.ts';
import { loadOwnFramework, shownError, userCode } from './load-module.ts';
import { UsageMeter } from './usage-meter.ts';
import { userStack } from './user-stack.ts';

/** What the user's `close` gets. */
const CLOSE_MS = 5_000;

export class HostedFramework implements Framework {
  readonly #instance: OwnFramework;
  readonly #settings: AgentSettings;
  readonly #module: OwnModule;
  readonly #hasReference: boolean;
  readonly #contents = new LastContent();

  private constructor(instance: OwnFramework, settings: AgentSettings, module: OwnModule, hasReference: boolean) {
    this.#instance = instance;
    this.#settings = settings;
    this.#module = module;
    this.#hasReference = hasReference;
  }

  /** Loaded and set up. @throws SkeinError CORRUPT | INVALID_INPUT, what the user's code threw as its cause */
  static async open(settings: FrameworkSettings, module: OwnModule): Promise<HostedFramework> {
    const agentSettings = agentSettingsOf(settings, module);
    const instance = await loadOwnFramework(module, agentSettings);
    const log = (line: string): void => currentActor().log(line);
    await userCode(module.file, 'setup()', () => instance.setup?.({ settings: agentSettings, log }));
    return new HostedFramework(instance, agentSettings, module, encodes(settings));
  }

  async runTask(task: Task, context: TaskContext): Promise<TaskRow> {
    const startedMs = performance.now();
    const startedAt = Date.now() / 1000;
    const usage = new UsageMeter();
    const { file, digest } = this.#module;
    const spent = (): Partial<TaskRow> => ({ framework_digest: digest, ...(usage.total && { usage: usage.total }) });
    if (this.#hasReference) await context.reference();
    let returned: unknown;
    try {
      returned = await this.#instance.runTask(agentTask(task), this.#contextOf(task, context, usage));
    } catch (error) {
      const stack = userStack(error);
      context.log(stack);
      const text = `${file}: runTask threw: ${shownError(error)}`;
      const durationS = (performance.now() - startedMs) / 1000;
      return { ...errorRow(task, text, startedAt, durationS), ...spent(), error_stack: stack };
    }
    try {
      const row = await rowOf(returned, { task, context, blank: blankRow(task, startedAt), file });
      return { ...row, ...spent() };
    } catch (error) {
      if (!(error instanceof SkeinError)) throw error;
      context.log(describeError(error));
      return { ...errorRow(task, describeError(error), startedAt, (performance.now() - startedMs) / 1000), ...spent() };
    }
  }

  async close(): Promise<void> {
    const { file } = this.#module;
    const patience = new AbortController();
    const late = delay(CLOSE_MS, 'late' as const, { signal: patience.signal }).catch(() => undefined);
    try {
      const end = await Promise.race([userCode(file, 'close()', () => this.#instance.close?.()), late]);
      if (end === 'late')
        currentActor().log(`${file}: close() took more than ${CLOSE_MS / 1000} s; its actor ends without it`);
    } catch (error) {
      currentActor().log(describeError(error));
    } finally {
      patience.abort();
    }
  }

  #contextOf(task: Task, context: TaskContext, usage: UsageMeter): AgentContext {
    let knowledge: Promise<KnowledgeStore> | undefined;
    let session: Promise<SqlSession> | undefined;
    return {
      settings: this.#settings,
      runId: context.runId,
      attempt: context.attempt,
      signal: context.signal,
      usage,
      withheld: task,
      get scratchDir() {
        return context.scratchDir;
      },
      log: (line) => context.log(line),
      transcript: (message) => context.transcript(message),
      sql: () => (session ??= preparedSession(task, context)),
      store: () => (knowledge ??= this.#knowledge(task, context)),
    };
  }

  async #knowledge(task: Task, context: TaskContext): Promise<KnowledgeStore> {
    if (!this.#hasReference) {
      const { queryMode } = this.#settings;
      throw new SkeinError(
        'INVALID_INPUT',
        `store(): a run under --query-mode ${queryMode} has no reference; submit it with --query-mode slayer`,
      );
    }
    const view = await context.reference();
    const found = await this.#contents.of(view.dir);
    if (!found) throw new SkeinError('UNAVAILABLE', `${view.dir} went away while it was read; try again`);
    return new TaskKnowledge(task, found.content, view, context);
  }
}

/** The task's database as the task wants it: what it prepares is prepared again after a reset. */
async function preparedSession(task: Task, context: TaskContext): Promise<SqlSession> {
  const session = await context.sql();
  const prepare = async (): Promise<void> => {
    for (const sql of task.preprocess_sql) {
      const outcome = await session.run(sql);
      if (outcome.kind === 'error') context.log(`preprocess_sql of ${task.instance_id}: ${outcome.message}`);
    }
  };
  await prepare();
  return {
    run: (sql, options) => session.run(sql, options),
    reset: async () => {
      await session.reset();
      await prepare();
    },
  };
}

function agentTask({ instance_id, selected_database, amb_user_query, category }: Task): AgentTask {
  return { instance_id, selected_database, amb_user_query, category };
}

function agentSettingsOf(settings: FrameworkSettings, { options }: OwnModule): AgentSettings {
  return Object.freeze({
    framework: settings.framework,
    queryMode: settings.queryMode,
    mode: settings.mode,
    encoder: settings.encoder,
    sqlTimeoutMs: settings.sqlTimeoutMs,
    agentModel: settings.agentModel,
    userSimModel: settings.userSimModel,
    patience: settings.patience,
    strict: settings.strict,
    useAuditedGoldSql: settings.useAuditedGoldSql,
    maxDepth: settings.maxDepth,
    promptCache: settings.promptCache,
    slayerStorageRoot: settings.slayerStorageRoot,
    options,
  });
}
