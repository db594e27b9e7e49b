/** What a person types for `skein wait`; what it does is in `actions/wait.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const wait: Command = {
  name: 'wait',
  describe: 'Wait until a run ends',
  positionals: [{ name: 'run', describe: 'its id' }],
  flags: {
    store: shared.STORE,
    ...CLUSTER_FLAGS,
    poll: { value: 'SECONDS', describe: 'between two looks; 0 = look once', default: '2' },
    'no-progress': {
      value: 'SECONDS',
      describe: 'give up when nothing new came for so long; 0 = never',
      default: '3600',
    },
    'min-attempt': {
      value: 'N',
      describe: 'only what this attempt and later ones bring counts, for the ids that were resubmitted as such',
      default: '1',
    },
    'stalled-after': { value: 'SECONDS', describe: 'how old a heartbeat may be', default: '300' },
    quiet: { describe: 'nothing but errors' },
    json: shared.JSON_FLAG,
  },
  examples: [
    ['skein wait try-1 --store file:///data/store', 'from another terminal, or another machine'],
    ['skein wait try-1 --address 10.0.0.5:6380 --token-file token', 'the head says where the store is'],
    ['skein wait try-1 --min-attempt 2', 'until what was resubmitted as attempt 2 has ended'],
    ['skein wait try-1 --poll 0 || echo not yet', 'just look'],
  ],
  run: async (flags, context) => (await import('../actions/wait.ts')).wait(flags, context),
};
