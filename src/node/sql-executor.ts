/**
 * The daemon's side of an SQL executor: one child process at a time, started when it is needed, SIGKILLed when a
 * statement passes its deadline (DESIGN rule 8), started anew for the next statement.
 *
 *   idle ──run──▶ starting ──opened──▶ open ──deadline, death──▶ idle        any ──close──▶ closed
 *
 * Invariants: E1 an outcome is given only after a killed process is really gone, so the file is free. E2 SQL that fails,
 * runs out of time or takes its process down is a value, never an exception. E3 one request at a time; more wait.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

import type { SqlOutcome } from '../frameworks/framework.ts';
import { compiledPath } from '../kernel/compiled.ts';
import { asError, SkeinError } from '../kernel/errors.ts';
import { FrameReader, frameOf, type FromExecutor, type ToExecutor } from './sql-frames.ts';

/** Rows of a result that are kept (§3C). */
export const DEFAULT_MAX_ROWS = 10_000;
/** How long a process may take until it answers its first frame. */
const START_DEADLINE_MS = 15_000;
/** How much of what a dying process wrote to stderr is kept. */
const STDERR_TAIL_CHARS = 2_000;

export interface RunOptions {
  /** Default 10,000. */
  readonly maxRows?: number;
  /** After so long the process is killed and the outcome is a timeout. */
  readonly timeoutMs: number;
  /** Refuses every statement that writes. Default false. */
  readonly readOnly?: boolean;
}

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'starting'; readonly child: Executor }
  | { readonly kind: 'open'; readonly child: Executor }
  | { readonly kind: 'closed' };

export class SqlExecutor implements AsyncDisposable {
  readonly #databasePath: string;
  #state: State = { kind: 'idle' };
  #last: Promise<unknown> = Promise.resolve();

  constructor(databasePath: string) {
    this.#databasePath = databasePath;
  }

  /** The process that runs now, if any. */
  get pid(): number | undefined {
    return 'child' in this.#state ? this.#state.child.pid : undefined;
  }

  /** Starts the process ahead of the first statement. @throws SkeinError UNAVAILABLE | CANCELLED (closed) */
  async start(): Promise<void> {
    await this.#inTurn(() => this.#child());
  }

  /** Runs `sql`; what became of it is the value (E2). @throws SkeinError UNAVAILABLE (no process to be had) | CANCELLED (closed) */
  run(sql: string, { maxRows = DEFAULT_MAX_ROWS, timeoutMs, readOnly = false }: RunOptions): Promise<SqlOutcome> {
    return this.#inTurn(async () => {
      const child = await this.#child();
      const answer = await child.request({ kind: 'run', sql, maxRows, readOnly }, timeoutMs);
      if (answer.kind === 'outcome') return answer.outcome;
      await this.#end(child);
      if (answer.kind === 'deadline') {
        const message = `the SQL did not end within ${timeoutMs} ms and was killed`;
        return { kind: 'error', message, isTimeout: true };
      }
      const end = answer.kind === 'gone' ? answer.how : `it answered ${answer.kind}`;
      return { kind: 'error', message: `the SQL executor ended: ${end}`, isTimeout: false, isExecutorLost: true };
    });
  }

  /** Ends the process and waits until it is gone, so the database may be replaced; the next `run` starts another. */
  async release(): Promise<void> {
    await this.#inTurn(async () => {
      if ('child' in this.#state) await this.#end(this.#state.child);
    });
  }

  /** Kills the process, whatever it does, and waits until it is gone. Requests that wait are refused. May be called twice. */
  async close(): Promise<void> {
    const before = this.#state;
    this.#state = { kind: 'closed' };
    if ('child' in before) await before.child.kill();
    await this.#last.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #child(): Promise<Executor> {
    if (this.#state.kind === 'closed') throw closed(this.#databasePath);
    if (this.#state.kind === 'open') {
      if (this.#state.child.isAlive) return this.#state.child;
      await this.#end(this.#state.child);
    }
    const child = new Executor();
    this.#state = { kind: 'starting', child };
    const answer = await child.request({ kind: 'open', databasePath: this.#databasePath }, START_DEADLINE_MS);
    if (answer.kind !== 'opened') {
      await this.#end(child);
      if (this.#isClosed()) throw closed(this.#databasePath);
      const why = answer.kind === 'open-failed' ? answer.message : answer.kind === 'gone' ? answer.how : answer.kind;
      throw new SkeinError('UNAVAILABLE', `SQL executor: ${this.#databasePath} could not be opened: ${why}`);
    }
    if (this.#isClosed()) {
      await child.kill();
      throw closed(this.#databasePath);
    }
    this.#state = { kind: 'open', child };
    return child;
  }

  #isClosed(): boolean {
    return this.#state.kind === 'closed';
  }

  async #end(child: Executor): Promise<void> {
    await child.kill();
    if (!this.#isClosed()) this.#state = { kind: 'idle' };
  }
}

function closed(databasePath: string): SkeinError {
  return new SkeinError('CANCELLED', `SQL executor of ${databasePath} is closed`);
}

type Answer = FromExecutor | { readonly kind: 'deadline' } | { readonly kind: 'gone'; readonly how: string };

/** One child process and its only open request. */
class Executor {
  readonly #process: ChildProcess;
  readonly #gone: Promise<string>;
  readonly #reader = new FrameReader();
  #settle: ((answer: Answer) => void) | undefined;
  #stderr = '';

  constructor() {
    // Descriptor 3 is the lifeline: it closes with this daemon, however that ends. No environment: no secret gets in. A
    // process group of its own: Ctrl-C ends the daemon in good order, and tasks that have their grace keep their SQL.
    this.#process = spawn(process.execPath, [compiledPath('./sql-executor-process.js', import.meta.url)], {
      detached: true,
      env: {},
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    const [stdin, stdout, stderr, lifeline] = this.#process.stdio as [
      Writable,
      Readable,
      Readable,
      Writable,
      ...unknown[],
    ];
    // A write to a process that died fails here too; its exit tells all.
    for (const stream of [stdin, lifeline]) stream.on('error', () => undefined);
    stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL_CHARS)));
    stdout.on('data', (chunk: Buffer) => {
      for (const message of this.#reader.push(chunk) as Generator<FromExecutor>) this.#settle?.(message);
    });
    this.#gone = Promise.race([
      once(this.#process, 'exit').then(([code, signal]) =>
        signal === null ? `exit code ${code}` : `signal ${signal}`,
      ),
      once(this.#process, 'error').then(([error]) => asError(error).message),
    ]).catch((error: unknown) => asError(error).message);
    void this.#gone.then((how) => {
      const tail = this.#stderr.trim();
      this.#settle?.({ kind: 'gone', how: tail ? `${how}: ${tail}` : how });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get isAlive(): boolean {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Sends `message` and waits for its answer, the process's end, or `deadlineMs`. */
  async request(message: ToExecutor, deadlineMs: number): Promise<Answer> {
    if (!this.isAlive) return { kind: 'gone', how: await this.#gone };
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#settle = resolve;
    const timer = setTimeout(() => resolve({ kind: 'deadline' }), deadlineMs);
    (this.#process.stdin as Writable).write(frameOf(message));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#settle = undefined;
    }
  }

  /** SIGKILL, and the process is gone when this resolves. */
  async kill(): Promise<void> {
    if (this.isAlive) this.#process.kill('SIGKILL');
    if (this.#process.pid !== undefined) await this.#gone;
    for (const stream of this.#process.stdio) stream?.destroy();
  }
}
