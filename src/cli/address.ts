/** `--address HOST:PORT`. This version starts its head inside the command; here it says so, and finds typos at once. */
import { connect } from 'node:net';

import { asError, SkeinError, systemCode } from '../kernel/errors.ts';
import type { CliContext } from './context.ts';
import type { Flags } from './flags.ts';
import { invalid } from './values.ts';

const CONNECT_TIMEOUT_MS = 3_000;

/** @throws SkeinError INVALID_INPUT | PREFLIGHT whenever an address is given */
export async function refuseAddress(flags: Flags, { env }: CliContext): Promise<void> {
  const typed = flags.get('address');
  const field = typed === undefined ? 'SKEIN_ADDRESS' : '--address';
  const address = typed ?? env['SKEIN_ADDRESS'];
  if (!address) return;
  const [, bracketed, plain, port = ''] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) throw invalid(field, address, 'is no HOST:PORT');
  await knock(host, Number(port)).catch((error: unknown) => {
    const why = systemCode(error) ?? asError(error).message;
    throw new SkeinError(
      'PREFLIGHT',
      `${field}: nobody listens at ${address} (${why}); without ${field} a head is started inside this command`,
      { cause: error },
    );
  });
  throw new SkeinError(
    'PREFLIGHT',
    `${field}: ${address} answers, but running on a cluster is not offered in this version; leave ${field} away`,
  );
}

function knock(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: CONNECT_TIMEOUT_MS });
    const end = (error?: Error): void => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end(new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)));
    socket.once('error', end);
  });
}
