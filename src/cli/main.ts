/**
 * The process of `skein`: hands the world to the commands and turns what comes back into lines and an exit code.
 *
 * Invariants: C1 the only place in `src` that reads the environment, the arguments or the terminal, and that sets the exit
 * code. C2 a mistake of the user's is one line on stderr, never a stack. C3 with `--json` there is exactly one JSON object
 * on stdout, whatever happens. C4 the exit code is set, not forced: what is still to be written is written.
 */
import { describeError, isSkeinError } from '../kernel/errors.ts';
import { armFailPoint } from '../kernel/failpoint.ts';
import type { CliContext } from './context.ts';
import { BUG, exitCodeOf, INTERRUPTED } from './exit-code.ts';
import { Output } from './output.ts';
import { runProgram } from './program.ts';
import { StopSignals } from './stop-signals.ts';

async function main(args: readonly string[], env: CliContext['env']): Promise<number> {
  armFailPoint(env['SKEIN_FAILPOINT']);
  const out = new Output(process.stdout, env);
  const err = new Output(process.stderr, env);
  using stop = new StopSignals();
  try {
    return await runProgram(args, { env, out, err, stop });
  } catch (error) {
    const code = stop.drain.aborted && !isBug(error) ? INTERRUPTED : exitCodeOf(error);
    const line = describeError(error).trim();
    err.line(`skein: ${line}`);
    if (code === BUG) err.line(`This is a bug of skein. ${(error as Error | undefined)?.stack ?? ''}`);
    if (args.includes('--json'))
      out.line(JSON.stringify({ exit_reason: reasonOf(error, code), exit_code: code, error: line }));
    return code;
  }
}

function isBug(error: unknown): boolean {
  return exitCodeOf(error) === BUG;
}

function reasonOf(error: unknown, code: number): string {
  if (code === INTERRUPTED) return 'interrupted';
  return isSkeinError(error) ? error.code.toLowerCase().replaceAll('_', '-') : 'bug';
}

process.exitCode = await main(process.argv.slice(2), process.env);
