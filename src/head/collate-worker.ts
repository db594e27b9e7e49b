/** The thread that one collation has to itself: its order comes as workerData, its answer is one message. */
import { parentPort, workerData } from 'node:worker_threads';

import { errorToWire } from '../kernel/errors.ts';
import { armFailPoint } from '../kernel/failpoint.ts';
import { collateHere, type CollateAnswer, type CollateOrder } from './collate.ts';

const order = workerData as CollateOrder;
const cancelled = new AbortController();
armFailPoint(order.failPoint);
// Any message asks it to stop; without one the thread ends by itself after its answer.
parentPort?.on('message', () => cancelled.abort()).unref();

let answer: CollateAnswer;
try {
  answer = { kind: 'done', collation: await collateHere(order.options, cancelled.signal) };
} catch (error) {
  answer = { kind: 'failed', error: errorToWire(error) };
}
parentPort?.postMessage(answer);
