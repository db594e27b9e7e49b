/**
 * Runs the product's own command line inside the test's process: what is typed, said and left is the same, without the half
 * second of a process of its own. One at a time: the folder that it is typed in is the process's.
 */
import { Writable } from 'node:stream';

import { runCommandLine } from '../../src/cli/command-line.ts';
import { Output } from '../../src/cli/output.ts';
import { StopSignals } from '../../src/cli/stop-signals.ts';
import type { CliEnd } from './cli.ts';

export interface HereOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunningHere extends Disposable {
  readonly end: Promise<CliEnd>;
  /** What was written so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
}

/** Begins it; when the result goes it is asked to end, as by a Ctrl-C. */
export function startCliHere(args: readonly string[], { cwd, env = {} }: HereOptions): RunningHere {
  const before = process.cwd();
  const texts = { stdout: '', stderr: '' };
  const into = (name: keyof typeof texts): Output => {
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        texts[name] += chunk.toString();
        done();
      },
    });
    return new Output(stream, env);
  };
  const stop = new StopSignals();
  process.chdir(cwd);
  const asked = new AbortController();
  const either = { drain: AbortSignal.any([stop.drain, asked.signal]), onDrain: undefined };
  const context = { env, token: env['SKEIN_TOKEN'], out: into('stdout'), err: into('stderr') };
  const end = runCommandLine(args, { ...context, stop: either as unknown as StopSignals })
    .then((code) => ({ code, signal: null, ...texts }))
    .finally(() => {
      stop[Symbol.dispose]();
      process.chdir(before);
    });
  return { end, stdout: () => texts.stdout, stderr: () => texts.stderr, [Symbol.dispose]: () => asked.abort() };
}

export async function runCliHere(args: readonly string[], options: HereOptions): Promise<CliEnd> {
  return await startCliHere(args, options).end;
}
