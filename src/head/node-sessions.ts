/**
 * All nodes that the head knows by a session: answers dial-ins with the session that they go on with, or with a new one,
 * or turns them away.
 *
 * Invariants: D1 a node name belongs to one data dir as long as that one's session is there, silent or not. D2 a data dir
 * has one session: a new one replaces the old one before the head hears of it. D3 what one peer sends can end its own
 * stream and nothing else.
 */
import { randomUUID } from 'node:crypto';

import type { Hello, LinkRequest } from '../gen/skein/v1/node.ts';
import { describeError, SkeinError } from '../kernel/errors.ts';
import { parseName } from '../kernel/ids.ts';
import { VERSION } from '../kernel/version.ts';
import { DEFAULT_WINDOW, type PeerState } from '../wire/session.ts';
import { requireCompatible } from '../wire/version-skew.ts';
import { endStream, NodeSession, type Event, type NodeListener, type NodeStream } from './node-session.ts';

/** A dialled-in peer says hello within this. */
const HELLO_MS = 10_000;

export class NodeSessions {
  readonly #listener: NodeListener;
  readonly #helloMs: number;
  readonly #byId = new Map<string, NodeSession>();

  /** @param helloMs how long a peer may take for its hello; default 10,000 */
  constructor(listener: NodeListener, helloMs = HELLO_MS) {
    this.#listener = listener;
    this.#helloMs = helloMs;
  }

  /** Every session, silent ones too. */
  list(): NodeSession[] {
    return [...this.#byId.values()];
  }

  get(node: string): NodeSession | undefined {
    return this.list().find((session) => session.node === node);
  }

  /** Forgets and closes a session. A later dial-in of its node is answered with a new one. */
  drop(session: NodeSession, reason = 'the head gave this node up'): void {
    this.#byId.delete(session.sessionId);
    session.close(reason);
  }

  /** Serves one dialled-in stream until it ends. */
  serve(stream: NodeStream): void {
    let session: NodeSession | undefined;
    const refuse = (error: unknown, node = session?.node ?? stream.getPeer()): void => {
      this.#listener.refused?.(node, error instanceof Error ? error : new Error(describeError(error)));
      endStream(stream, error);
    };
    const timer = setTimeout(
      () => refuse(new SkeinError('DEADLINE', `no hello within ${this.#helloMs} ms`)),
      this.#helloMs,
    );
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      if (session?.detach(stream)) this.#ended(session);
    };
    stream.on('drain', () => session?.drained(stream));
    stream.on('data', (frame: LinkRequest) => {
      if (isOver) return;
      try {
        if (session) return session.receive(stream, { ...frame, messages: frame.events });
        clearTimeout(timer);
        session = this.#welcome(stream, frame);
      } catch (error) {
        refuse(error, session?.node ?? helloOf(frame)?.node);
        // What cannot be understood now cannot be understood on the next stream either: the node starts over, with an
        // inventory. Until then this one stays listed as silent.
        session?.close(describeError(error));
      }
    });
    stream.on('end', () => {
      over();
      stream.end();
    });
    stream.on('cancelled', over);
    stream.on('error', over);
    stream.on('close', over);
  }

  #ended(session: NodeSession): void {
    if (this.#byId.get(session.sessionId) === session) this.#listener.cut(session);
  }

  #welcome(stream: NodeStream, frame: LinkRequest): NodeSession {
    const hello = helloOf(frame);
    if (!hello) throw new SkeinError('INVALID_INPUT', 'the first frame on a link is a hello');
    parseName('node', hello.node);
    requireCompatible(`node ${hello.node}`, hello.version);
    const known = this.#byId.get(hello.sessionId);
    const isResumed = isSameLife(known, hello) && known.canResume(hello.lastReceived);
    return isResumed ? this.#resume(stream, known, hello) : this.#join(stream, hello);
  }

  #resume(stream: NodeStream, session: NodeSession, hello: Hello): NodeSession {
    // The node noticed the cut before we did.
    const old = session.supersede();
    if (old && session.detach(old)) this.#listener.cut(session);
    this.#greet(stream, session, true);
    session.attach(stream, peerOf(hello));
    this.#listener.resumed(session);
    return session;
  }

  #join(stream: NodeStream, hello: Hello): NodeSession {
    const namesake = this.get(hello.node);
    if (namesake && namesake.dataDirId !== hello.dataDirId) {
      throw new SkeinError(
        'PREFLIGHT',
        `node name ${hello.node} is taken by a node with another data dir: give --node-name, or stop that one first`,
      );
    }
    const replaced = this.list().find(({ dataDirId }) => dataDirId === hello.dataDirId);
    const session = new NodeSession(randomUUID(), hello, replaced, (from, event) => this.#deliver(from, event));
    if (replaced) this.drop(replaced, 'the same data dir dialled in anew');
    this.#byId.set(session.sessionId, session);
    try {
      this.#listener.joined(session);
    } catch (error) {
      this.drop(session);
      throw error;
    }
    this.#greet(stream, session, false);
    session.attach(stream, { ...peerOf(hello), lastReceived: 0 });
    return session;
  }

  #greet(stream: NodeStream, session: NodeSession, isResumed: boolean): void {
    const { lastReceived, sessionId } = session;
    const value = {
      version: VERSION,
      sessionId,
      isResumed,
      lastReceived,
      window: DEFAULT_WINDOW,
      ...this.#listener.welcome(),
    };
    stream.write({ sequence: 0, orders: [{ order: { $case: 'welcome', value } }], acknowledged: lastReceived });
  }

  #deliver(session: NodeSession, event: Event): void {
    if (event.$case === 'hello') throw new SkeinError('INVALID_INPUT', 'a second hello on one link');
    this.#listener.event(session, event);
  }
}

function helloOf({ sequence, events }: LinkRequest): Hello | undefined {
  const event = events[0]?.event;
  return sequence === 0 && events.length === 1 && event?.$case === 'hello' ? event.value : undefined;
}

function peerOf({ lastReceived, window }: Hello): PeerState {
  return { lastReceived, window: window || DEFAULT_WINDOW };
}

function isSameLife(known: NodeSession | undefined, { bootId, dataDirId }: Hello): known is NodeSession {
  return known !== undefined && known.bootId === bootId && known.dataDirId === dataDirId;
}
