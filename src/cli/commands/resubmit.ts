/** What a person types for `skein resubmit`; what it does is in `actions/resubmit.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import { SECRET_FLAGS } from '../secret-flags.ts';
import * as shared from '../shared-flags.ts';

export const resubmit: Command = {
  name: 'resubmit',
  describe: 'Run again what has no good row: absent, unreadable or an error, as the next attempt',
  positionals: [{ name: 'run', describe: 'its id, as submit printed it and list shows it' }],
  flags: {
    reason: { value: 'TEXT', describe: 'why, for the record of the attempt', default: 'ids without a good row' },
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
    ['skein resubmit 20261124t1012-encode-slayer-90e564', 'its errors once more, then fetch; exit 0 if there are none'],
    ['skein resubmit try-1 --reason "quota was used up" --address 10.0.0.5:6380 --detach', 'on a cluster'],
    ['skein wait try-1 --min-attempt 2', 'until that attempt has ended'],
  ],
  run: async (flags, context) => (await import('../actions/resubmit.ts')).resubmit(flags, context),
};
