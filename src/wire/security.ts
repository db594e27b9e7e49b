/**
 * Who may talk to a head, and over what: a token on every call, and TLS when certificates are given; mutual as soon as a
 * CA is. Nothing here reads a file or a variable: whoever assembles gives the bytes.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';

import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';

import { asError, SkeinError } from '../kernel/errors.ts';

/** PEM bytes. */
export interface TlsFiles {
  /** Signed the peer's certificate. At a head it asks clients and nodes for theirs; elsewhere absent = the system's CAs. */
  readonly ca?: Buffer | undefined;
  /** Our own certificate and its key: a head needs both, the others when the head asks for them. */
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

export interface Security {
  /** Never empty at a head. */
  readonly token: string;
  /** Absent: plain text, for loopback. */
  readonly tls?: TlsFiles | undefined;
}

/** How clients and nodes dial `address`. @throws SkeinError INVALID_INPUT when the certificates cannot be used */
export function clientCredentials({ tls }: Security, address: string): ChannelCredentials {
  if (!tls) return ChannelCredentials.createInsecure();
  const { ca, cert, key } = tls;
  requireUsable(tls);
  const host = hostOf(address);
  return usable(() =>
    ChannelCredentials.createSsl(ca ?? null, key ?? null, cert ?? null, {
      checkServerIdentity: (_, presented) => checkServerIdentity(host, presented),
    }),
  );
}

/**
 * The TLS server name to send to `address` when that is an IP, which may not be sent (RFC 6066); the certificate is compared with
 * the IP all the same.
 */
export function serverNameFor(address: string): string | undefined {
  return isIP(hostOf(address)) ? 'skein-head' : undefined;
}

/** How a head listens. @throws SkeinError INVALID_INPUT when the certificates cannot be used */
export function serverCredentials({ tls }: Security): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure();
  const { ca, cert, key } = tls;
  requireUsable(tls);
  if (!cert || !key) throw new SkeinError('INVALID_INPUT', 'TLS: a head needs --tls-cert and --tls-key');
  return usable(() =>
    ServerCredentials.createSsl(ca ?? null, [{ private_key: key, cert_chain: cert }], ca !== undefined),
  );
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
}

function requireUsable({ ca, cert, key }: TlsFiles): void {
  if ((cert === undefined) !== (key === undefined)) {
    throw new SkeinError('INVALID_INPUT', 'TLS: --tls-cert and --tls-key go together, and only one of them is given');
  }
  // OpenSSL takes a file without any certificate for a CA that signed nothing.
  for (const [flag, bytes] of [['--tls-ca', ca] as const, ['--tls-cert', cert] as const]) {
    try {
      if (bytes) new X509Certificate(bytes);
    } catch (error) {
      throw new SkeinError('INVALID_INPUT', `TLS: ${flag} holds no certificate in PEM form`, { cause: error });
    }
  }
}

function usable<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    const text = `TLS: --tls-cert and --tls-key cannot be used: ${asError(error).message}`;
    throw new SkeinError('INVALID_INPUT', text, { cause: error });
  }
}
