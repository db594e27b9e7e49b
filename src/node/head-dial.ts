/**
 * One stream from this node to the head, from the hello to its end. Made anew for every dial, with a channel of its own, so
 * that no back-off of an earlier one delays it.
 */
import type { ServiceError } from '@grpc/grpc-js';

import {
  NodeServiceClient,
  type Hello,
  type LinkResponse,
  type NodeEvent,
  type Welcome,
} from '../gen/skein/v1/node.ts';
import { asError, SkeinError } from '../kernel/errors.ts';
import { channelOptions, tokenMetadata, type Keepalive } from '../wire/channel.ts';
import { DialledSockets } from '../wire/dialled-sockets.ts';
import { clientCredentials, serverNameFor, type Security } from '../wire/security.ts';
import type { FrameWriter } from '../wire/session.ts';
import { fromServiceError } from '../wire/status.ts';

export interface DialOptions {
  readonly address: string;
  readonly security: Security;
  readonly hello: Hello;
  /** How long the head may take to welcome us. */
  readonly welcomeMs: number;
  readonly keepalive?: Keepalive | undefined;
  /** The head took us in; its frames follow. What it throws ends the dial. */
  onWelcome(welcome: Welcome, write: FrameWriter<NodeEvent>): void;
  /** What it throws ends the dial. */
  onFrame(frame: LinkResponse): void;
  onDrain(): void;
}

export interface Dial {
  /** @throws SkeinError what kept us from being welcomed */
  readonly welcomed: Promise<void>;
  /** The stream's end, and why; undefined when the head closed it in order, or we did. */
  readonly ended: Promise<SkeinError | undefined>;
  /** Half-closes, and cuts what has not ended after `graceMs`. */
  close(graceMs: number): Promise<void>;
  cut(error: SkeinError): void;
}

export function dialHead(options: DialOptions): Dial {
  const { address, security, hello, welcomeMs, keepalive } = options;
  const sockets = new DialledSockets(clientCredentials(security, address));
  const client = new NodeServiceClient(
    address,
    sockets,
    channelOptions({ keepalive, serverName: serverNameFor(address) }),
  );
  const stream = client.link(tokenMetadata(security.token));
  const welcomed = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<SkeinError | undefined>();
  welcomed.promise.catch(() => {});
  let state: 'dialled' | 'welcomed' | 'ended' = 'dialled';

  const end = (error: SkeinError | undefined): void => {
    if (state === 'ended') return;
    state = 'ended';
    clearTimeout(timer);
    welcomed.reject(error ?? new SkeinError('UNAVAILABLE', `head ${address}: closed the link before its welcome`));
    ended.resolve(error);
    client.close();
    sockets[Symbol.dispose]();
  };
  const cut = (error: SkeinError): void => {
    stream.cancel();
    end(error);
  };
  const timer = setTimeout(
    () =>
      cut(
        new SkeinError(
          'DEADLINE',
          `head ${address}: no welcome within ${welcomeMs} ms: it hangs, or that is the port of another product`,
        ),
      ),
    welcomeMs,
  );

  const take = (frame: LinkResponse): void => {
    if (state === 'welcomed') return options.onFrame(frame);
    const order = frame.orders[0]?.order;
    if (frame.sequence !== 0 || order?.$case !== 'welcome') {
      throw new SkeinError('CORRUPT', 'the first frame of a head is a welcome');
    }
    options.onWelcome(order.value, ({ sequence, messages, acknowledged }) =>
      stream.write({ sequence, events: messages as NodeEvent[], acknowledged }),
    );
    state = 'welcomed';
    clearTimeout(timer);
    welcomed.resolve();
  };
  stream.on('data', (frame: LinkResponse) => {
    if (state === 'ended') return;
    try {
      take(frame);
    } catch (error) {
      cut(error instanceof SkeinError ? error : new SkeinError('INTERNAL', `link to ${address}`, { cause: error }));
    }
  });
  stream.on('drain', () => options.onDrain());
  stream.on('error', (error: ServiceError) =>
    end(fromServiceError(`head ${address}`, error, security.tls !== undefined)),
  );
  stream.on('status', () => end(undefined));
  try {
    stream.write({
      sequence: 0,
      events: [{ event: { $case: 'hello', value: hello } }],
      acknowledged: hello.lastReceived,
    });
  } catch (error) {
    cut(new SkeinError('INTERNAL', `head ${address}: ${asError(error).message}`, { cause: error }));
  }

  return {
    welcomed: welcomed.promise,
    ended: ended.promise,
    cut,
    async close(graceMs) {
      if (state === 'ended') return;
      stream.end();
      const patience = setTimeout(() => stream.cancel(), graceMs);
      await ended.promise;
      clearTimeout(patience);
    },
  };
}
