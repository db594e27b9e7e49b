/** What a person types for `skein list`; what it does is in `actions/list.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const list: Command = {
  name: 'list',
  describe: 'List the runs of a store',
  positionals: [],
  flags: { store: shared.STORE, ...CLUSTER_FLAGS, json: { describe: 'one JSON object on stdout instead of a table' } },
  examples: [
    ['skein list', 'those of ./skein-data/store'],
    ['skein list --json | jq -r \'.runs[] | select(.state=="stopped").run_id\'', 'those to resume'],
  ],
  run: async (flags, context) => (await import('../actions/list.ts')).list(flags, context),
};
