/** The network of the system tests: what it delays it delivers, and what it resets is gone. */
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';

import { expect, it } from 'vitest';

import { Link } from '../helpers/cluster/link.ts';
import { waitUntil } from '../helpers/wait-until.ts';

interface Peers extends AsyncDisposable {
  readonly link: Link;
  /** Connections that the peer behind the link has. */
  open(): number;
  /** A connection through the link to a peer that sends back what it gets. */
  dial(): { readonly socket: Socket; readonly heard: () => string };
}

async function echoBehindLink(): Promise<Peers> {
  const sockets = new Set<Socket>();
  let open = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    open += 1;
    socket.on('close', () => (open -= 1));
    socket.on('error', () => {}).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const link = await Link.open(() => (server.address() as { port: number }).port);
  return {
    link,
    open: () => open,
    dial: () => {
      const socket = connect({ port: link.port, host: '127.0.0.1' });
      sockets.add(socket);
      let heard = '';
      socket.on('data', (chunk: Buffer) => (heard += chunk.toString())).on('error', () => {});
      return { socket, heard: () => heard };
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await link[Symbol.asyncDispose]();
      server.close();
    },
  };
}

it('holds bytes back while it is cut, in either direction, and delivers them in order when it heals', async () => {
  await using peers = await echoBehindLink();
  const { socket, heard } = peers.dial();
  socket.write('1');
  await waitUntil('the first comes back', () => heard() === '1');
  for (const direction of ['both', 'up', 'down'] as const) {
    const before = heard();
    peers.link.cut(direction);
    socket.write('2');
    socket.write('3');
    // Another connection is left hanging, and served later.
    const late = peers.dial();
    late.socket.write('x');
    await expect(waitUntil('something comes back', () => heard() + late.heard() !== before, 80)).rejects.toThrow();
    peers.link.heal();
    await waitUntil('all comes back', () => heard() === `${before}23` && late.heard() === 'x');
  }
});

it.for(['reset', 'end'] as const)('tells nobody of a death by %s while it is cut', async (how) => {
  await using peers = await echoBehindLink();
  const { socket } = peers.dial();
  socket.write('1');
  await once(socket, 'data');
  peers.link.cut();
  // A dying process ends its connections; a reset is one that had unread bytes.
  if (how === 'reset') socket.resetAndDestroy();
  else socket.destroy();
  await expect(waitUntil('the peer hears of it', () => peers.open() === 0, 80)).rejects.toThrow();
  peers.link.heal();
  await waitUntil('the peer hears of it', () => peers.open() === 0);
});

it('ends every connection when it refuses, and takes new ones again once it heals', async () => {
  await using peers = await echoBehindLink();
  const { socket } = peers.dial();
  socket.write('1');
  await once(socket, 'data');
  peers.link.refuse();
  await waitUntil('it is reset', () => socket.destroyed);
  const refused = peers.dial().socket;
  await waitUntil('the next one is, too', () => refused.destroyed);
  peers.link.heal();
  const again = peers.dial();
  again.socket.write('2');
  await waitUntil('it comes back', () => again.heard() === '2');
});
