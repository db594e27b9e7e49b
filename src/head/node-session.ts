/**
 * One connected node, as the head sees it: what it said in its hello, and the orders that go to it in batches.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';

import type { HeadOrder, Hello, LinkRequest, LinkResponse, NodeEvent } from '../gen/skein/v1/node.ts';
import { Batcher } from '../wire/batcher.ts';

export type Order = NonNullable<HeadOrder['order']>;
export type Event = NonNullable<NodeEvent['event']>;

export interface NodeListener {
  joined(session: NodeSession): void;
  event(session: NodeSession, event: Event): void;
  gone(session: NodeSession): void;
}

export class NodeSession {
  readonly hello: Hello;
  actorsLive = 0;
  actorsPending = 0;
  readonly #batcher: Batcher<HeadOrder>;

  constructor(hello: Hello, batcher: Batcher<HeadOrder>) {
    this.hello = hello;
    this.#batcher = batcher;
  }

  get node(): string {
    return this.hello.node;
  }

  send(order: Order): void {
    this.#batcher.add({ order });
  }
}

/** Serves `stream` until it ends: the first event must be a hello. */
export function serveNode(stream: ServerDuplexStream<LinkRequest, LinkResponse>, listener: NodeListener): void {
  const batcher = new Batcher<HeadOrder>((orders, sequence) => stream.write({ sequence, orders, acknowledged: 0 }));
  let session: NodeSession | undefined;

  stream.on('drain', () => batcher.drained());
  stream.on('data', ({ events }: LinkRequest) => {
    for (const { event } of events) {
      if (!event) continue;
      if (event.$case === 'hello') {
        session = new NodeSession(event.value, batcher);
        listener.joined(session);
      } else if (session) {
        listener.event(session, event);
      }
    }
  });

  const gone = (): void => {
    batcher.close();
    if (session) listener.gone(session);
    session = undefined;
  };
  stream.on('end', () => {
    gone();
    stream.end();
  });
  stream.on('cancelled', gone);
  stream.on('error', gone);
}
