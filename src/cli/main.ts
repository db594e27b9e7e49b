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
  process.on('uncaughtException', (error) => {
    // Nobody can say what state things are in; what is in the store is whole.
    err.line(bugText(error));
    process.exit(BUG);
  });
  try {
    return await runProgram(args, { env, out, err, stop });
  } catch (error) {
    const code = stop.drain.aborted && !isBug(error) ? INTERRUPTED : exitCodeOf(error);
    const line = code === INTERRUPTED ? interruptedText(error) : describeError(error).trim();
    err.line(code === BUG ? bugText(error) : `skein: ${line}`);
    if (args.includes('--json')) {
      const runId = isSkeinError(error) ? error.fields['run'] : undefined;
      const run = runId === undefined ? {} : { run_id: runId };
      out.line(JSON.stringify({ ...run, exit_reason: reasonOf(error, code), exit_code: code, error: line }));
    }
    return code;
  }
}

/** An interrupted run says itself how to go on; whatever else there is can be typed again. */
function interruptedText(error: unknown): string {
  const saysHow = isSkeinError(error) && error.fields['run'] !== undefined;
  return saysHow ? error.message : 'interrupted; what is done is kept: type the same command again to go on';
}

/** Here a stack helps: whoever reads it may have to find the bug. */
function bugText(error: unknown): string {
  return `skein: this is a bug of skein: ${describeError(error)}\n${(error as Error | undefined)?.stack ?? ''}`;
}

function isBug(error: unknown): boolean {
  return exitCodeOf(error) === BUG;
}

function reasonOf(error: unknown, code: number): string {
  if (code === INTERRUPTED) return 'interrupted';
  return isSkeinError(error) ? error.code.toLowerCase().replaceAll('_', '-') : 'bug';
}

process.exitCode = await main(process.argv.slice(2), process.env);
