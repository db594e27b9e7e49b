/** What a person types for `skein list`; what it does is in `actions/list.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const list: Command = {
  name: 'list',
  describe: 'List the runs of a store, or show one of them',
  positionals: [{ name: 'run', describe: 'a run to show by itself, its rows counted', isOptional: true }],
  flags: { store: shared.STORE, ...CLUSTER_FLAGS, json: { describe: 'one JSON object on stdout instead of a table' } },
  examples: [
    ['skein list', 'those of ./skein-data/store'],
    ['skein list try-1', 'one run: rows, attempts with their reasons, what is in flight'],
    [
      'skein list --json | jq -r \'.runs[] | select(.state=="stopped" or .state=="orphaned").run_id\'',
      'those to resume',
    ],
  ],
  run: async (flags, context) => (await import('../actions/list.ts')).list(flags, context),
};
