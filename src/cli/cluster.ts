/** The head that a command line names: address, token and certificates, checked before anything is dialled. */
import { readFile } from 'node:fs/promises';

import { readReady, type Ready } from '../daemon/ready-file.ts';
import { parseToken, readToken, tokenPath } from '../daemon/token.ts';
import { SkeinError, systemCode } from '../kernel/errors.ts';
import type { Security, TlsFiles } from '../wire/security.ts';
import type { TLS_FLAGS } from './cluster-flags.ts';
import type { CliContext } from './context.ts';
import type { Flags } from './flags.ts';
import { invalid, parseSeconds } from './values.ts';

/** A head, and what it takes to be let in. */
export interface Cluster {
  readonly address: string;
  /** What named the address: `--address`. */
  readonly field: string;
  readonly security: Security;
  readonly connectTimeoutMs: number;
}

/**
 * The head that a command line or the environment names, undefined if none: the flag, then the data dir's, then the
 * environment's. Nothing is dialled yet.
 * @throws SkeinError INVALID_INPUT | NOT_FOUND (no daemon in the data dir)
 */
export async function clusterOf(flags: Flags, context: CliContext): Promise<Cluster | undefined> {
  const connectTimeoutMs = parseSeconds('--connect-timeout', flags.get('connect-timeout') ?? '10');
  const dataDir = flags.get('data-dir');
  const ready = dataDir === undefined ? undefined : await readyOf(dataDir);
  const typed = flags.get('address');
  const field = typed !== undefined ? '--address' : ready !== undefined ? '--data-dir' : 'SKEIN_ADDRESS';
  const address = typed ?? ready?.address ?? context.env['SKEIN_ADDRESS'];
  const tls = await tlsOf(flags);
  if (!address) return undefined;
  parseAddress(field, address);
  const token = await tokenOf(flags, context);
  return { address, field, security: { token, ...(tls && { tls }) }, connectTimeoutMs };
}

async function readyOf(dataDir: string): Promise<Ready> {
  const ready = await readReady(dataDir);
  if (ready) return ready;
  throw new SkeinError(
    'NOT_FOUND',
    `--data-dir: ${JSON.stringify(dataDir)}: no daemon is ready there; start one: skein start --head --data-dir ${dataDir}`,
    { fields: { field: '--data-dir' } },
  );
}

/** @throws SkeinError INVALID_INPUT unless `address` is HOST:PORT, with an IPv6 host in brackets */
export function parseAddress(field: string, address: string): string {
  const port = /^(?:\[[0-9a-f:.]+\]|[^:[\]\s]+):(\d{1,5})$/i.exec(address)?.[1] ?? '';
  if (Number(port) >= 1 && Number(port) <= 65_535) return address;
  throw invalid(field, address, 'is no HOST:PORT');
}

/** The token: from the flag's file, the data dir, the environment's own, or the environment's file; empty if nobody gives one. */
export async function tokenOf(flags: Flags, { env, token }: CliContext): Promise<string> {
  const file = flags.get('token-file');
  if (file !== undefined) return readToken(file, '--token-file');
  const dataDir = flags.get('data-dir');
  if (dataDir !== undefined && (await readReady(dataDir))?.kind === 'head') {
    return readToken(tokenPath(dataDir), '--data-dir');
  }
  if (token !== undefined) return parseToken(token, 'SKEIN_TOKEN', 'SKEIN_TOKEN');
  const named = env['SKEIN_TOKEN_FILE'];
  if (named) return readToken(named, 'SKEIN_TOKEN_FILE');
  // The head says that it wants one, if there is a head.
  return '';
}

/** The PEM files that are named, undefined if none is: plain text. @throws SkeinError INVALID_INPUT */
export async function tlsOf(flags: Flags): Promise<TlsFiles | undefined> {
  const [ca, cert, key] = await Promise.all([pem(flags, 'tls-ca'), pem(flags, 'tls-cert'), pem(flags, 'tls-key')]);
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key'];
    throw new SkeinError('INVALID_INPUT', `${missing} is missing: it goes together with ${there}`, {
      fields: { field: missing },
    });
  }
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

async function pem(flags: Flags, name: keyof typeof TLS_FLAGS): Promise<Buffer | undefined> {
  const path = flags.get(name);
  if (path === undefined) return undefined;
  try {
    const bytes = await readFile(path);
    if (bytes.includes('-----BEGIN ')) return bytes;
  } catch (error) {
    const why = systemCode(error) === 'ENOENT' ? 'there is no such file' : `cannot be read (${systemCode(error)})`;
    throw new SkeinError('INVALID_INPUT', `--${name}: ${JSON.stringify(path)}: ${why}`, {
      cause: error,
      fields: { field: `--${name}` },
    });
  }
  throw invalid(`--${name}`, path, 'is no PEM file');
}
