import { setInterval as every } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { Outcome } from '../../src/gen/skein/v1/node.ts';
import type { Event } from '../../src/head/node-session.ts';
import type { Order } from '../../src/node/head-link.ts';
import { Link } from '../helpers/cluster/link.ts';
import { checkLeaksAfterEach } from '../helpers/leaks.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { QUICK, startWireHead, type WireHead, type WireHeadOptions } from '../helpers/wire-head.ts';
import { startWireNode, type WireNode, type WireNodeOptions } from '../helpers/wire-node.ts';

const COUNT = 10_000;

const started = (index: number): Event => ({
  $case: 'taskStarted',
  value: { runId: 'r1', instanceId: `i${index}`, attempt: 1 },
});
const ended = (index: number): Event => ({
  $case: 'taskEnded',
  value: {
    runId: 'r1',
    instanceId: `i${index}`,
    attempt: 1,
    outcome: Outcome.OK,
    error: '',
    isLate: false,
    isDuplicate: false,
  },
});
const steal = (count: number): Order => ({ $case: 'steal', value: { runId: 'r1', database: 'd', count } });
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

interface Lab extends AsyncDisposable {
  readonly head: WireHead;
  readonly network: Link;
  readonly node: WireNode;
  /** What the head heard, as `taskStarted i3`. */
  readonly heard: string[];
}

async function startLab(nodeOptions: Partial<WireNodeOptions> = {}, headOptions: WireHeadOptions = {}): Promise<Lab> {
  const heard: string[] = [];
  const onEvent = (_: unknown, event: Event): void => {
    const value = event.value as { instanceId?: string };
    heard.push(`${event.$case}${value.instanceId === undefined ? '' : ` ${value.instanceId}`}`);
  };
  await using stack = new AsyncDisposableStack();
  const head = stack.use(await startWireHead({ keepalive: QUICK, onEvent, ...headOptions }));
  const network = stack.use(await Link.open(() => head.port));
  const node = stack.use(
    await startWireNode({ address: network.address, keepalive: QUICK, welcomeMs: 1_500, ...nodeOptions }),
  );
  const whole = stack.move();
  return { head, network, node, heard, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

/** Says `COUNT` things both ways, over more than a second; `deed` happens in the middle. */
async function talk({ head, node }: Lab, deed: () => Promise<void>): Promise<void> {
  let index = 0;
  let doing: Promise<void> | undefined;
  for await (const _ of every(4)) {
    for (const end = Math.min(COUNT, index + 40); index < end; index += 1) {
      node.link.send(started(index));
      head.session().send(steal(index));
    }
    if (index > COUNT / 4) doing ??= deed();
    if (index === COUNT) break;
  }
  await doing;
}

async function seconds(s: number): Promise<void> {
  for await (const _ of every(s * 1_000)) return;
}

describe('a link', () => {
  checkLeaksAfterEach();

  const disasters: readonly (readonly [string, (network: Link) => void])[] = [
    ['drops every packet', (network) => network.cut()],
    ['drops what the node says', (network) => network.cut('up')],
    ['drops what the head says', (network) => network.cut('down')],
    ['resets and refuses connections', (network) => network.refuse()],
    ['half-closes every connection', (network) => network.halfClose()],
    [
      'resets every connection and is slow',
      (network) => {
        network.delay(120);
        network.reset();
      },
    ],
  ];
  it.each(disasters)(
    'loses and doubles nothing of 20,000 messages when the network %s for 1.5 seconds',
    async (_, begin) => {
      await using lab = await startLab();
      const { head, network, node, heard } = lab;
      await talk(lab, async () => {
        begin(network);
        await seconds(1.5);
        network.heal();
      });
      await waitUntil('all is there', () => heard.length >= COUNT && node.orders.length >= COUNT, 12_000);
      expect(heard).toEqual(numbers(COUNT).map((index) => `taskStarted i${index}`));
      expect(node.orders.map((order) => (order.$case === 'steal' ? order.value.count : -1))).toEqual(numbers(COUNT));
      expect(node.story.filter((line) => line === 'session new')).toHaveLength(1);
      expect(node.story.at(-1)).toBe('session resumed');
      expect(head.story.at(-1)).toBe('resumed n1');
    },
  );

  it('is seen as silent by both sides when the network swallows everything', async () => {
    await using lab = await startLab();
    const { head, network, node } = lab;
    network.cut();
    const startMs = performance.now();
    await waitUntil('both noticed', () => node.story.length > 1 && head.session().state === 'silent');
    expect(performance.now() - startMs).toBeLessThan(3_000);
    expect(head.session().silentSinceMs).toBeGreaterThan(startMs);
    network.heal();
    await waitUntil('it is back', () => head.session().state === 'connected');
    expect(head.session().silentSinceMs).toBeUndefined();
  });

  it('keeps orders and events for a peer that is away, and delivers them when it is back', async () => {
    await using lab = await startLab();
    const { head, network, node, heard } = lab;
    network.refuse();
    await waitUntil('both noticed', () => node.story.length > 1 && head.session().state === 'silent');
    head.session().send(steal(7));
    node.link.send(started(7));
    network.heal();
    await waitUntil('all is there', () => heard.length === 1 && node.orders.length === 1);
    expect(node.orders).toEqual([steal(7)]);
    expect(heard).toEqual(['taskStarted i7']);
  });

  it('goes on over a new stream although the head has not noticed that the old one is dead', async () => {
    const patient = { timeMs: 60_000, timeoutMs: 60_000 };
    await using lab = await startLab({}, { keepalive: patient });
    const { head, network, node } = lab;
    // Only the node's end of the connection is broken; the head keeps its own for a minute.
    network.cut();
    await waitUntil('the node noticed', () => node.story.length > 1);
    expect(head.session().state).toBe('connected');
    network.heal();
    await waitUntil('it is back', () => node.story.at(-1) === 'session resumed');
    await waitUntil('the head took the new stream', () => head.story.at(-1) === 'resumed n1');
    expect(head.story.slice(-2)).toEqual(['cut n1, silent', 'resumed n1']);
    head.session().send(steal(1));
    await waitUntil('orders come', () => node.orders.length === 1);
  });

  it('gets a new session from a head that was restarted: inventory first, then the results that were not acknowledged', async () => {
    await using lab = await startLab();
    const { head, network, node } = lab;
    network.cut('up');
    node.link.send(started(1));
    node.link.send(ended(1));
    head.stop();
    network.reset();
    network.heal();
    await waitUntil('the node noticed', () => node.story.length > 1);
    const heard: string[] = [];
    using next = await startWireHead({ port: head.port, onEvent: (_, event) => void heard.push(event.$case) });
    await waitUntil('it has joined', () => next.story.length > 0);
    await waitUntil('all is there', () => heard.length >= 2);
    expect(next.story).toEqual(['joined n1']);
    expect(heard).toEqual(['inventory', 'taskEnded']);
    expect(node.story.filter((line) => line.startsWith('session'))).toEqual(['session new', 'session new']);
  });

  it('gets a new session when the head gave the old one up', async () => {
    await using lab = await startLab();
    const { head, node, heard } = lab;
    head.sessions.drop(head.session(), 'silent for too long');
    await waitUntil('it is back', () => node.story.length === 3);
    expect(node.story[1]).toBe(`cut: head ${lab.network.address}: session ended: silent for too long`);
    expect(node.story[2]).toBe('session new');
    await waitUntil('the inventory is there', () => heard.length > 0);
    expect(heard).toEqual(['inventory']);
  });

  it('says everything that was sent before it hangs up', async () => {
    await using lab = await startLab();
    const { head, node, heard } = lab;
    for (const index of numbers(3_000)) node.link.send(started(index));
    node.link.send({ $case: 'leaving', value: { reason: 'SIGTERM' } });
    await node.stop();
    expect(heard).toHaveLength(3_001);
    await waitUntil('its end is known', () => head.story.length === 2);
    expect(head.story[1]).toBe('cut n1, leaving');
  });

  it('ends at the first cut when it may not dial again', async () => {
    await using lab = await startLab({ reconnect: false });
    const { network, node } = lab;
    network.reset();
    await waitUntil('it ended', () => node.story.length === 3);
    expect(node.story[2]).toMatch(/^fatal: head 127\.0\.0\.1:\d+: /);
  });
});

describe('a dial', () => {
  checkLeaksAfterEach();

  it('proves that the earlier life on its data dir is dead, by another boot id', async () => {
    using head = await startWireHead();
    await using first = await startWireNode({ address: head.address });
    await first.stop();
    await using _next = await startWireNode({ address: head.address, hello: { bootId: 'boot-2', node: 'renamed' } });
    expect(head.story).toEqual(['joined n1', 'cut n1, silent', 'joined renamed, its earlier self is dead']);
    expect(head.sessions.list().map(({ node }) => node)).toEqual(['renamed']);
  });

  it('is refused under a name that another data dir has, and leaves that one alone', async () => {
    using head = await startWireHead();
    await using first = await startWireNode({ address: head.address });
    const second = startWireNode({ address: head.address, hello: { dataDirId: 'dir-2' } });
    await expect(second).rejects.toThrow(
      `head ${head.address}: node name n1 is taken by a node with another data dir: give --node-name, or stop that one first`,
    );
    head.session().send(steal(1));
    await waitUntil('the first one still listens', () => first.orders.length === 1);
    expect(head.story[1]).toContain('refused n1: node name n1 is taken');
  });

  it('is refused for a version two minors away, naming both (P-15)', async () => {
    using head = await startWireHead();
    await expect(startWireNode({ address: head.address, hello: { version: '0.3.0' } })).rejects.toThrow(
      /node n1 is of version 0\.3\.0 and this side of version 0\.1\.\d+: they cannot work together/,
    );
    await using _near = await startWireNode({ address: head.address, hello: { version: '0.2.9' } });
    expect(head.story.at(-1)).toBe('joined n1');
  });

  it('obeys no head of an epoch that is over, and goes on with one of a later epoch', async () => {
    using head = await startWireHead({ epoch: 5 });
    await using node = await startWireNode({ address: head.address });
    head.stop();
    using zombie = await startWireHead({ epoch: 4, port: head.port });
    await waitUntil('it was turned down', () => node.story.some((line) => line.includes('epoch 4 is over')));
    expect(node.story).not.toContain('session resumed');
    expect(node.story.filter((line) => line === 'session new')).toHaveLength(1);
    zombie.stop();
    using _heir = await startWireHead({ epoch: 6, port: head.port });
    await waitUntil('it joined', () => node.story.at(-1) === 'session new');
  });

  it('waits for a head that is not there yet, as long as it may', async () => {
    using head = await startWireHead();
    head.stop();
    const opening = startWireNode({ address: head.address, connectTimeoutMs: 8_000 });
    using _late = await startWireHead({ port: head.port });
    await using node = await opening;
    expect(node.story).toEqual(['session new']);
    const nobody = startWireNode({ address: '127.0.0.1:1', connectTimeoutMs: 300 });
    await expect(nobody).rejects.toThrow('head 127.0.0.1:1: nothing listens there: start it with `skein start --head`');
  });
});
