/**
 * The node's session with the head: the node dials, says hello, then events go out and orders come in, in batches. A cut
 * stream is dialled again, and the session goes on where it was; a head that does not know it gives a new one.
 *
 * Not here: one stream (`head-dial.ts`), numbers and replay (`wire/session.ts`), what an order means (`node.ts`).
 *
 * Invariants: L1 within a session every event and order arrives once and in order. L2 with a new session
 * `onSession(true)` is called before anything else goes out, and results that the old one left unacknowledged go out
 * behind what that sends: they may arrive twice, and name their attempt. L3 no head of a lower epoch than one that was
 * seen is obeyed.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { NodeEvent, type HeadOrder, type LinkResponse, type Welcome } from '../gen/skein/v1/node.ts';
import { asError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { ONE_PROCESS, type Keepalive } from '../wire/channel.ts';
import type { Security } from '../wire/security.ts';
import { DEFAULT_WINDOW, Session, type FrameWriter } from '../wire/session.ts';
import { requireCompatible } from '../wire/version-skew.ts';
import { dialHead, type Dial } from './head-dial.ts';

export type Event = NonNullable<NodeEvent['event']>;
export type Order = NonNullable<HeadOrder['order']>;

export interface HeadLinkOptions {
  /** `host:port` of the head. */
  readonly address: string;
  readonly security: Security;
  readonly hello: {
    readonly node: string;
    readonly bootId: string;
    readonly dataDirId: string;
    readonly version: string;
    readonly actors: number;
    /** Default false. */
    readonly refusesUserCode?: boolean;
  };
  /** Dials again for ever after a cut. Else the first cut is the end: for a head in the same process. */
  readonly reconnect: boolean;
  /** With `reconnect`: how long the first dial is tried again while nobody answers. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** How long the head may take to welcome us. Default 10,000. */
  readonly welcomeMs?: number;
  readonly keepalive?: Keepalive;
  onOrder(order: Order): void;
  /** The head has taken care of an event of ours. Of each once, in order; of what an old session left it is not said. */
  onAcknowledged?(event: Event): void;
  /** We are connected. New: the head knows nothing of us; send the inventory within this call. */
  onSession(isNew: boolean, welcome: Welcome): void;
  /** The stream ended; `error` says why, unless the head closed it in order. Events are kept. */
  onCut(error: SkeinError | undefined): void;
  /** A dial after a cut failed, for whatever reason; the next one comes by itself. For the log. */
  onDialFailed?(error: SkeinError): void;
  /** The link has ended for good, and nobody asked for it: without `reconnect`, after `onCut`. */
  onFatal(error: SkeinError): void;
}

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;
/** A stream that lasted this long was a good one: the next wait is short again. */
const HELD_MS = 5_000;
/** What a link that is closed gives the head to acknowledge, and then to close its side. */
const FAREWELL_MS = 1_000;

/** Ends of something that happened, which no inventory tells: they follow the node into a new session. */
const CARRIED: ReadonlySet<Event['$case']> = new Set(['taskEnded', 'referenceReady', 'leaving']);

export class HeadLink implements AsyncDisposable {
  readonly #options: HeadLinkOptions;
  readonly #closing = new AbortController();
  #session: Session<NodeEvent, HeadOrder>;
  #sessionId = '';
  #highestEpoch = 0;
  #dial: Dial | undefined;
  #life: Promise<void> = Promise.resolve();

  private constructor(options: HeadLinkOptions) {
    this.#options = options;
    this.#session = this.#newSession();
  }

  /**
   * Dials until the head has welcomed us.
   * @throws SkeinError UNAUTHENTICATED, PREFLIGHT (version, name taken) at once; UNAVAILABLE | DEADLINE when the time is up
   */
  static async open(options: HeadLinkOptions): Promise<HeadLink> {
    const link = new HeadLink(options);
    const { reconnect, connectTimeoutMs = 10_000 } = options;
    const giveUpMs = performance.now() + (reconnect ? connectTimeoutMs : 0);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const dial = await link.#connect();
        link.#life = link.#live(dial);
        return link;
      } catch (error) {
        const waitMs = waitBefore(attempt);
        const isWorthIt = isSkeinError(error, 'UNAVAILABLE', 'DEADLINE');
        if (!isWorthIt || performance.now() + waitMs > giveUpMs) throw error;
        await delay(waitMs);
      }
    }
  }

  /**
   * Joins the batch of this tick; kept until the head has acknowledged it, also while the link is cut.
   * @throws SkeinError INVALID_INPUT for an event that is too large for the wire
   */
  send(event: Event): void {
    this.#session.send({ event });
  }

  /** Waits a moment for the head to take in what was sent, and hangs up. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#dial && !this.#closing.signal.aborted) {
      const patience = new AbortController();
      const waited = delay(FAREWELL_MS, undefined, { signal: patience.signal }).catch(() => {});
      await Promise.race([this.#session.settled(), this.#dial.ended, waited]);
      patience.abort();
    }
    this.#closing.abort();
    await this.#dial?.close(FAREWELL_MS);
    await this.#life;
    this.#session.close();
  }

  /** One dial, up to the welcome. */
  async #connect(): Promise<Dial> {
    const { address, security, hello, reconnect, welcomeMs = 10_000 } = this.#options;
    const { keepalive = reconnect ? undefined : ONE_PROCESS } = this.#options;
    const { lastReceived } = this.#session;
    const dial = dialHead({
      address,
      security,
      hello: { refusesUserCode: false, ...hello, sessionId: this.#sessionId, lastReceived, window: DEFAULT_WINDOW },
      welcomeMs,
      keepalive,
      onWelcome: (welcome, write) => this.#welcomed(welcome, write),
      onFrame: (frame) => this.#receive(frame),
      onDrain: () => this.#session.drained(),
    });
    this.#dial = dial;
    try {
      await dial.welcomed;
      return dial;
    } catch (error) {
      this.#session.detach();
      throw error;
    }
  }

  #welcomed(welcome: Welcome, write: FrameWriter<NodeEvent>): void {
    const { address } = this.#options;
    requireCompatible(`head ${address}`, welcome.version, this.#options.hello.version);
    if (welcome.headEpoch < this.#highestEpoch) {
      throw new SkeinError(
        'UNAVAILABLE',
        `head ${address}: its epoch ${welcome.headEpoch} is over, epoch ${this.#highestEpoch} has begun`,
      );
    }
    this.#highestEpoch = welcome.headEpoch;
    const isNew = !welcome.isResumed || welcome.sessionId !== this.#sessionId;
    if (!isNew) this.#session.attach(write, welcome);
    else this.#startSession(welcome, write);
    this.#options.onSession(isNew, welcome);
  }

  #startSession(welcome: Welcome, write: FrameWriter<NodeEvent>): void {
    const old = this.#session;
    const carried = old.undelivered().filter(({ event }) => event && CARRIED.has(event.$case));
    old.close();
    this.#session = this.#newSession();
    this.#sessionId = welcome.sessionId;
    this.#session.attach(write, { ...welcome, lastReceived: 0 });
    // Behind the inventory, which is sent in `onSession`.
    queueMicrotask(() => carried.forEach((event) => this.#session.send(event)));
  }

  #newSession(): Session<NodeEvent, HeadOrder> {
    return new Session<NodeEvent, HeadOrder>({
      sizeOf: (event) => NodeEvent.encode(event).finish().length,
      kindOf: ({ event }) => `event ${event?.$case} of node ${this.#options.hello.node}`,
      deliver: ({ order }) => order && this.#options.onOrder(order),
      onAcknowledged: ({ event }) => event && this.#options.onAcknowledged?.(event),
      // What a node has to say is bounded by what it was given to do.
      maxQueuedBytes: Infinity,
    });
  }

  #receive({ sequence, orders, acknowledged }: LinkResponse): void {
    try {
      this.#session.receive({ sequence, messages: orders, acknowledged });
    } catch (error) {
      // The next stream must not bring the same again.
      this.#sessionId = '';
      throw error;
    }
  }

  async #live(first: Dial): Promise<void> {
    const { reconnect, address } = this.#options;
    let attempt = 0;
    for (let dial: Dial | undefined = first; dial; dial = await this.#redial(attempt)) {
      const startMs = performance.now();
      const error = await dial.ended;
      this.#session.detach();
      if (this.#closing.signal.aborted) return;
      this.#options.onCut(error);
      if (!reconnect)
        return this.#options.onFatal(error ?? new SkeinError('UNAVAILABLE', `head ${address}: closed the link`));
      attempt = performance.now() - startMs > HELD_MS ? 0 : attempt + 1;
    }
  }

  /** Dials until it is welcomed; undefined when this link is closed meanwhile. */
  async #redial(startAttempt: number): Promise<Dial | undefined> {
    const { signal } = this.#closing;
    for (let attempt = startAttempt; ; attempt += 1) {
      try {
        await delay(waitBefore(attempt), undefined, { signal });
        return await this.#connect();
      } catch (error) {
        if (signal.aborted) return undefined;
        this.#options.onDialFailed?.(isSkeinError(error) ? error : unexpected(error));
      }
    }
  }
}

function unexpected(error: unknown): SkeinError {
  return new SkeinError('INTERNAL', asError(error).message, { cause: error });
}

/** Doubling from 0.2 s to 5 s, the upper half of it random. */
function waitBefore(attempt: number): number {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, attempt - 1));
  return longest * (0.5 + Math.random() / 2);
}
