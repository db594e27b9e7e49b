/**
 * What a framework may reach while one attempt runs, made out of what the actor may ask its daemon for.
 *
 * Invariants: K1 nothing is opened before it is asked for. K2 `close` ends what was opened, whatever became of the task.
 * K3 every phase leaves a `[timing]` line in the task's log and its milliseconds in `timingsMs` (V-24).
 */
import { mkdirSync } from 'node:fs';

import { currentActor } from '../actor/context.ts';
import { SkeinError } from '../kernel/errors.ts';
import { timedPhase } from '../kernel/timing.ts';
import type { BuiltReference, TaskAssignment } from './assignment.ts';
import type { KnownReferences } from './reference-build.ts';
import type { FrameworkSettings, ReferenceView, SqlOutcome, SqlSession, TaskContext } from './framework.ts';
import { Transcript } from './transcript.ts';

export class AttemptContext implements TaskContext {
  readonly runId: string;
  readonly attempt: number;
  readonly databasePath: string;
  readonly signal: AbortSignal;
  /** References that this attempt built, for the daemon to ship. */
  readonly builtReferences: BuiltReference[] = [];
  readonly timingsMs: Record<string, number> = {};
  readonly #assignment: TaskAssignment;
  readonly #settings: FrameworkSettings;
  readonly #references: () => Promise<KnownReferences>;
  #hasScratch = false;
  #sql: Promise<AskedSqlSession> | undefined;
  #reference: Promise<ReferenceView> | undefined;
  #transcript: Transcript | undefined;

  constructor(
    assignment: TaskAssignment,
    settings: FrameworkSettings,
    signal: AbortSignal,
    references: () => Promise<KnownReferences>,
  ) {
    this.#references = references;
    this.#assignment = assignment;
    this.#settings = settings;
    this.runId = assignment.runId;
    this.attempt = assignment.attempt;
    this.databasePath = assignment.databasePath;
    this.signal = signal;
  }

  /** Made when it is first asked for: most tasks of a model-less run need none. */
  get scratchDir(): string {
    const { scratchDir } = this.#assignment;
    if (!this.#hasScratch) mkdirSync(scratchDir, { recursive: true });
    this.#hasScratch = true;
    return scratchDir;
  }

  log(line: string): void {
    currentActor().log(line);
  }

  transcript(message: unknown): void {
    this.#transcript ??= new Transcript({
      dir: () => this.scratchDir,
      onFirst: () => this.#transcriptBegun(),
      onTrouble: (line) => this.log(line),
    });
    this.#transcript.add(message);
  }

  sql(): Promise<SqlSession> {
    return (this.#sql ??= this.timed('sql.open', async () => {
      const { databasePath } = this;
      const opened = (await currentActor().ask('sql.open', { databasePath })) as { sessionId: string };
      return new AskedSqlSession(opened.sessionId, this.#settings.sqlTimeoutMs, this);
    }));
  }

  reference(): Promise<ReferenceView> {
    return (this.#reference ??= this.timed('reference', async () => {
      const { task, datasetDir, cacheRoot, referenceRoot, setupSessionsRoot, reference: source } = this.#assignment;
      const database = task.selected_database;
      const { encoder } = this.#settings;
      const { runId } = this;
      const request = { datasetDir, database, cacheRoot, referenceRoot, setupSessionsRoot, encoder, runId };
      const view = await (await this.#references()).get(request, source, this.signal);
      for (const [phase, elapsedMs] of Object.entries(view.timingsMs)) this.timingsMs[`reference.${phase}`] = elapsedMs;
      if (view.wasBuilt) this.builtReferences.push({ database, dir: view.dir, fingerprint: view.fingerprint });
      return view;
    }));
  }

  /** Runs `work` as a phase of the attempt. A stop that was asked for meanwhile ends the attempt before it. */
  async timed<T>(phase: string, work: () => Promise<T>): Promise<T> {
    if (this.signal.aborted) throw new SkeinError('CANCELLED', `${phase}: the run is being stopped`);
    return await timedPhase(
      phase,
      (line) => this.log(line),
      work,
      (elapsedMs) => (this.timingsMs[phase] = (this.timingsMs[phase] ?? 0) + elapsedMs),
    );
  }

  /** The daemon ships it from now on. One that does not listen has it with the debug bundle. */
  #transcriptBegun(): void {
    const { task, attempt } = this.#assignment;
    void currentActor()
      .ask('transcript.begun', { instanceId: task.instance_id, attempt })
      .catch(() => {});
  }

  /** Closes the transcript and ends the SQL session: its process and its copy of the database are gone before the next task comes. */
  async close(): Promise<void> {
    this.#transcript?.close();
    const session = await this.#sql?.catch(() => undefined);
    if (session) await currentActor().ask('sql.close', { sessionId: session.sessionId });
  }
}

/** A session that lives in the daemon. */
class AskedSqlSession implements SqlSession {
  readonly sessionId: string;
  readonly #timeoutMs: number;
  readonly #context: AttemptContext;

  constructor(sessionId: string, timeoutMs: number, context: AttemptContext) {
    this.sessionId = sessionId;
    this.#timeoutMs = timeoutMs;
    this.#context = context;
  }

  async run(sql: string, options: Parameters<SqlSession['run']>[1] = {}): Promise<SqlOutcome> {
    if (this.#context.signal.aborted) throw new SkeinError('CANCELLED', 'SQL: the run is being stopped');
    const startMs = performance.now();
    const request = { timeoutMs: this.#timeoutMs, ...options, sessionId: this.sessionId, sql };
    const outcome = (await currentActor().ask('sql.run', request)) as SqlOutcome;
    const { timingsMs } = this.#context;
    timingsMs.sql = (timingsMs.sql ?? 0) + (performance.now() - startMs);
    return outcome;
  }

  async reset(): Promise<void> {
    await currentActor().ask('sql.reset', { sessionId: this.sessionId });
  }
}
