/**
 * The network between two processes: a TCP relay that a test cuts and heals. A cut without answer behaves as a dropped
 * route does: bytes wait in the buffers of the sockets and go on when it heals, if nobody gave up meanwhile.
 *
 * Invariants: L1 while it is cut neither end hears that the other one died. L2 its port stays the same for life. L3 no byte is ever lost or changed within a connection: a connection
 * stalls, or ends as a whole.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** `up` is from the one who dials to the one who listens. */
export type Direction = 'both' | 'up' | 'down';

interface Pair {
  readonly client: Socket;
  upstream: Socket | undefined;
  /** One end is gone, and the other is not to know before the link heals. */
  isOver: boolean;
}

export class Link implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #target: () => number;
  readonly #pairs = new Set<Pair>();
  #cut: Direction | undefined;
  #isRefusing = false;
  #delayMs = 0;

  private constructor(server: Server, target: () => number) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as { port: number }).port;
    server.on('connection', (client) => this.#accept(client));
  }

  /** Listens on a port of its own and relays to `target` on loopback, asked at each connection. */
  static async open(target: () => number): Promise<Link> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Link(server, target);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Nothing passes in `direction` any more, and nobody is told. New connections are taken and left hanging. */
  cut(direction: Direction = 'both'): void {
    this.#cut = direction;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  /** Every connection is reset, and so is each new one, until `heal`. */
  refuse(): void {
    this.#isRefusing = true;
    this.reset();
  }

  /** Every connection is reset, once. */
  reset(): void {
    for (const pair of this.#pairs) this.#end(pair);
  }

  /** The one who listens hears that the one who dialled has nothing more to say, and the other way round. */
  halfClose(): void {
    for (const { client, upstream } of this.#pairs) {
      client.end();
      upstream?.end();
    }
  }

  /** Bytes of new connections take this long each way. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  heal(): void {
    this.#cut = undefined;
    this.#delayMs = 0;
    this.#isRefusing = false;
    for (const pair of this.#pairs) {
      if (pair.isOver) {
        this.#end(pair);
        continue;
      }
      if (!pair.upstream) this.#connect(pair);
      this.#apply(pair);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isRefusing = true;
    this.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    if (this.#isRefusing) return void client.resetAndDestroy();
    client.setNoDelay(true);
    const pair: Pair = { client, upstream: undefined, isOver: false };
    this.#pairs.add(pair);
    client.on('error', () => this.#over(pair)).on('close', () => this.#over(pair));
    if (this.#cut === undefined) this.#connect(pair);
  }

  #connect(pair: Pair): void {
    const { client } = pair;
    const upstream = connect({ port: this.#target(), host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    pair.upstream = upstream;
    upstream.on('error', () => this.#over(pair)).on('close', () => this.#over(pair));
    const relay = (from: Socket, to: Socket, delayMs: number): void => {
      const pass = (chunk: Buffer): void => {
        if (to.writable && !to.write(chunk)) from.pause();
      };
      // Timers of one length fire in the order in which they were set.
      from.on('data', (chunk: Buffer) => (delayMs > 0 ? void setTimeout(pass, delayMs, chunk) : pass(chunk)));
    };
    relay(client, upstream, this.#delayMs);
    relay(upstream, client, this.#delayMs);
    upstream.on('drain', () => this.#apply(pair));
    client.on('drain', () => this.#apply(pair));
    // A paused socket still tells of its end when no bytes lie before it.
    client.on('end', () => (this.#isCut('up') ? this.#over(pair) : upstream.end()));
    upstream.on('end', () => (this.#isCut('down') ? this.#over(pair) : client.end()));
    this.#apply(pair);
  }

  /** Lets bytes flow as the cut says; what is still to be written holds its reader back. */
  #apply({ client, upstream }: Pair): void {
    if (!upstream) return;
    if (this.#isCut('up') || upstream.writableNeedDrain) client.pause();
    else client.resume();
    if (this.#isCut('down') || client.writableNeedDrain) upstream.pause();
    else upstream.resume();
  }

  #isCut(direction: 'up' | 'down'): boolean {
    return this.#cut === 'both' || this.#cut === direction;
  }

  #over(pair: Pair): void {
    pair.isOver = true;
    if (this.#cut === undefined) this.#end(pair);
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    for (const socket of [pair.client, pair.upstream]) {
      // A reset behind an end is refused by libuv, and the handle would stay (tried on Node 24.21).
      if (socket?.writableEnded) socket.destroy();
      else socket?.resetAndDestroy();
    }
  }
}

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
