/** What a person types for `skein fetch`; what it does is in `actions/fetch.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const fetch: Command = {
  name: 'fetch',
  describe: 'Bring the results of a run home, at any time',
  positionals: [{ name: 'run', describe: 'its id' }],
  flags: {
    store: shared.STORE,
    ...CLUSTER_FLAGS,
    out: shared.OUT,
    'reference-root': { ...shared.REFERENCE_ROOT, describe: 'where the references that the run built are merged into' },
    'merge-mode': {
      value: 'MODE',
      describe: 'whole: one shard a database; per-file: the latest of each file, as the original tool did',
      default: 'whole',
    },
    'dry-run': { describe: 'say what would change in the reference root, file by file; nothing is written' },
    'no-merge': { describe: 'results only: leave the references where they are' },
    quiet: shared.QUIET,
    json: shared.JSON_FLAG,
  },
  examples: [
    ['skein fetch try-1', 'into ./skein-data/out, references into ./skein-data/slayer_models_otf'],
    ['skein fetch try-1 --store file:///data/store --out results --no-merge', 'a look at a run that goes on'],
    ['skein fetch try-1 --dry-run', 'which references would be replaced, and which stay'],
  ],
  run: async (flags, context) => (await import('../actions/fetch.ts')).fetch(flags, context),
};
