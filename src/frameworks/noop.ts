/**
 * The framework that does nothing: what is left of a run's time is the runner's own. For measuring and for tests of what
 * dies: a task says in fields of its own how long it takes, how it ends, and where each start of it is written down.
 *
 * It can leave scratch and a transcript too, as agents do.
 *
 * Invariants: N1 without those fields a task takes no time and writes nothing. N2 a journal is only ever appended to, only
 * if it is there already and its name ends in `.noop-journal`: a dataset cannot make this framework write anywhere else.
 * The environment that it looks at is its actor's own, as any framework's code may.
 */
import { closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Task } from '../dataset/task.ts';
import { SkeinError } from '../kernel/errors.ts';
import { blankRow } from './error-row.ts';
import { sha256 } from '../kernel/digest.ts';
import type { Framework, FrameworkSettings, TaskContext, TaskRow } from './framework.ts';

/** What a task may say to this framework. All are optional; a field of another kind counts as absent. */
export interface NoopTask extends Task {
  /** How long it takes. Default 0. */
  readonly noop_ms?: number;
  /** Attempts up to this one end their actor by an error outside of any call. Default 0. */
  readonly noop_dies?: number;
  /** The text of an error that it throws. */
  readonly noop_throws?: string;
  /** Names of environment variables: the row says in `noop_env` the SHA-256 of each value, null for one that is not there. */
  readonly noop_env?: readonly string[];
  /** True: the row says in `noop_settings` what the run was asked for. */
  readonly noop_settings?: boolean;
  /** Names of environment variables whose values it prints, and puts into the error of `noop_throws`: as careless code does. */
  readonly noop_leaks?: readonly string[];
  /** A file `….noop-journal` that gets one line of JSON as it starts, and one as it ends. */
  readonly noop_journal?: string;
  /** It leaves a file `state.bin` of so many bytes in its scratch, at most 64 MiB. Default 0. */
  readonly noop_scratch_bytes?: number;
  /** While it takes its time, it adds a message to its transcript every so many milliseconds, the first one at once. Default 0: never. */
  readonly noop_message_ms?: number;
}

const MAX_SCRATCH_BYTES = 64 * 1024 * 1024;

/** A line of the journal. */
export interface NoopRecord {
  readonly what: 'start' | 'end';
  readonly run_id: string;
  readonly instance_id: string;
  readonly attempt: number;
  readonly pid: number;
  readonly at_ms: number;
}

export class NoopFramework implements Framework {
  readonly #settings: FrameworkSettings | undefined;

  constructor(settings?: FrameworkSettings) {
    this.#settings = settings;
  }

  async runTask(task: NoopTask, context: TaskContext): Promise<TaskRow> {
    const startedAt = Date.now() / 1000;
    context.log(`noop: ${task.instance_id}`);
    record('start', task, context);
    const leaked = leak(task, context);
    leaveScratch(task, context);
    const stopTalking = talk(task, context);
    try {
      await live(task, context);
    } finally {
      stopTalking();
    }
    record('end', task, context);
    if (typeof task.noop_throws === 'string') throw new Error([task.noop_throws, ...leaked].join(' '));
    return {
      ...blankRow(task, startedAt),
      ...(Array.isArray(task.noop_env) && { noop_env: digestsOf(namesIn(task.noop_env)) }),
      ...(task.noop_settings === true && { noop_settings: this.#settings }),
    };
  }
}

const namesIn = (list: readonly unknown[] | undefined): string[] =>
  Array.isArray(list) ? list.filter((name) => typeof name === 'string') : [];

function digestsOf(names: readonly string[]): Record<string, string | null> {
  const digest = (value: string | undefined): string | null => (value === undefined ? null : sha256(value));
  return Object.fromEntries(names.map((name) => [name, digest(process.env[name])]));
}

/** Prints the values as they are and in base64, and tells its transcript; what it printed. */
function leak({ noop_leaks: names }: NoopTask, context: TaskContext): string[] {
  const values = namesIn(names).flatMap((name) => process.env[name] ?? []);
  for (const value of values) {
    context.transcript({ role: 'tool', content: value });
    process.stdout.write(`noop leaks ${value}\n`);
    process.stderr.write(`noop leaks ${Buffer.from(`Bearer ${value}`).toString('base64')}\n`);
  }
  return values;
}

async function live(task: NoopTask, context: TaskContext): Promise<void> {
  if (typeof task.noop_dies === 'number' && context.attempt <= task.noop_dies) await dieOutsideOfTheCall();
  if (typeof task.noop_ms === 'number' && task.noop_ms > 0) {
    await sleep(task.noop_ms, undefined, { signal: context.signal });
  }
}

function leaveScratch({ noop_scratch_bytes: bytes }: NoopTask, context: TaskContext): void {
  if (typeof bytes !== 'number' || !(bytes > 0)) return;
  // Asked for only here: the folder is made by the asking.
  writeFileSync(join(context.scratchDir, 'state.bin'), Buffer.alloc(Math.min(bytes, MAX_SCRATCH_BYTES), 'noop'));
}

/** Begins to talk; gives the way to stop that. */
function talk({ noop_message_ms: everyMs }: NoopTask, context: TaskContext): () => void {
  if (typeof everyMs !== 'number' || !(everyMs > 0)) return () => {};
  let messages = 0;
  const say = (): void => context.transcript({ role: 'noop', message: (messages += 1), at_ms: Date.now() });
  say();
  const timer = setInterval(say, everyMs);
  return () => clearInterval(timer);
}

/** The thread ends under the task, as by any error that nobody catches. Never settles. */
function dieOutsideOfTheCall(): Promise<never> {
  setImmediate(() => {
    throw new Error('noop_dies: this attempt ends its actor');
  });
  return new Promise(() => {});
}

function record(what: NoopRecord['what'], task: NoopTask, { runId, attempt }: TaskContext): void {
  const path = task.noop_journal;
  if (typeof path !== 'string') return;
  if (!path.endsWith('.noop-journal')) {
    throw new SkeinError('INVALID_INPUT', `noop_journal: ${JSON.stringify(path)} does not end in .noop-journal`);
  }
  const line: NoopRecord = {
    what,
    run_id: runId,
    instance_id: task.instance_id,
    attempt,
    pid: process.pid,
    at_ms: Date.now(),
  };
  // One write to a file opened for appending: lines of many threads and processes never mix.
  const fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
  try {
    writeSync(fd, `${JSON.stringify(line)}\n`);
  } finally {
    closeSync(fd);
  }
}
