/** What a person types for `skein start`; what it does is in `actions/start.ts`. */
import { availableParallelism } from 'node:os';
import { CONNECT_TIMEOUT, TLS_FLAGS, TOKEN_FILE } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

export const start: Command = {
  name: 'start',
  describe: 'Run a head, or a node that joins one, until it is stopped',
  positionals: [],
  flags: {
    head: { describe: 'a head: owns runs, hands out tasks' },
    address: { value: 'HOST:PORT', describe: 'a node: works for the head at this address; also SKEIN_ADDRESS' },
    'data-dir': {
      value: 'DIR',
      describe: 'what the daemon keeps: its id, token, log, spool; one daemon a folder',
      default: './skein-data/head or ./skein-data/node',
    },
    host: { value: 'HOST', describe: 'of a head: where it listens', default: '127.0.0.1' },
    port: { value: 'PORT', describe: 'of a head; 0 = any free one', default: '6380' },
    store: shared.STORE,
    'lost-after': {
      value: 'SECONDS',
      describe: 'of a head: how long a node may be silent before its tasks are lost',
      default: '300',
    },
    insecure: { describe: 'of a head: listen beyond this machine in plain text' },
    actors: {
      ...shared.ACTORS,
      describe: 'of a node: tasks at a time',
      default: `${availableParallelism()}, the cores`,
    },
    'node-name': { value: 'NAME', describe: 'of a node', default: 'host name and a part of its id' },
    'spool-limit': {
      value: 'BYTES',
      describe: 'of a node: with so much waiting for the store it takes no work until some of it is stored',
      default: '4294967296, 4 GiB',
    },
    'token-file': {
      ...TOKEN_FILE,
      describe: `${TOKEN_FILE.describe}; a head makes one unless it is given by flag or SKEIN_TOKEN`,
    },
    ...TLS_FLAGS,
    'connect-timeout': CONNECT_TIMEOUT,
    grace: { ...shared.GRACE, describe: 'of a node: what started tasks get when it is stopped' },
    'no-user-code': { describe: 'refuse runs that bring a framework of their own (submit --framework ./mine.ts)' },
    block: { describe: 'no effect: it always stays in the foreground' },
    json: { describe: 'one JSON object on stdout instead of a line, when it is ready' },
  },
  examples: [
    ['skein start --head --store file:///data/store --data-dir /data/head', 'a head on this machine'],
    [
      'skein start --address 127.0.0.1:6380 --token-file /data/head/token --data-dir /data/node-1 --actors 4',
      'a node that joins it',
    ],
    [
      'skein start --head --host 0.0.0.0 --tls-cert h.pem --tls-key h.key --tls-ca ca.pem --store gs://bucket',
      'for other machines, with mutual TLS',
    ],
  ],
  run: async (flags, context) => (await import('../actions/start.ts')).start(flags, context),
};
