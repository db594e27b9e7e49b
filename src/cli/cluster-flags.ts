/** Flags of commands that talk to a head: where it is, and who may talk to it. What they mean is in `cluster.ts`. */
import type { FlagSpec } from './command.ts';
import * as shared from './shared-flags.ts';

export const TLS_FLAGS = {
  'tls-ca': { value: 'FILE', describe: 'PEM of the CA that signed the certificates of the others' },
  'tls-cert': { value: 'FILE', describe: 'PEM of our own certificate' },
  'tls-key': { value: 'FILE', describe: 'PEM of its key' },
} as const satisfies Record<string, FlagSpec>;

export const TOKEN_FILE: FlagSpec = {
  value: 'FILE',
  describe: 'the token of the head; also SKEIN_TOKEN_FILE, or the token itself in SKEIN_TOKEN',
};

export const CONNECT_TIMEOUT: FlagSpec = {
  value: 'SECONDS',
  describe: 'how long a head that cannot be reached is tried',
  default: '10',
};

/** What every command takes that can go to a head. */
export const CLUSTER_FLAGS = {
  address: shared.ADDRESS,
  'data-dir': { value: 'DIR', describe: "the head's, on its machine: address and token are read from there" },
  'token-file': TOKEN_FILE,
  ...TLS_FLAGS,
  'connect-timeout': CONNECT_TIMEOUT,
} as const satisfies Record<string, FlagSpec>;
