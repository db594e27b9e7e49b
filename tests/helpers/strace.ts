/**
 * Threads of a child under strace, one tracer a thread, so that "the n-th rename" is counted in that thread alone: counted, or
 * killed at one of their calls. A machine without strace, or where a process may not trace its sibling, skips the test.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** A call as it was begun: which thread, which system call, its place among the thread's calls of that name, and its text. */
export interface Call {
  readonly thread: ThreadName;
  readonly name: string;
  /** From 1. */
  readonly nth: number;
  /** Arguments as strace prints them, and the result if it was there to see. */
  readonly text: string;
}

export type ThreadName = 'main' | 'worker';

let answer: boolean | undefined;

/** Whether this process may trace another one that it started; asked once. */
export function canTrace(): boolean {
  return (answer ??= tryTrace());
}

function tryTrace(): boolean {
  const sleeper = spawn('sleep', ['10'], { stdio: 'ignore' });
  try {
    // Ends at once where it may not attach; else it would stay, and is stopped after the time given.
    const { status, signal, error } = spawnSync('strace', ['-p', String(sleeper.pid), '-o', '/dev/null'], {
      stdio: 'ignore',
      timeout: 500,
    });
    if (status === null && (signal !== null || (error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT'))
      return true;
  } finally {
    sleeper.kill('SIGKILL');
  }
  process.stdout.write('skipped: deaths at every call of a merge (no strace here, or it may not attach)\n');
  return false;
}

/** The ids of the child's main thread and of its one libuv thread, which must have begun to work. */
export function threadsOf(child: ChildProcess): Record<ThreadName, number> {
  const tasks = `/proc/${child.pid}/task`;
  const isWorker = (tid: string): boolean => readFileSync(`${tasks}/${tid}/comm`, 'utf8').trim() === 'libuv-worker';
  const workers = readdirSync(tasks).filter(isWorker);
  if (workers.length !== 1) throw new Error(`${workers.length} libuv threads where one is expected`);
  return { main: child.pid!, worker: Number(workers[0]) };
}

/** Writes down the calls named by `names` of the threads given, until `end` is awaited: then the child must be gone. */
export async function trace(
  threads: Partial<Record<ThreadName, number>>,
  names: readonly string[],
  file: string,
  inject: readonly string[] = [],
): Promise<{ readonly calls: () => Promise<Call[]> }> {
  const ids = Object.entries(threads) as [ThreadName, number][];
  const args = ['-y', '-s', '16', '-e', `trace=${names.join(',')}`, ...inject.flatMap((each) => ['-e', each])];
  const tracer = spawn('strace', [...args, ...ids.flatMap(([, id]) => ['-p', String(id)]), '-o', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(tracer, 'close');
  let said = '';
  for await (const chunk of tracer.stderr) {
    said += String(chunk);
    if ((said.match(/ attached/g) ?? []).length >= ids.length) break;
  }
  if (tracer.exitCode !== null) throw new Error(`strace did not attach: ${said}`);
  const nameOf = new Map(ids.map(([name, id]) => [id, name]));
  return {
    calls: async () => {
      await ended;
      return callsIn(await readFile(file, 'utf8'), nameOf, ids[0]![0]);
    },
  };
}

function callsIn(text: string, nameOf: ReadonlyMap<number, ThreadName>, only: ThreadName): Call[] {
  const counts = new Map<string, number>();
  const calls: Call[] = [];
  for (const line of text.split('\n')) {
    // With one thread there is no id in front; a call that is taken up again is none of its own.
    const [, tid, name, rest] = /^(?:(\d+) +)?(\w+)\((.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) continue;
    const thread = tid === undefined ? only : (nameOf.get(Number(tid)) ?? only);
    const key = `${thread} ${name}`;
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    calls.push({ thread, name, nth, text: rest });
  }
  return calls;
}
