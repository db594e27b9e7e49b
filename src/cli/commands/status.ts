/** What a person types for `skein status`; what it does is in `actions/status.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';

export const status: Command = {
  name: 'status',
  describe: 'Show a head with its nodes, runs and store',
  positionals: [],
  flags: {
    ...CLUSTER_FLAGS,
    'data-dir': { ...CLUSTER_FLAGS['data-dir'], default: './skein-data/head' },
    json: { describe: 'one JSON object on stdout instead of tables' },
  },
  examples: [
    ['skein status --data-dir /data/head', 'on its machine'],
    ['skein status --address 10.0.0.5:6380 --json | jq .nodes', 'from elsewhere, for programs'],
  ],
  run: async (flags, context) => (await import('../actions/status.ts')).status(flags, context),
};
