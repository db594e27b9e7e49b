/** The peer: a bare worker_threads port that carries the same tuples, one array a batch, and answers each. */
import { parentPort } from 'node:worker_threads';

parentPort.on('message', (frames) => {
  parentPort.postMessage(frames.map(([, id, , args]) => ['done', id, args[0]]));
});
