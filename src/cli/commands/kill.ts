/** What a person types for `skein kill`; what it does is in `actions/kill.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const kill: Command = {
  name: 'kill',
  describe: 'Stop a run on a cluster; what has a row keeps it, and resume goes on',
  positionals: [{ name: 'run', describe: 'its id' }],
  flags: {
    store: shared.STORE,
    ...CLUSTER_FLAGS,
    grace: { ...shared.GRACE, describe: 'what started tasks get' },
    json: { describe: 'one JSON object on stdout instead of a line' },
  },
  examples: [
    ['skein kill try-1 --data-dir /data/head', 'tasks that run get 10 s'],
    ['skein kill try-1 --address 10.0.0.5:6380 --grace 0', 'they get none'],
  ],
  run: async (flags, context) => (await import('../actions/kill.ts')).kill(flags, context),
};
