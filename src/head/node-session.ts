/**
 * One node, as the head sees it: what it said in its hello, whether it can be heard, and the orders for it. A session
 * outlives its streams: while the node is silent, orders are kept and go out when it is back.
 *
 *     connected ──stream cut──▶ silent ──resumed──▶ connected …      leaving: the node said so, its stream's end is its end
 *
 * Not here: which stream belongs to which session (`node-sessions.ts`), and when silence means death (the head).
 */
import { performance } from 'node:perf_hooks';

import type { ServerDuplexStream } from '@grpc/grpc-js';

import { HeadOrder, type Hello, type LinkRequest, type LinkResponse, type NodeEvent } from '../gen/skein/v1/node.ts';
import { SkeinError } from '../kernel/errors.ts';
import { toServiceError } from '../wire/status.ts';
import { Session, type Frame, type PeerState } from '../wire/session.ts';

export type Order = NonNullable<HeadOrder['order']>;
export type Event = NonNullable<NodeEvent['event']>;
export type NodeStream = ServerDuplexStream<LinkRequest, LinkResponse>;

/** What the head is told of nodes. Every call is made in the tick of the frame that caused it. */
export interface NodeListener {
  /**
   * A new session; orders sent from here on go out behind the welcome. `session.replaces` is the earlier session of the
   * same data dir: with another boot id that is proof of that life's death, with the same one it was given up.
   * @throws SkeinError to refuse the node: it is answered with that error and there is no session
   */
  joined(session: NodeSession): void;
  /** Its stream ended; the session waits. In state `leaving` nothing comes after this. */
  cut(session: NodeSession): void;
  /** Its stream is back, and so is everything that was sent to it meanwhile. */
  resumed(session: NodeSession): void;
  event(session: NodeSession, event: Event): void;
  welcome(): WelcomeFacts;
  /** A dial-in was turned away, or a session given up for what its node sent. For the log. */
  refused?(node: string, error: Error): void;
}

/** What a head tells every node that it welcomes. */
export interface WelcomeFacts {
  readonly headEpoch: number;
  readonly storeUrl: string;
  /** How long a node may be silent before its tasks are somebody else's. */
  readonly lostAfterMs: number;
}

export class NodeSession {
  readonly sessionId: string;
  readonly hello: Hello;
  readonly replaces: NodeSession | undefined;
  /** For the head's own bookkeeping, from `ActorsChanged`. */
  actorsLive = 0;
  actorsPending = 0;
  state: 'connected' | 'silent' | 'leaving' = 'connected';
  /** On the clock of `performance.now()`, while no stream is there. */
  silentSinceMs: number | undefined;
  readonly #session: Session<HeadOrder, NodeEvent>;
  #stream: NodeStream | undefined;
  #isClosed = false;

  /** @param onEvent called for every event of the node, once and in order */
  constructor(
    sessionId: string,
    hello: Hello,
    replaces: NodeSession | undefined,
    onEvent: (session: NodeSession, event: Event) => void,
  ) {
    this.sessionId = sessionId;
    this.hello = hello;
    this.replaces = replaces;
    this.#session = new Session<HeadOrder, NodeEvent>({
      sizeOf: (order) => HeadOrder.encode(order).finish().length,
      kindOf: ({ order }) => `order ${order?.$case} for node ${hello.node}`,
      deliver: ({ event }) => {
        if (!event) return;
        if (event.$case === 'leaving') this.state = 'leaving';
        onEvent(this, event);
      },
      onOverflow: (bytes) => this.close(`node ${hello.node} took nothing in while ${bytes} bytes gathered for it`),
    });
  }

  get node(): string {
    return this.hello.node;
  }

  get dataDirId(): string {
    return this.hello.dataDirId;
  }

  get bootId(): string {
    return this.hello.bootId;
  }

  /** The last frame of the node that is taken care of. */
  get lastReceived(): number {
    return this.#session.lastReceived;
  }

  /** Whether this session was given up. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Kept until the node has acknowledged it, also while it is silent.
   * @throws SkeinError INVALID_INPUT for an order that is too large for the wire
   */
  send(order: Order): void {
    this.#session.send({ order });
  }

  /** Gives the session up: its stream ends with `reason`, and a later dial-in is answered with a new session. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#session.close();
    if (this.#stream) endStream(this.#stream, new SkeinError('UNAVAILABLE', `session ended: ${reason}`));
  }

  /** Whether a node that took care of our frames up to `lastReceived` can go on with this session. */
  canResume(lastReceived: number): boolean {
    return !this.#isClosed && this.#session.canResume(lastReceived);
  }

  /** For `NodeSessions`: `stream` carries this session from now on. */
  attach(stream: NodeStream, peer: PeerState): void {
    this.#stream = stream;
    this.silentSinceMs = undefined;
    if (this.state === 'silent') this.state = 'connected';
    this.#session.attach(
      ({ sequence, messages, acknowledged }) =>
        stream.write({ sequence, orders: messages as HeadOrder[], acknowledged }),
      peer,
    );
  }

  /** For `NodeSessions`: whether `stream` carried this session, which is without one now. */
  detach(stream: NodeStream): boolean {
    if (this.#stream !== stream) return false;
    this.#stream = undefined;
    this.#session.detach();
    this.silentSinceMs = performance.now();
    if (this.state === 'connected') this.state = 'silent';
    return true;
  }

  /** For `NodeSessions`: ends the stream that a newer one takes over from. */
  supersede(): NodeStream | undefined {
    const stream = this.#stream;
    if (stream) endStream(stream, new SkeinError('UNAVAILABLE', 'this node dialled in again'));
    return stream;
  }

  /** For `NodeSessions`. @throws SkeinError CORRUPT when the frame cannot follow what came before */
  receive(stream: NodeStream, frame: Frame<NodeEvent>): void {
    if (this.#stream === stream) this.#session.receive(frame);
  }

  /** For `NodeSessions`: `stream` takes frames again. */
  drained(stream: NodeStream): void {
    if (this.#stream === stream) this.#session.drained();
  }
}

/** Ends a stream so that the node reads why. grpc-js makes a status of an emitted error; `destroy` would send none. */
export function endStream(stream: NodeStream, error: unknown): void {
  if (stream.cancelled || stream.writableEnded) return;
  stream.emit('error', Object.assign(new Error('link ended'), toServiceError(error)));
}
