/**
 * The process of `skein`: hands the world to the command line and sets what comes back as exit code.
 *
 * Invariants: C1 the only place in `src` that reads the environment, the arguments or the terminal, and that sets the exit
 * code. C4 the exit code is set, not forced: what is still to be written is written. C5 a secret leaves the environment
 * before anything is started that would inherit it (DESIGN rule 10).
 */
import { armFailPoint } from '../kernel/failpoint.ts';
import { bugText, runCommandLine } from './command-line.ts';
import { BUG } from './exit-code.ts';
import { Output } from './output.ts';
import { StopSignals } from './stop-signals.ts';

const { env } = process;
const token = env['SKEIN_TOKEN'] || undefined;
delete env['SKEIN_TOKEN'];
// grpc-js writes to stderr what it then also says in errors.
env['GRPC_VERBOSITY'] ??= 'NONE';
armFailPoint(env['SKEIN_FAILPOINT']);
const out = new Output(process.stdout, env);
const err = new Output(process.stderr, env);
using stop = new StopSignals();
quietWarnings();
process.on('uncaughtException', (error) => {
  // Nobody can say what state things are in; what is in the store is whole.
  err.line(bugText(error));
  process.exit(BUG);
});
const forget = (names: readonly string[]): void => names.forEach((name) => delete env[name]);
process.exitCode = await runCommandLine(process.argv.slice(2), { env, token, forget, out, err, stop });

/** Google's client warns of what it then also throws, and a mistake is one line. All other warnings are shown as ever. */
function quietWarnings(): void {
  const shown = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name !== 'MetadataLookupWarning') for (const show of shown) show(warning);
  });
}
