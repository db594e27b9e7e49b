/** What a person types for `skein submit`; what it does is in `actions/submit.ts`. */
import { availableParallelism } from 'node:os';
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import { SECRET_FLAGS, SECRET_NAMES } from '../secret-flags.ts';
import * as shared from '../shared-flags.ts';
import { RUN_FLAGS } from '../submission.ts';

export const submit: Command = {
  name: 'submit',
  describe: 'Run tasks of a dataset, and bring the results home',
  positionals: [],
  flags: {
    dataset: shared.DATASET,
    all: { describe: 'every task of the dataset' },
    'instance-ids': { value: 'A,B', describe: 'tasks by their ids' },
    'instance-ids-file': { value: 'FILE', describe: 'a file with ids, apart by blanks or lines' },
    ...RUN_FLAGS,
    'audited-gold': {
      value: 'DIR',
      describe:
        'score by audited gold SQL, <database>.jsonl of {instance_id, status, sol_sql}; what it does not name keeps its own',
    },
    encoder: shared.ENCODER,
    actors: { ...shared.ACTORS, default: `${availableParallelism()}, the cores` },
    store: shared.STORE,
    'cache-root': shared.CACHE_ROOT,
    'reference-root': shared.REFERENCE_ROOT,
    'accept-reference': shared.ACCEPT_REFERENCE,
    out: shared.OUT,
    grace: shared.GRACE,
    ...CLUSTER_FLAGS,
    ...SECRET_FLAGS,
    secret: SECRET_NAMES,
    detach: { describe: 'with a head elsewhere: print the run id and leave the run to it' },
    'log-file': shared.LOG_FILE,
    quiet: shared.QUIET,
    json: shared.JSON_FLAG,
  },
  examples: [
    ['skein submit --dataset examples/mini-interact --all', 'encode the knowledge of every database, run every task'],
    ['skein submit --dataset D --all --mode oracle', 'score the gold SQL: no model, a check of the whole pipeline'],
    [
      'skein submit --dataset D --instance-ids beehives_1,beehives_2 --run-id try-1',
      'two tasks, under a name of yours',
    ],
    [
      'skein submit --dataset D --all --run-id try-1 --json | jq .counts',
      'For programs; the same id attaches to the same run',
    ],
    [
      'skein submit --dataset D --all --address 10.0.0.5:6380 --token-file token --detach',
      'on a cluster; go on with wait and fetch, from any machine',
    ],
  ],
  run: async (flags, context) => (await import('../actions/submit.ts')).submit(flags, context),
};
