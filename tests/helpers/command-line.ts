/**
 * Runs the product's own command line inside the test's process: what is typed, said and left is the same, without the half
 * second of a process of its own. One at a time: the folder that it is typed in is the process's.
 */
import { Writable } from 'node:stream';

import { runCommandLine } from '../../src/cli/command-line.ts';
import { Output } from '../../src/cli/output.ts';
import { StopSignals } from '../../src/cli/stop-signals.ts';
import type { CliEnd } from './cli.ts';

export async function runCliHere(
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<CliEnd> {
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
  using stop = new StopSignals();
  process.chdir(cwd);
  try {
    const code = await runCommandLine(args, {
      env,
      token: env['SKEIN_TOKEN'],
      out: into('stdout'),
      err: into('stderr'),
      stop,
    });
    return { code, signal: null, ...texts };
  } finally {
    process.chdir(before);
  }
}
