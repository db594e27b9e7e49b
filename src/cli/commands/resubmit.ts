/** What a person types for `skein resubmit`; what it does is in `actions/resubmit.ts`. */
import { AGAIN_FLAGS } from '../again-flags.ts';
import type { Command } from '../command.ts';

export const resubmit: Command = {
  name: 'resubmit',
  describe: 'Run again what has no good row: absent, unreadable or an error, as the next attempt',
  positionals: [{ name: 'run', describe: 'its id, as submit printed it and list shows it' }],
  flags: {
    reason: { value: 'TEXT', describe: 'why, for the record of the attempt', default: 'ids without a good row' },
    ...AGAIN_FLAGS,
  },
  examples: [
    ['skein resubmit 20261124t1012-encode-slayer-90e564', 'its errors once more, then fetch; exit 0 if there are none'],
    ['skein resubmit try-1 --reason "quota was used up" --address 10.0.0.5:6380 --detach', 'on a cluster'],
    ['skein wait try-1 --min-attempt 2', 'until that attempt has ended'],
  ],
  run: async (flags, context) => (await import('../actions/resubmit.ts')).resubmit(flags, context),
};
