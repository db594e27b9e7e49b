/**
 * The node's stream to the head: the node dials, says hello, then events go out and orders come in, in batches.
 *
 * Not here: what an order means (`node.ts`). One link is one stream; a link that ended is not mended but made anew.
 */
import { ChannelCredentials, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';

import {
  NodeServiceClient,
  type HeadOrder,
  type Hello,
  type LinkRequest,
  type LinkResponse,
  type NodeEvent,
} from '../gen/skein/v1/node.ts';
import { SkeinError } from '../kernel/errors.ts';
import { Batcher } from '../wire/batcher.ts';
import { CHANNEL_OPTIONS, tokenMetadata } from '../wire/channel.ts';
import { fromServiceError } from '../wire/status.ts';

export type Event = NonNullable<NodeEvent['event']>;
export type Order = NonNullable<HeadOrder['order']>;

export interface HeadLinkOptions {
  readonly address: string;
  readonly token: string;
  readonly hello: Hello;
  /** How long the head may take to welcome us. Default 10,000. */
  readonly welcomeMs?: number;
  onOrder(order: Order): void;
  /** The stream ended; `error` says why, unless we closed it. */
  onEnd(error: Error | undefined): void;
}

export class HeadLink implements AsyncDisposable {
  readonly #client: NodeServiceClient;
  readonly #stream: ClientDuplexStream<LinkRequest, LinkResponse>;
  readonly #batcher: Batcher<NodeEvent>;
  readonly #ended: Promise<void>;

  private constructor(options: HeadLinkOptions, welcomed: (error?: Error) => void) {
    const { address, token, hello } = options;
    this.#client = new NodeServiceClient(address, ChannelCredentials.createInsecure(), CHANNEL_OPTIONS);
    const stream = this.#client.link(tokenMetadata(token));
    this.#stream = stream;
    this.#batcher = new Batcher((events, sequence) => stream.write({ sequence, events, acknowledged: 0 }));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;

    const end = (error: Error | undefined): void => {
      this.#batcher.close();
      welcomed(error ?? new SkeinError('UNAVAILABLE', `head ${address}: closed the stream before its welcome`));
      options.onEnd(error);
      resolve();
    };
    stream.on('drain', () => this.#batcher.drained());
    stream.on('data', ({ orders }: LinkResponse) => {
      for (const { order } of orders) {
        if (order?.$case === 'welcome') welcomed();
        else if (order) options.onOrder(order);
      }
    });
    let failure: Error | undefined;
    stream.on('error', (error: ServiceError) => (failure = fromServiceError(`head ${address}`, error)));
    stream.on('close', () => end(failure));
    this.send({ $case: 'hello', value: hello });
  }

  /** Dials and waits for the welcome. @throws SkeinError UNAVAILABLE | UNAUTHENTICATED | DEADLINE */
  static async open(options: HeadLinkOptions): Promise<HeadLink> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const link = new HeadLink(options, (error) => (error ? reject(error) : resolve()));
    const { address, welcomeMs = 10_000 } = options;
    const timer = setTimeout(
      () => reject(new SkeinError('DEADLINE', `head ${address}: no welcome within ${welcomeMs} ms`)),
      welcomeMs,
    );
    try {
      await promise;
      return link;
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Joins the batch of this tick. */
  send(event: Event): void {
    this.#batcher.add({ event });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#batcher.close();
    this.#stream.end();
    const timer = setTimeout(() => this.#stream.cancel(), 1_000);
    await this.#ended;
    clearTimeout(timer);
    this.#client.close();
  }
}
