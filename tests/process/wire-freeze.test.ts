import { setInterval as every } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { startChild, type TalkingChild } from '../helpers/talking-child.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { QUICK } from '../helpers/wire-head.ts';
import { startWireNode, type WireNode } from '../helpers/wire-node.ts';

const COUNT = 5_000;
const script = fileURLToPath(new URL('./wire-head-child.ts', import.meta.url));

async function startHead(port = 0): Promise<TalkingChild & { readonly port: number }> {
  const child = startChild(script, String(port));
  return Object.assign(child, { port: Number((await child.hear('port')).split(' ')[1]) });
}

/** Sends numbered events for about a second and does `deed` in the middle. */
async function talk(node: WireNode, deed: () => void): Promise<void> {
  let sent = 0;
  for await (const _ of every(5)) {
    for (const end = Math.min(COUNT, sent + 25); sent < end; sent += 1) {
      node.link.send({ $case: 'health', value: { trouble: '', spoolBytes: 0, spoolRows: sent, rssBytes: 0 } });
    }
    if (sent === COUNT / 2) deed();
    if (sent === COUNT) return;
  }
}

describe('a head in a process of its own', () => {
  it('goes on where it was after it was frozen for longer than its node waits', async () => {
    await using head = await startHead();
    await using node = await startWireNode({
      address: `127.0.0.1:${head.port}`,
      keepalive: QUICK,
      welcomeMs: 500,
    });
    await talk(node, () => head.process.kill('SIGSTOP'));
    await waitUntil('the node noticed, and dialled in vain', () =>
      node.story.some((line) => line.startsWith('dial failed')),
    );
    head.process.kill('SIGCONT');
    await waitUntil('every answer is there', () => node.orders.length >= COUNT, 15_000);
    expect(node.orders.map((order) => (order.$case === 'steal' ? order.value.count : -1))).toEqual(
      Array.from({ length: COUNT }, (_, index) => index),
    );
    expect(node.story.filter((line) => line === 'session new')).toHaveLength(1);
    head.tell('report');
    expect(await head.hear('heard')).toBe(`heard ${COUNT} in order: true`);
  });

  it('is seen to be gone at once when it is killed, and its successor is joined anew', async () => {
    await using head = await startHead();
    await using node = await startWireNode({ address: `127.0.0.1:${head.port}` });
    const startMs = performance.now();
    await head.kill();
    await waitUntil('the node noticed', () => node.story.length === 2);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    await using _next = await startHead(head.port);
    await waitUntil('it has joined', () => node.story.at(-1) === 'session new', 10_000);
  });
});
