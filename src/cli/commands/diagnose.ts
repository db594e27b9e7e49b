/** What a person types for `skein diagnose`; what it does is in `actions/diagnose.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const diagnose: Command = {
  name: 'diagnose',
  describe:
    'Collect in one file what tells why a run does not go on: head, nodes, actors, tasks, store, last log lines',
  positionals: [{ name: 'run', describe: 'its id' }],
  flags: {
    store: shared.STORE,
    ...CLUSTER_FLAGS,
    'data-dir': {
      value: 'DIR',
      describe: 'of a daemon on this machine: what it last wrote is read, also when it is dead',
    },
    'log-file': { value: 'FILE', describe: 'the log of the command that ran it', default: './skein-data/out/RUN.log' },
    out: { value: 'FILE', describe: 'where the report goes, readable by you alone', default: './RUN-diagnose.txt' },
    lines: { value: 'N', describe: 'last lines of each log', default: '200' },
    timeout: { value: 'SECONDS', describe: 'of each part; what takes longer is said to have failed', default: '10' },
    json: { describe: 'one JSON object on stdout instead of a summary; the file is written too' },
  },
  examples: [
    ['skein diagnose try-1', 'from the store and the log of the command alone'],
    ['skein diagnose try-1 --data-dir /data/head', 'on the machine of the head, dead or alive'],
    ['skein diagnose try-1 --address 10.0.0.5:6380 --token-file token', 'from elsewhere: the head asks its nodes'],
  ],
  run: async (flags, context) => (await import('../actions/diagnose.ts')).diagnose(flags, context),
};
