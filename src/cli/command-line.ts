/**
 * One command line from its arguments to its exit code, apart from the process that it was typed in: what it may know of the
 * world comes with the context. Mistakes become the one line, and the one JSON object, that a person or a program reads.
 *
 * Invariants: C2 a mistake of the user's is one line on stderr, never a stack; below it only lines that can be copied. C3 with `--json` there is exactly one JSON
 * object on stdout, whatever happens.
 */
import { describeError, isSkeinError } from '../kernel/errors.ts';
import type { CliContext } from './context.ts';
import { BUG, exitCodeOf, INTERRUPTED } from './exit-code.ts';
import { runProgram } from './program.ts';

/** Does what `args` say. The exit code; never throws. */
export async function runCommandLine(args: readonly string[], context: CliContext): Promise<number> {
  const { out, err, stop } = context;
  try {
    return await runProgram(args, context);
  } catch (error) {
    const code = stop.drain.aborted && !isBug(error) ? INTERRUPTED : exitCodeOf(error);
    const line = code === INTERRUPTED ? interruptedText(error) : describeError(error).trim();
    err.line(code === BUG ? bugText(error) : `skein: ${line}`);
    for (const typing of linesToType(error)) err.line(typing);
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

/** What mends a missing key, to be copied (W-14): a line each, below the one that says what is wrong. */
function linesToType(error: unknown): string[] {
  const missing = isSkeinError(error, 'PREFLIGHT') ? error.fields['missing'] : undefined;
  return typeof missing === 'string' ? missing.split(',').map((name) => `export ${name}=<your-key>`) : [];
}

/** Here a stack helps: whoever reads it may have to find the bug. */
export function bugText(error: unknown): string {
  return `skein: this is a bug of skein: ${describeError(error)}\n${(error as Error | undefined)?.stack ?? ''}`;
}

function isBug(error: unknown): boolean {
  return exitCodeOf(error) === BUG;
}

function reasonOf(error: unknown, code: number): string {
  if (code === INTERRUPTED) return 'interrupted';
  return isSkeinError(error) ? error.code.toLowerCase().replaceAll('_', '-') : 'bug';
}
