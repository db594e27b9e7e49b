/** What a person types for `skein encode`; what it does is in `actions/encode.ts`. */
import { availableParallelism } from 'node:os';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const encode: Command = {
  name: 'encode',
  describe: 'Build the references of databases, without tasks',
  positionals: [],
  flags: {
    dataset: shared.DATASET,
    all: { describe: 'every database of the dataset, those without tasks too' },
    databases: { value: 'A,B', describe: 'databases by name' },
    encoder: shared.ENCODER,
    actors: { ...shared.ACTORS, describe: 'databases at a time', default: `${availableParallelism()}, the cores` },
    'cache-root': shared.CACHE_ROOT,
    'reference-root': shared.REFERENCE_ROOT,
    'accept-reference': shared.ACCEPT_REFERENCE,
    quiet: { describe: 'nothing but errors, and the path of the references' },
    json: shared.JSON_FLAG,
  },
  examples: [
    ['skein encode --dataset examples/mini-interact --all', 'what a later submit will reuse'],
    [
      'skein encode --dataset D --databases beehives,ferries --reference-root /data/references',
      'two of them, elsewhere',
    ],
  ],
  run: async (flags, context) => (await import('../actions/encode.ts')).encode(flags, context),
};
