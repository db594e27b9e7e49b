/** What a person types for `skein stop`; what it does is in `actions/stop.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const stop: Command = {
  name: 'stop',
  describe: 'Stop a daemon in good order; its runs stay open for its successor',
  positionals: [],
  flags: {
    ...CLUSTER_FLAGS,
    address: { ...shared.ADDRESS, describe: 'the head to stop; also SKEIN_ADDRESS' },
    'data-dir': { value: 'DIR', describe: 'the daemon of this folder, head or node', default: './skein-data/head' },
    timeout: { value: 'SECONDS', describe: 'how long it may take', default: '60' },
  },
  examples: [
    ['skein stop --data-dir /data/node-1', 'a node: what runs gets its grace, the rest goes elsewhere'],
    ['skein stop --address 10.0.0.5:6380 --token-file token', 'a head on another machine'],
  ],
  run: async (flags, context) => (await import('../actions/stop.ts')).stop(flags, context),
};
