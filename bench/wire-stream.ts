/**
 * Messages a second between a node and a head in two processes on loopback, each way on its own: the real link, session
 * and server, events and orders of ordinary size, 100 a frame. The target is absolute; medians of five.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { Outcome } from '../src/gen/skein/v1/node.ts';
import { VERSION } from '../src/kernel/version.ts';
import { HeadLink, type Order } from '../src/node/head-link.ts';
import { atLeast, median, type BenchRow } from './row.ts';
import { PER_TICK, TOKEN } from './wire-load.ts';

const ROUNDS = 5;
const COUNT = 200_000;

function ended(index: number) {
  const instanceId = `sports_events_${index}`;
  const value = { runId: '20260101t0000-noop-raw-abcdef', instanceId, attempt: 1, outcome: Outcome.OK, error: '' };
  return { $case: 'taskEnded' as const, value: { ...value, isLate: false, isDuplicate: false } };
}

/** Asks the head to send `orders` of its own. */
function ask(orders: number) {
  return { $case: 'health' as const, value: { trouble: '', spoolBytes: 0, spoolRows: orders, rssBytes: 0 } };
}

export async function run(): Promise<BenchRow[]> {
  const peer = spawn(process.execPath, [fileURLToPath(new URL('./wire-peer.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  const port = String((await lines.next()).value);
  let onOrder = (_order: Order): void => {};
  const link = await HeadLink.open({
    address: `127.0.0.1:${port}`,
    security: { token: TOKEN },
    hello: { node: 'bench', bootId: 'b', dataDirId: 'd', version: VERSION, actors: 1 },
    reconnect: false,
    onOrder: (order) => onOrder(order),
    onSession: () => {},
    onCut: () => {},
    onFatal: () => {},
  });
  const up: number[] = [];
  const down: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      up.push(
        await rate((done) => {
          onOrder = (order) => order.$case === 'steal' && order.value.runId === 'heard' && done(order.value.count);
          void sendAll(link);
        }),
      );
      down.push(
        await rate((done) => {
          let count = 0;
          onOrder = (order) => {
            if (order.$case === 'steal' && order.value.runId === 'bench') count += 1;
            if (count === COUNT) done(count);
          };
          link.send(ask(COUNT));
        }),
      );
    }
  } finally {
    await link[Symbol.asyncDispose]();
    peer.stdin.end();
    await once(peer, 'exit');
  }
  const note = (values: readonly number[]): string =>
    `${PER_TICK} a frame, ${Math.round(Math.min(...values))}..${Math.round(Math.max(...values))}`;
  return [
    atLeast('batched stream, node to head', 'messages/s', median(up), 100_000, note(up)),
    atLeast('batched stream, head to node', 'messages/s', median(down), 100_000, note(down)),
  ];
}

async function sendAll(link: HeadLink): Promise<void> {
  for (let sent = 0; sent < COUNT;) {
    for (const end = sent + PER_TICK; sent < end; sent += 1) link.send(ended(sent));
    await new Promise((resolve) => setImmediate(resolve));
  }
  link.send(ask(0));
}

/** Messages a second; `begin` is given what to call with the number that came. */
async function rate(begin: (done: (count: number) => void) => void): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const startMs = performance.now();
  begin(resolve);
  const count = await promise;
  if (count !== COUNT) throw new Error(`${count} of ${COUNT} came`);
  return (COUNT / (performance.now() - startMs)) * 1000;
}
