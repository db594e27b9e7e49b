/**
 * A server that speaks Google Cloud Storage's JSON API on loopback, with exact preconditions and with faults on demand, so
 * that tests and benches have the real client library on their path. State is in memory.
 *
 * Not here: what a request means (`router.ts`), what a bucket does (`bucket.ts`), which fault comes when (`faults.ts`).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { googleError, refusal, type Answer } from './answers.ts';
import { GcsBucket, Refused } from './bucket.ts';
import { ServerFaultPlan, type ServerFault, type ServerOperation } from './faults.ts';
import { Router, type Request } from './router.ts';

export interface GcsServerOptions {
  /** Buckets that are there from the start. */
  readonly buckets?: readonly string[];
  /** Every call is answered so much later. Default 0. */
  readonly latencyMs?: number;
  /** Default: a free one. */
  readonly port?: number;
  /** Default: every call is let in. Else only those with this bearer token. */
  readonly token?: string;
}

export class GcsServer implements AsyncDisposable {
  readonly faults = new ServerFaultPlan();
  readonly buckets = new Map<string, GcsBucket>();
  /** How often each operation was asked for, faults included. */
  readonly counts: Partial<Record<ServerOperation, number>> = {};
  /** Every call so far: when it was answered, what it was. */
  readonly calls: { readonly atMs: number; readonly operation: ServerOperation; readonly name: string }[] = [];
  /** Most calls at a time so far. */
  mostAtOnce = 0;
  latencyMs: number;
  readonly #token: string | undefined;
  readonly #router = new Router(this);
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #atOnce = 0;
  url = '';

  private constructor({ buckets = [], latencyMs = 0, token }: GcsServerOptions) {
    this.latencyMs = latencyMs;
    this.#token = token;
    for (const name of buckets) this.bucket(name);
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      void this.#serve(request, response).catch((error: unknown) => {
        if (!response.headersSent) send(response, googleError(500, 'internalError', String(error)));
        else response.destroy();
      });
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(options: GcsServerOptions = {}): Promise<GcsServer> {
    const server = new GcsServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    server.url = `http://127.0.0.1:${(server.#server.address() as AddressInfo).port}`;
    return server;
  }

  /** The bucket of this name, made if it is not there. */
  bucket(name: string): GcsBucket {
    const bucket = this.buckets.get(name) ?? new GcsBucket(name);
    this.buckets.set(name, bucket);
    return bucket;
  }

  /** Calls that are being served right now, hanging ones included. */
  get atOnce(): number {
    return this.#atOnce;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', 'http://server');
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    response.once('close', () => (this.#atOnce -= 1));
    const request = this.#router.route(message, url);
    this.counts[request.operation] = (this.counts[request.operation] ?? 0) + 1;
    const fault = this.faults.next(request.operation, request.name);
    const body = await bodyOf(message);
    if (body === undefined) return;
    await this.#answer(request, body, fault, message, response);
    this.calls.push({ atMs: performance.now(), operation: request.operation, name: request.name });
  }

  async #answer(
    request: Request,
    body: Buffer,
    fault: ServerFault | undefined,
    message: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (fault?.kind === 'reset') return void message.socket.destroy();
    if (fault?.kind === 'hang' && fault.afterDoing !== true) return;
    if (fault?.kind === 'delay') await delay(fault.delayMs);
    const isDone = fault?.kind !== 'status' || fault.afterDoing === true;
    const arrived = fault?.kind === 'damage' ? flipped(body, body.lastIndexOf('\r\n--') - 1) : body;
    const answer = isDone ? this.#work(request, message, arrived) : noAnswer;
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'lose-answer') return void message.socket.destroy();
    if (this.latencyMs > 0) await delay(this.latencyMs);
    switch (fault?.kind) {
      case 'status':
        return send(response, googleError(fault.status, reasonOf(fault.status), `injected ${fault.status}`));
      case 'truncate':
        return truncate(response, answer, fault.silently === true, () => message.socket.destroy());
      case 'stall':
        response.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.byteLength });
        return void response.write(answer.body.subarray(0, answer.body.byteLength >> 1));
      case 'flip':
        return send(response, { ...answer, body: flipped(answer.body, answer.body.byteLength >> 1) });
      case 'wrong-checksum':
        return send(response, {
          ...answer,
          headers: { ...answer.headers, 'x-goog-hash': 'crc32c=AAAAAA==,md5=AAAAAAAAAAAAAAAAAAAAAA==' },
        });
      case 'no-checksum': {
        const { 'x-goog-hash': _, 'x-goog-stored-content-encoding': __, ...headers } = { ...answer.headers };
        return send(response, { ...answer, headers });
      }
      default:
        return send(response, answer);
    }
  }

  #work(request: Request, message: IncomingMessage, body: Buffer): Answer {
    if (this.#token !== undefined && message.headers.authorization !== `Bearer ${this.#token}`) {
      return googleError(401, 'required', 'Anonymous caller does not have storage.objects.list access.');
    }
    try {
      return request.work(body);
    } catch (error) {
      if (error instanceof Refused) return refusal(error, '', request.name, request.isMedia);
      throw error;
    }
  }
}

/** `bytes` with one bit of the byte at `index` changed. */
function flipped(bytes: Buffer, index: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[index] = (changed[index] ?? 0) ^ 1;
  return changed;
}

const noAnswer: Answer = { status: 500, body: Buffer.alloc(0) };

const reasonOf = (status: number): string =>
  ({ 401: 'authError', 403: 'forbidden', 404: 'notFound', 408: 'timeout', 429: 'rateLimitExceeded' })[status] ??
  'backendError';

/** Undefined if the client went away before its end. */
async function bodyOf(message: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  response.writeHead(status, { ...headers, ...(status !== 204 && { 'content-length': body.byteLength }) });
  response.end(body);
}

function truncate(response: ServerResponse, answer: Answer, isSilent: boolean, cut: () => void): void {
  const half = answer.body.subarray(0, answer.body.byteLength >> 1);
  if (isSilent) {
    response.writeHead(answer.status, { ...answer.headers });
    response.end(half);
    return;
  }
  response.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.byteLength });
  response.write(half, cut);
}
