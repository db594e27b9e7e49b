/** A head in a process of its own that answers every event with an order of the same number. `port`, then `heard N in order: true`. */
import { createInterface } from 'node:readline';

import type { Event, NodeSession } from '../../src/head/node-session.ts';
import { QUICK, startWireHead } from '../helpers/wire-head.ts';

const heard: number[] = [];
const onEvent = (session: NodeSession, event: Event): void => {
  if (event.$case !== 'health') return;
  heard.push(event.value.spoolRows);
  session.send({ $case: 'steal', value: { runId: 'r1', database: 'd', count: event.value.spoolRows } });
};
const head = await startWireHead({ keepalive: QUICK, onEvent, port: Number(process.argv[2] ?? 0) });
console.log(`port ${head.port}`);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'report')
    console.log(`heard ${heard.length} in order: ${heard.every((value, index) => value === index)}`);
}
