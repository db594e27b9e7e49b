/** Flags of commands that start the actors of a run: where its secrets are (`run-secrets.ts`). */
import type { FlagSpec } from './command.ts';

/** What `submit`, `resume` and `resubmit` take. */
export const SECRET_FLAGS = {
  'secrets-file': {
    value: 'FILE',
    describe: 'a JSON object of names and values, mode 0600; also for the keys of models',
  },
  insecure: { describe: 'secrets may travel in plain text to a head beyond this machine' },
} as const satisfies Record<string, FlagSpec>;

/** What only `submit` takes: which there are is in the manifest from then on. */
export const SECRET_NAMES: FlagSpec = {
  value: 'NAME,…',
  describe: 'variables of your environment that the run’s actors get, and nobody else',
};
