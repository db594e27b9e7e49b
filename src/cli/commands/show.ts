/** What a person types for `skein show`; what it does is in `actions/show.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const show: Command = {
  name: 'show',
  describe: 'Show one task: its row and why that one counts, log, files, transcript, time by phase',
  positionals: [
    { name: 'run', describe: 'its id' },
    { name: 'id', describe: 'the task' },
  ],
  flags: {
    store: shared.STORE,
    ...CLUSTER_FLAGS,
    attempt: { value: 'N', describe: 'of which attempt', default: 'the one that counts, else the latest' },
    json: { describe: 'one JSON object on stdout: the whole row, the whole transcript' },
  },
  examples: [
    ['skein show try-1 beehives_1', 'also while it runs'],
    ['skein show try-1 beehives_1 --attempt 1', 'what an earlier attempt left'],
    ['skein show try-1 beehives_1 --json | jq -r .row.submitted_sql', 'for programs'],
  ],
  run: async (flags, context) => (await import('../actions/show.ts')).show(flags, context),
};
