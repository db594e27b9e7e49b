/**
 * The server as a process of its own: `node main.ts [--port N] [--bucket NAME]… [--latency-ms N] [--save FILE]`. Prints its
 * URL on one line once it listens, and ends with SIGTERM; `--save` is where its objects stay from one life to the next.
 * A line `traffic` on its standard input is answered with what was asked of it, as JSON.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { loadState, saveState } from './saved-state.ts';
import { GcsServer } from './server.ts';
import { rowTraffic } from './traffic.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    bucket: { type: 'string', multiple: true, default: ['skein-test'] },
    'latency-ms': { type: 'string', default: '0' },
    save: { type: 'string' },
  },
});

const server = await GcsServer.start({
  port: Number(values.port),
  buckets: values.bucket,
  latencyMs: Number(values['latency-ms']),
});
const { save } = values;
if (save !== undefined) await loadState(server, save);
process.once('SIGTERM', () => {
  const end = async (): Promise<void> => {
    if (save !== undefined) await saveState(server, save);
    process.stdin.destroy();
    await server[Symbol.asyncDispose]();
  };
  end().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
});
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'traffic') console.log(JSON.stringify({ counts: server.counts, rows: rowTraffic(server) }));
});
console.log(server.url);
