/** Where a head may listen: plain text stays on this machine unless somebody types that it need not. */
import { createServer, isIPv4, isIPv6 } from 'node:net';
import { hostname } from 'node:os';

import { SkeinError, systemCode } from '../kernel/errors.ts';

/** Whether nobody beyond this machine can reach `host`. A name that we do not know counts as reachable. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIPv4(bare)) return bare.startsWith('127.');
  if (isIPv6(bare)) return bare === '::1';
  return bare === 'localhost';
}

/** @throws SkeinError INVALID_INPUT when the token and all else would cross a network in plain text */
export function checkBind(host: string, { isTls, isInsecure }: { isTls: boolean; isInsecure: boolean }): void {
  if (isTls || isInsecure || isLoopback(host)) return;
  throw new SkeinError(
    'INVALID_INPUT',
    `--host: ${JSON.stringify(host)} is beyond this machine, where token and data would travel in plain text; give ` +
      '--tls-cert and --tls-key (and --tls-ca for mutual TLS), or type --insecure if the network is yours alone',
    { fields: { field: '--host' } },
  );
}

/**
 * Finds out before anything is made whether the port can be had; who then listens finds out again.
 * @throws SkeinError PREFLIGHT
 */
export async function checkPort(host: string, port: number): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: host.replace(/^\[|\]$/g, ''), port, exclusive: true }, resolve);
    });
    await new Promise((resolve) => server.close(resolve));
  } catch (error) {
    const code = systemCode(error);
    const reasons: Readonly<Record<string, string>> = {
      EADDRINUSE: 'the port is in use, by another head or another product; give another --port',
      EACCES: 'this user may not listen there; give a --port above 1023',
      EADDRNOTAVAIL: 'this machine has no such address; see --host',
      ENOTFOUND: 'the host is not known; see --host',
    };
    const why = reasons[code ?? ''] ?? `${code}`;
    throw new SkeinError('PREFLIGHT', `--port: cannot listen on ${host}:${port}: ${why}`, {
      cause: error,
      fields: { field: '--port' },
    });
  }
}

/** How clients of this machine dial a head that listens at `address`. */
export function localAddress(address: string): string {
  return address.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^(?:\[::\]|::):(?=\d+$)/, '[::1]:');
}

/** How other machines dial it, as far as this one can tell. */
export function publicAddress(address: string): string {
  return address.replace(/^(?:0\.0\.0\.0|\[::\]|::):(?=\d+$)/, `${hostname()}:`);
}
