/**
 * Handlers as plain async functions. grpc-js kills the process when an async handler rejects and knows nothing of
 * tokens: every handler of Skein goes through here.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';

import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
} from '@grpc/grpc-js';

import { SkeinError } from '../kernel/errors.ts';
import { presentedToken } from './channel.ts';
import { toServiceError } from './status.ts';

/** Lets a call through or throws UNAUTHENTICATED. */
export type Guard = (metadata: Metadata) => void;

/** A guard that asks for `token`, compared in constant time. */
export function tokenGuard(token: string): Guard {
  if (token === '') throw new SkeinError('INVALID_INPUT', 'a head needs a token that is not empty');
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return (metadata) => {
    const presented = presentedToken(metadata);
    if (timingSafeEqual(digest(presented), expected)) return;
    const trouble = presented === '' ? 'wants a token, and none was given' : 'does not take the token that was given';
    throw new SkeinError('UNAUTHENTICATED', `it ${trouble}: see --token-file, SKEIN_TOKEN_FILE and SKEIN_TOKEN`);
  };
}

export function unary<Request, Response>(
  guard: Guard,
  handler: (request: Request) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    void (async () => {
      guard(call.metadata);
      return handler(call.request);
    })().then(
      (response) => callback(null, response),
      (error: unknown) => callback(toServiceError(error)),
    );
  };
}

/** Writes one message, and waits while the client takes nothing in: what waits for it is one message, not a queue. */
export type StreamWriter<Response> = (message: Response) => Promise<void>;

/** A handler that writes until it returns; a client that goes away aborts `signal`. */
export function serverStream<Request, Response>(
  guard: Guard,
  handler: (request: Request, write: StreamWriter<Response>, signal: AbortSignal) => Promise<void>,
): handleServerStreamingCall<Request, Response> {
  return (stream) => {
    const gone = new AbortController();
    stream.once('cancelled', () => gone.abort());
    stream.once('error', () => gone.abort());
    const write: StreamWriter<Response> = async (message) => {
      if (gone.signal.aborted || stream.write(message)) return;
      // The end of the wait shows in `signal` too.
      await once(stream, 'drain', { signal: gone.signal }).catch(() => {});
    };
    void (async () => {
      guard(stream.metadata);
      await handler(stream.request, write, gone.signal);
    })().then(
      () => stream.end(),
      // grpc-js makes a status of an emitted error; `destroy` would send none.
      (error: unknown) => stream.emit('error', Object.assign(new Error('call failed'), toServiceError(error))),
    );
  };
}

/** A handler that takes over a duplex stream. */
export function duplex<Request, Response>(
  guard: Guard,
  handler: (stream: ServerDuplexStream<Request, Response>) => void,
): handleBidiStreamingCall<Request, Response> {
  return (stream) => {
    try {
      guard(stream.metadata);
      handler(stream);
    } catch (error) {
      stream.emit('error', Object.assign(new Error('call failed'), toServiceError(error)));
    }
  };
}
