/**
 * A program: an HTTP relay in front of one server, which spoils a share of the answers. For a container of its own; Node
 * runs this file as it is, so it imports nothing but Node. `storm.ts` starts and steers it.
 *
 *   node storm-server.ts PORT HOST:PORT
 *
 * `PUT /_storm` with a `Storm` as JSON sets what happens from now on; the answer is how often it has happened so far.
 */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';

/** What happens to a share of the requests. */
export interface Storm {
  /**
   * `refuse`: answered with `status`, and not passed on. `lose-answer`: passed on and done, then the connection is reset.
   * `no-answer`: passed on and done, never answered.
   */
  readonly kind: 'refuse' | 'lose-answer' | 'no-answer';
  readonly status?: number;
  /** Of the requests, 0 to 1. */
  readonly share: number;
  /** Only these; default all. */
  readonly methods?: readonly string[];
}

const [port, upstream = ''] = process.argv.slice(2);
const { hostname: host, port: upstreamPort } = new URL(`http://${upstream}`);
let storm: Storm | undefined;
let spoiled = 0;

createServer((asked, answer) => {
  if (asked.url === '/_storm') return void steer(asked, answer);
  const { method = 'GET' } = asked;
  const hit = storm && (storm.methods ?? [method]).includes(method) && Math.random() < storm.share ? storm : undefined;
  if (hit) spoiled += 1;
  if (hit?.kind === 'refuse') return refuse(asked, answer, hit.status ?? 503);
  relay(asked, answer, hit);
}).listen(Number(port), '0.0.0.0');

async function steer(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
  if (asked.method === 'PUT') {
    let text = '';
    for await (const chunk of asked) text += String(chunk);
    storm = (JSON.parse(text) as Storm | null) ?? undefined;
  }
  answer.end(JSON.stringify({ spoiled }));
}

function refuse(asked: IncomingMessage, answer: ServerResponse, status: number): void {
  asked.resume().on('end', () => {
    const error = {
      code: status,
      message: 'storm',
      errors: [{ domain: 'global', reason: 'backendError', message: 'storm' }],
    };
    answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
  });
}

function relay(asked: IncomingMessage, answer: ServerResponse, hit: Storm | undefined): void {
  const { method, url, headers } = asked;
  const onward = request({ host, port: upstreamPort, method, path: url, headers }, (come) => {
    if (hit) return void come.resume().on('end', () => hit.kind === 'lose-answer' && answer.destroy());
    answer.writeHead(come.statusCode ?? 502, come.rawHeaders);
    come.pipe(answer);
    come.on('error', () => answer.destroy());
  });
  onward.on('error', () => answer.destroy());
  // A client that gives up must not keep its request from being done: that is the fault to be tested.
  asked.pipe(onward);
}
