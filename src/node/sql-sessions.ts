/**
 * SQL for actors: what `sql.open`, `sql.run`, `sql.reset` and `sql.close` of an actor come to in its daemon. A session is
 * a private copy of a database, in a folder of the node's own, and an executor process on it.
 *
 * Invariants: Q1 the dataset's own file is never opened. Q2 a session ends with its actor at the latest: its process is
 * killed and its copy removed. Copies never lie in a task's scratch, where a debug bundle would ship them. Q3 after `stop` no process is left and none can be started.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';

import type { ActorService } from '../driver/runtime.ts';
import type { SqlOutcome } from '../frameworks/framework.ts';
import { SkeinError } from '../kernel/errors.ts';
import { SqlExecutor, type RunOptions } from './sql-executor.ts';
import { SqlTemplates } from './sql-templates.ts';

export interface SqlOpenRequest {
  /** The dataset's SQLite file. */
  readonly databasePath: string;
}
export interface SqlOpened {
  readonly sessionId: string;
}
export interface SqlRunRequest extends RunOptions {
  readonly sessionId: string;
  readonly sql: string;
}
export type SqlSessionRequest = SqlOpened;

export class SqlSessions implements AsyncDisposable {
  readonly #dir: string;
  readonly #templates: SqlTemplates;
  readonly #sessions = new Map<string, Session>();
  /** Sessions that are being closed, and opens under way: `stop` waits for them. */
  readonly #pending = new Set<Promise<unknown>>();
  #isStopped = false;

  /** @param dir a folder of this node's own for all copies; made when needed, removed by `stop` */
  constructor(dir: string) {
    this.#dir = dir;
    this.#templates = new SqlTemplates(join(dir, 'templates'));
  }

  /** What an actor may ask for, by service name; payloads are the request types of this file. */
  services(): Readonly<Record<'sql.open' | 'sql.run' | 'sql.reset' | 'sql.close', ActorService>> {
    return {
      'sql.open': (payload, death) => this.#track(this.open(payload as SqlOpenRequest, death)),
      'sql.run': (payload) => this.run(payload as SqlRunRequest),
      'sql.reset': async (payload) => await this.#find((payload as SqlSessionRequest).sessionId).reset(),
      'sql.close': async (payload) => await this.close((payload as SqlSessionRequest).sessionId),
    };
  }

  /**
   * Opens a session that ends at the latest when `death` aborts.
   * @throws SkeinError INVALID_INPUT | CORRUPT (the database) | UNAVAILABLE (no process) | CANCELLED
   */
  async open({ databasePath }: SqlOpenRequest, death: AbortSignal): Promise<SqlOpened> {
    if (this.#isStopped || death.aborted)
      throw new SkeinError('CANCELLED', 'sql.open: the asking actor or its node is ending');
    const sessionId = randomUUID();
    const dir = join(this.#dir, sessionId);
    const session = new Session(dir, join(dir, basename(databasePath)), databasePath, this.#templates);
    this.#sessions.set(sessionId, session);
    const onDeath = () => void this.close(sessionId);
    death.addEventListener('abort', onDeath, { once: true });
    session.onClosed = () => death.removeEventListener('abort', onDeath);
    try {
      await session.open();
    } catch (error) {
      await this.close(sessionId);
      throw error;
    }
    return { sessionId };
  }

  async run({ sessionId, sql, ...options }: SqlRunRequest): Promise<SqlOutcome> {
    return await this.#find(sessionId).run(sql, options);
  }

  /** Ends a session; one that has ended is fine. */
  async close(sessionId: string): Promise<void> {
    const session = this.#sessions.get(sessionId);
    this.#sessions.delete(sessionId);
    if (session) await this.#track(session.close());
  }

  /** How many sessions are open: for `stop`'s tests and the node's status. */
  get openCount(): number {
    return this.#sessions.size;
  }

  /** Ends every session and removes all copies (Q3). May be called twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.allSettled([...this.#sessions.keys()].map((sessionId) => this.close(sessionId)));
    await Promise.allSettled(this.#pending);
    await this.#templates.settle();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #find(sessionId: string): Session {
    const session = this.#sessions.get(sessionId);
    if (!session)
      throw new SkeinError('NOT_FOUND', `SQL session ${sessionId} is not open (it was closed, or its task ended)`);
    return session;
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work);
    const forget = () => void this.#pending.delete(work);
    work.then(forget, forget);
    return work;
  }
}

/** One private copy and its executor. */
class Session {
  readonly #dir: string;
  readonly #path: string;
  readonly #source: string;
  readonly #templates: SqlTemplates;
  readonly #executor: SqlExecutor;
  /** Whether a statement may have changed the copy since it was made. */
  #isTouched = false;
  #copying: Promise<void> = Promise.resolve();
  onClosed: () => void = () => undefined;

  constructor(dir: string, path: string, source: string, templates: SqlTemplates) {
    this.#dir = dir;
    this.#path = path;
    this.#source = source;
    this.#templates = templates;
    this.#executor = new SqlExecutor(path);
  }

  async open(): Promise<void> {
    await this.#copy();
    await this.#executor.start();
  }

  async run(sql: string, options: RunOptions): Promise<SqlOutcome> {
    if (!options.readOnly) this.#isTouched = true;
    return await this.#executor.run(sql, options);
  }

  async reset(): Promise<void> {
    if (!this.#isTouched) return;
    await this.#executor.release();
    await this.#copy();
    this.#isTouched = false;
  }

  async close(): Promise<void> {
    this.onClosed();
    await this.#executor.close();
    await this.#copying.catch(() => undefined);
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** A fresh copy; the journal and WAL of the old one go with it, or SQLite would replay them into the new one. */
  #copy(): Promise<void> {
    this.#copying = (async () => {
      await rm(this.#dir, { recursive: true, force: true });
      await mkdir(this.#dir, { recursive: true });
      await this.#templates.copyTo(this.#source, this.#path);
    })();
    return this.#copying;
  }
}
