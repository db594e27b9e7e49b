/**
 * The listening side: one gRPC server with Skein's settings, and what is asked of every call before anything of it is
 * read. A caller without the token costs its headers and no more; a request that dribbles in ends.
 *
 * Not here: what a call does (`handlers.ts` wraps that), who may listen where (the command line).
 */
import {
  Server,
  ServerInterceptingCall,
  ServerListenerBuilder,
  type Metadata,
  type ServerInterceptor,
} from '@grpc/grpc-js';

import { asError, SkeinError } from '../kernel/errors.ts';
import { channelOptions, type Keepalive } from './channel.ts';
import { tokenGuard } from './handlers.ts';
import { serverCredentials, type Security } from './security.ts';
import { toServiceError } from './status.ts';

export interface ServerSettings {
  readonly security: Security;
  /** Full names that answer without a token: `/skein.v1.RunService/Health`. */
  readonly open: readonly string[];
  /** For tests: another patience. */
  readonly keepalive?: Keepalive | undefined;
  /** What a request may take from its headers to its last byte. Default 10,000. Streams look after themselves. */
  readonly requestMs?: number;
}

const REQUEST_MS = 10_000;
/** Calls that one connection may have open: a client has a few, a node one. */
const STREAMS_PER_CONNECTION = 64;
/** A connection without a call is ended after this. */
const IDLE_MS = 60_000;

/** A server without services and port. @throws SkeinError INVALID_INPUT without a token */
export function createServer({ security, open, keepalive, requestMs = REQUEST_MS }: ServerSettings): Server {
  // `grpc.enable_channelz` stays on: without it `forceShutdown` of grpc-js 1.14.7 leaves every connection open (tried).
  return new Server({
    ...channelOptions({ keepalive }),
    'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION,
    'grpc.max_connection_idle_ms': IDLE_MS,
    interceptors: [doorkeeper(security.token, new Set(open)), clock(requestMs)],
  });
}

/**
 * Listens and gives the port, which is `port` unless that is 0.
 * @throws SkeinError PREFLIGHT when the port is taken or may not be used | INVALID_INPUT when the certificates cannot be used
 */
export async function listen(server: Server, host: string, port: number, security: Security): Promise<number> {
  const credentials = serverCredentials(security);
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(where, credentials, (error, bound) => {
      if (error)
        reject(new SkeinError('PREFLIGHT', `head: cannot listen on ${where}: ${bindTrouble(error)}`, { cause: error }));
      else resolve(bound);
    });
  });
}

function bindTrouble(error: Error): string {
  const text = asError(error).message;
  if (text.includes('EADDRINUSE')) return 'the port is in use, by another head or another product: give --port';
  if (text.includes('EACCES')) return 'this user may not listen there: give a --port above 1023';
  if (text.includes('EADDRNOTAVAIL')) return 'this machine has no such address: see --host';
  return text;
}

/** Asks for the token before anything but headers is read. */
function doorkeeper(token: string, open: ReadonlySet<string>): ServerInterceptor {
  const guard = tokenGuard(token);
  return ({ path }, call) => {
    if (open.has(path)) return new ServerInterceptingCall(call);
    const answer = (error: unknown): void => call.sendStatus(statusOf(error));
    const listener = new ServerListenerBuilder().withOnReceiveMetadata((metadata, next) => {
      try {
        guard(metadata);
      } catch (error) {
        return answer(error);
      }
      next(metadata);
    });
    return new ServerInterceptingCall(call, { start: (next) => next(listener.build()) });
  };
}

/** Ends calls whose one request does not come to its end. */
function clock(requestMs: number): ServerInterceptor {
  return ({ requestStream }, call) => {
    if (requestStream) return new ServerInterceptingCall(call);
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => clearTimeout(timer);
    const late = new SkeinError('DEADLINE', `the request did not end within ${requestMs} ms`);
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        timer = setTimeout(() => call.sendStatus(statusOf(late)), requestMs);
        next(metadata);
      })
      .withOnReceiveHalfClose((next) => {
        stop();
        next();
      })
      .withOnCancel(stop);
    return new ServerInterceptingCall(call, {
      start: (next) => next(listener.build()),
      sendStatus: (status, next) => {
        stop();
        next(status);
      },
    });
  };
}

function statusOf(error: unknown): { code: number; details: string; metadata: Metadata } {
  const { code, details, metadata } = toServiceError(error);
  return { code, details, metadata };
}
