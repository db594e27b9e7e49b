/** What a person types for `skein resume`; what it does is in `actions/resume.ts`. */
import { AGAIN_FLAGS } from '../again-flags.ts';
import type { Command } from '../command.ts';

export const resume: Command = {
  name: 'resume',
  describe: 'Go on with a run that was interrupted',
  positionals: [{ name: 'run', describe: 'its id, as submit printed it and list shows it' }],
  flags: AGAIN_FLAGS,
  examples: [
    ['skein resume 20261124t1012-encode-slayer-90e564', 'run what has no row yet, then fetch'],
    ['skein resume try-1 --store file:///data/store --actors 4', 'from another store, with more threads'],
  ],
  run: async (flags, context) => (await import('../actions/resume.ts')).resume(flags, context),
};
