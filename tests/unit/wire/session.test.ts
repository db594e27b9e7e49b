import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_MESSAGE_BYTES } from '../../../src/wire/channel.ts';
import { Session, type Frame } from '../../../src/wire/session.ts';

type Message = string;

/** One side, and the frames that it wrote and nobody has taken yet. */
class Side {
  readonly session: Session<Message, Message>;
  readonly heard: Message[] = [];
  readonly overflows: number[] = [];
  outbox: Frame<Message>[] = [];
  /** What `write` answers. */
  hasRoom = true;
  mostUnacknowledged = 0;

  constructor(maxQueuedBytes?: number) {
    this.session = new Session<Message, Message>({
      sizeOf: (message) => message.length,
      kindOf: (message) => `message ${message.slice(0, 5)}`,
      deliver: (message) => this.heard.push(message),
      ...(maxQueuedBytes !== undefined && { maxQueuedBytes }),
      onOverflow: (bytes) => this.overflows.push(bytes),
    });
  }

  attach(lastReceived: number, window: number): void {
    this.outbox = [];
    this.session.attach(
      (frame) => {
        this.outbox.push(frame);
        this.mostUnacknowledged = Math.max(this.mostUnacknowledged, this.session.unacknowledged);
        return this.hasRoom;
      },
      { lastReceived, window },
    );
  }
}

/** Two sides and a network that does what it likes. */
class Pair {
  readonly a: Side;
  readonly b: Side;
  readonly #window: number;

  constructor(window: number, maxQueuedBytes?: number) {
    this.a = new Side(maxQueuedBytes);
    this.b = new Side(maxQueuedBytes);
    this.#window = window;
    this.dial();
  }

  /** A new stream, as the handshake makes it: what was on its way is gone. */
  dial(): void {
    const { a, b } = this;
    const [seenByA, seenByB] = [a.session.lastReceived, b.session.lastReceived];
    a.session.detach();
    b.session.detach();
    expect(a.session.canResume(seenByB)).toBe(true);
    expect(b.session.canResume(seenByA)).toBe(true);
    a.attach(seenByB, this.#window);
    b.attach(seenByA, this.#window);
  }

  /** Hands over the frame at `index` of what is on its way to `to`; a gap cuts the stream. */
  deliver(from: Side, to: Side, index: number, keep = false): void {
    const frame = from.outbox[index];
    if (!frame) return;
    if (!keep) from.outbox.splice(index, 1);
    try {
      to.session.receive(frame);
    } catch {
      this.dial();
    }
  }

  /** Until nothing is on its way and everything is acknowledged. */
  async quiet(): Promise<void> {
    const { a, b } = this;
    for (let round = 0; round < 5_000; round += 1) {
      await tick();
      if (a.outbox.length + b.outbox.length + a.session.queuedBytes + b.session.queuedBytes === 0) return;
      this.deliver(a, b, 0);
      this.deliver(b, a, 0);
    }
    throw new Error('the pair did not come to rest');
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const deed = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('send'), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver'), at: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('deliver'), at: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('double'), at: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose'), at: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut') }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('tick') }) },
);
type Deed = { readonly kind: string; readonly count?: number; readonly at?: number };

async function doAll(
  pair: Pair,
  deeds: readonly (Deed & { readonly isFromA: boolean })[],
): Promise<[string[], string[]]> {
  const said: [string[], string[]] = [[], []];
  for (const { kind, count = 1, at = 0, isFromA } of deeds) {
    const [from, to] = isFromA ? [pair.a, pair.b] : [pair.b, pair.a];
    const list = said[isFromA ? 0 : 1];
    if (kind === 'send') {
      for (let i = 0; i < count; i += 1) {
        list.push(`${isFromA ? 'a' : 'b'}${list.length}`);
        from.session.send(list.at(-1) ?? '');
      }
    } else if (kind === 'deliver') pair.deliver(from, to, at);
    else if (kind === 'double') pair.deliver(from, to, at, true);
    else if (kind === 'lose') from.outbox.splice(at, 1);
    else if (kind === 'cut') pair.dial();
    else await tick();
  }
  return said;
}

describe('a session', () => {
  it('loses nothing and doubles nothing, whatever the network loses, doubles, swaps and cuts', async () => {
    const deeds = fc.array(fc.tuple(deed, fc.boolean()), { maxLength: 120, size: 'max' });
    await fc.assert(
      fc.asyncProperty(deeds, fc.integer({ min: 1, max: 4 }), async (list, window) => {
        const pair = new Pair(window);
        const [fromA, fromB] = await doAll(
          pair,
          list.map(([one, isFromA]) => ({ ...(one as Deed), isFromA })),
        );
        pair.dial();
        await pair.quiet();
        expect(pair.b.heard).toEqual(fromA);
        expect(pair.a.heard).toEqual(fromB);
        expect(Math.max(pair.a.mostUnacknowledged, pair.b.mostUnacknowledged)).toBeLessThanOrEqual(window);
      }),
      { numRuns: 200 },
    );
  });

  it('drops a frame that it has seen and acknowledges it again, and refuses a gap', async () => {
    const pair = new Pair(64);
    const frame = (sequence: number): Frame<string> => ({ sequence, messages: [`m${sequence}`], acknowledged: 0 });
    pair.b.session.receive(frame(1));
    pair.b.session.receive(frame(1));
    await tick();
    expect(pair.b.heard).toEqual(['m1']);
    expect(pair.b.outbox).toEqual([{ sequence: 0, messages: [], acknowledged: 1 }]);
    expect(() => pair.b.session.receive(frame(3))).toThrow('frame 3 came after frame 1');
    expect(pair.b.heard).toEqual(['m1']);
  });

  it('has no more frames out than the peer allows, and goes on when they are acknowledged', async () => {
    const pair = new Pair(3);
    for (let i = 0; i < 10; i += 1) {
      pair.a.session.send(`m${i}`);
      await tick();
    }
    expect(pair.a.outbox.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    await pair.quiet();
    expect(pair.b.heard).toHaveLength(10);
    expect(pair.a.mostUnacknowledged).toBe(3);
  });

  it('puts all that a tick brings into one frame, and acknowledges a burst once', async () => {
    const pair = new Pair(64);
    for (let i = 0; i < 100; i += 1) pair.a.session.send(`m${i}`);
    await tick();
    expect(pair.a.outbox).toHaveLength(1);
    pair.a.session.send('one more');
    await tick();
    pair.deliver(pair.a, pair.b, 0);
    pair.deliver(pair.a, pair.b, 0);
    await tick();
    expect(pair.b.outbox).toEqual([{ sequence: 0, messages: [], acknowledged: 2 }]);
  });

  it('waits for a full stream to drain before it writes again', async () => {
    const pair = new Pair(64);
    pair.a.hasRoom = false;
    pair.a.session.send('first');
    await tick();
    pair.a.session.send('second');
    await tick();
    expect(pair.a.outbox).toHaveLength(1);
    pair.a.hasRoom = true;
    pair.a.session.drained();
    expect(pair.a.outbox).toHaveLength(2);
  });

  it('splits what is too much for one frame and refuses a message that no frame can carry', async () => {
    const pair = new Pair(64);
    for (let i = 0; i < 5; i += 1) pair.a.session.send('x'.repeat(600_000));
    await tick();
    const bytes = pair.a.outbox.map(({ messages }) => messages.join('').length);
    expect(bytes).toEqual([600_000, 600_000, 600_000, 600_000, 600_000]);
    expect(() => pair.a.session.send('y'.repeat(MAX_MESSAGE_BYTES))).toThrow(
      `message yyyyy of ${MAX_MESSAGE_BYTES + 8} bytes does not fit on the wire (at most ${MAX_MESSAGE_BYTES - 64})`,
    );
    await pair.quiet();
    expect(pair.b.heard).toHaveLength(5);
  });

  it('tells its owner when too much is kept for a peer that says nothing, and keeps nothing once closed', async () => {
    const pair = new Pair(4, 10_000);
    pair.a.session.detach();
    for (let i = 0; i < 11; i += 1) pair.a.session.send('z'.repeat(1_000));
    expect(pair.a.overflows).toEqual([10 * 1_008, 11 * 1_008]);
    expect(pair.a.session.undelivered()).toHaveLength(11);
    pair.a.session.close();
    pair.a.session.send('late');
    expect(pair.a.session.queuedBytes).toBe(0);
    await pair.a.session.settled();
  });

  it('does not go on with a peer that has seen what was never sent, or has lost what it had acknowledged', async () => {
    const pair = new Pair(64);
    pair.a.session.send('one');
    await pair.quiet();
    expect(pair.a.session.canResume(1)).toBe(true);
    expect(pair.a.session.canResume(0)).toBe(false);
    expect(pair.a.session.canResume(2)).toBe(false);
    expect(() => pair.a.session.receive({ sequence: 0, messages: [], acknowledged: 7 })).toThrow(
      'frame 7 is acknowledged',
    );
  });

  it('stops delivering when a delivery closes it', async () => {
    const heard: string[] = [];
    const session: Session<string, string> = new Session<string, string>({
      sizeOf: () => 1,
      kindOf: String,
      deliver: (message) => {
        heard.push(message);
        session.close();
      },
    });
    session.receive({ sequence: 1, messages: ['one', 'two'], acknowledged: 0 });
    expect(heard).toEqual(['one']);
  });
});
