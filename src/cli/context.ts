/** What a command gets of its process: nothing else in `src` looks at the environment, the terminal or signals. */
import type { Output } from './output.ts';
import type { StopSignals } from './stop-signals.ts';

export interface CliContext {
  /** Without `SKEIN_TOKEN`: who starts processes and threads from it hands on no secret. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `SKEIN_TOKEN`, undefined if it was not set. */
  readonly token: string | undefined;
  /** Takes variables out of the environment, so that nothing that is started later inherits them; absent: there is no process. */
  readonly forget?: (names: readonly string[]) => void;
  /** Facts: tables, paths, the JSON object. */
  readonly out: Output;
  /** Progress, hints, errors. */
  readonly err: Output;
  readonly stop: StopSignals;
}
