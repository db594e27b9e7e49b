/**
 * The other end of `wire-stream.ts`: a head that does nothing but count and talk. It prints its port; to an event `health` it answers
 * how many results came before it, and then sends as many orders as that event's `spoolRows` says.
 */
import { NodeServiceService } from '../src/gen/skein/v1/node.ts';
import type { NodeSession } from '../src/head/node-session.ts';
import { NodeSessions } from '../src/head/node-sessions.ts';
import { duplex, tokenGuard } from '../src/wire/handlers.ts';
import { createServer, listen } from '../src/wire/server.ts';
import { PER_TICK, TOKEN } from './wire-load.ts';

const security = { token: TOKEN };
const server = createServer({ security, open: [] });
let count = 0;

/** `total` orders, as many a tick as the node sends. */
function talk(session: NodeSession, total: number): void {
  let sent = 0;
  const tick = (): void => {
    for (const end = Math.min(total, sent + PER_TICK); sent < end; sent += 1) {
      session.send({ $case: 'steal', value: { runId: 'bench', database: `database_${sent % 20}`, count: sent } });
    }
    if (sent < total) setImmediate(tick);
  };
  tick();
}

const sessions = new NodeSessions({
  joined: () => {},
  cut: () => {},
  resumed: () => {},
  welcome: () => ({ headEpoch: 1, storeUrl: '', lostAfterMs: 0 }),
  event(session, event) {
    if (event.$case === 'taskEnded') count += 1;
    // Where the count stands, and the wish for that many orders.
    if (event.$case === 'health') {
      session.send({ $case: 'steal', value: { runId: 'heard', database: '', count } });
      count = 0;
      talk(session, event.value.spoolRows);
    }
  },
});
server.addService(NodeServiceService, { link: duplex(tokenGuard(TOKEN), (stream) => sessions.serve(stream)) });
process.stdout.write(`${await listen(server, '127.0.0.1', 0, security)}\n`);
process.stdin.resume().on('end', () => server.forceShutdown());
