/** What a person types for `skein resume`; what it does is in `actions/resume.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import { SECRET_FLAGS } from '../secret-flags.ts';
import * as shared from '../shared-flags.ts';

export const resume: Command = {
  name: 'resume',
  describe: 'Go on with a run that was interrupted',
  positionals: [{ name: 'run', describe: 'its id, as submit printed it and list shows it' }],
  flags: {
    store: shared.STORE,
    dataset: { ...shared.DATASET, default: 'that of the submit' },
    'cache-root': { ...shared.CACHE_ROOT, default: 'that of the submit' },
    'reference-root': { ...shared.REFERENCE_ROOT, default: 'that of the submit' },
    'accept-reference': shared.ACCEPT_REFERENCE,
    out: shared.OUT,
    actors: { ...shared.ACTORS, default: 'those of the submit' },
    grace: { ...shared.GRACE, default: 'that of the submit' },
    ...CLUSTER_FLAGS,
    ...SECRET_FLAGS,
    detach: { describe: 'with a head elsewhere: leave the run to it' },
    'log-file': shared.LOG_FILE,
    quiet: shared.QUIET,
    json: shared.JSON_FLAG,
  },
  examples: [
    ['skein resume 20261124t1012-encode-slayer-90e564', 'run what has no row yet, then fetch'],
    ['skein resume try-1 --store file:///data/store --actors 4', 'from another store, with more threads'],
  ],
  run: async (flags, context) => (await import('../actions/resume.ts')).resume(flags, context),
};
