/** What a person types for `skein logs`; what it does is in `actions/logs.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const logs: Command = {
  name: 'logs',
  describe: 'Show what the tasks of a run printed',
  positionals: [
    { name: 'run', describe: 'its id' },
    { name: 'id', describe: 'one task; absent: all of them', isOptional: true },
  ],
  flags: {
    store: shared.STORE,
    ...CLUSTER_FLAGS,
    attempt: { value: 'N', describe: 'of which attempt', default: 'the latest' },
    follow: { describe: 'go on, also with what running tasks print and say, until the run ends', alias: 'f' },
  },
  examples: [
    ['skein logs try-1 beehives_1', 'one task'],
    ['skein logs try-1 beehives_1 -f', 'one that runs: its log and its transcript, as far as they are stored'],
    ['skein logs try-1 -f', 'every task, until the run ends'],
  ],
  run: async (flags, context) => (await import('../actions/logs.ts')).logs(flags, context),
};
