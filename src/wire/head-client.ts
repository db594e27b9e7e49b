/**
 * A client of the head: unary calls with a deadline each, and progress as an async iterable that survives the head's
 * absence. Used by the command line and by the embedded default alike.
 *
 * Invariants: every call it sends again is one that the head may get twice.
 */
import { setTimeout as delay } from 'node:timers/promises';

import type { Metadata, ServiceError } from '@grpc/grpc-js';

import {
  RunServiceClient,
  RunState,
  type DescribeResponse,
  type InspectRequest,
  type InspectResponse,
  type StatusResponse,
  type WatchRunResponse,
} from '../gen/skein/v1/run.ts';
import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { Secrets } from '../kernel/secrets.ts';
import { VERSION } from '../kernel/version.ts';
import { channelOptions, tokenMetadata, type Keepalive } from './channel.ts';
import { DialledSockets } from './dialled-sockets.ts';
import { clientCredentials, serverNameFor, type Security } from './security.ts';
import { fromServiceError } from './status.ts';
import { requireCompatible } from './version-skew.ts';

export interface HeadClientOptions {
  /** How long a head that cannot be reached is asked again. Default 0: the first refusal is the answer. */
  readonly connectTimeoutMs?: number;
  /** How long the head may take for an answer, or for the first word of one. Default 30,000; 10,000 for mere questions. */
  readonly answerMs?: number;
  readonly keepalive?: Keepalive;
}

export interface WatchOptions {
  /** How long a head may be away, again after each sign of life. Default: as the client's. */
  readonly connectTimeoutMs?: number;
  /** Progress has stopped coming; it is asked for again by itself. */
  onAway?(error: Error): void;
}

/** A call that changes something is answered within this. */
const ANSWER_MS = 30_000;
/** One that only asks: a peer that says nothing for so long is no head. */
const QUESTION_MS = 10_000;
/** Between two tries to reach the head. */
const RETRY_MS = 250;

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

export class HeadClient implements Disposable {
  readonly #client: RunServiceClient;
  readonly #sockets: DialledSockets;
  readonly #address: string;
  readonly #usesTls: boolean;
  readonly #metadata: Metadata;
  readonly #connectTimeoutMs: number;
  readonly #answerMs: number | undefined;

  /** Connects with the first call. @throws SkeinError INVALID_INPUT when the certificates cannot be used */
  constructor(address: string, security: Security, options: HeadClientOptions = {}) {
    const { connectTimeoutMs = 0, answerMs, keepalive } = options;
    this.#address = address;
    this.#usesTls = security.tls !== undefined;
    this.#metadata = tokenMetadata(security.token);
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#answerMs = answerMs;
    this.#sockets = new DialledSockets(clientCredentials(security, address));
    this.#client = new RunServiceClient(address, this.#sockets, {
      ...channelOptions({ keepalive, serverName: serverNameFor(address) }),
      // One that was refused is tried again as often as we do.
      'grpc.initial_reconnect_backoff_ms': RETRY_MS,
      'grpc.max_reconnect_backoff_ms': RETRY_MS,
    });
  }

  /** The version of the head, without a token. */
  async health(): Promise<string> {
    return (await this.#call(this.#client.health.bind(this.#client), {}, QUESTION_MS)).version;
  }

  /** Who the head is and where its store lies. @throws SkeinError PREFLIGHT when its version cannot work with ours */
  async describe(): Promise<DescribeResponse> {
    const answer = await this.#call(this.#client.describe.bind(this.#client), { clientVersion: VERSION }, QUESTION_MS);
    requireCompatible(`head ${this.#address}`, answer.version);
    return answer;
  }

  /** Head, nodes, runs, queue and store, at this moment. */
  async status(): Promise<StatusResponse> {
    return this.#call(this.#client.status.bind(this.#client), {}, QUESTION_MS);
  }

  /** What head and nodes see, with the last lines of their logs. It takes `waitMs` of nodes at most, and a moment. */
  async inspect(request: InspectRequest): Promise<InspectResponse> {
    const answerMs = request.waitMs + QUESTION_MS / 2;
    return this.#call(this.#client.inspect.bind(this.#client), request, answerMs);
  }

  /** Ends the head; its runs stay open. What is on its way gets `graceMs`. */
  async shutdown(graceMs: number): Promise<void> {
    await this.#call(this.#client.shutdown.bind(this.#client), { graceMs });
  }

  /**
   * Hands a run, whose manifest is in the store, to the head.
   * @param maxInFlight tasks of it that may be out at once; default 0: no limit
   * @param secrets what its actors find in their environment; given for a run that the head has, they get it from now on
   */
  async startRun(runId: string, maxInFlight = 0, secrets = Secrets.NONE): Promise<void> {
    const request = { runId, maxInFlight, secrets: secrets.reveal() };
    await this.#call(this.#client.startRun.bind(this.#client), request);
  }

  /** Nothing new is started; what runs has `graceMs` to end. */
  async drainRun(runId: string, graceMs: number): Promise<void> {
    await this.#call(this.#client.drainRun.bind(this.#client), { runId, graceMs });
  }

  /**
   * The run's progress, at once and at every change; ends with the run. A head that goes away is waited for.
   * @throws SkeinError UNAVAILABLE when it stayed away too long | NOT_FOUND | UNAUTHENTICATED
   */
  async *watchRun(runId: string, options: WatchOptions = {}): AsyncGenerator<WatchRunResponse> {
    const { connectTimeoutMs = this.#connectTimeoutMs } = options;
    let giveUpMs = performance.now() + connectTimeoutMs;
    for (let hasSeen = false; ;) {
      try {
        for await (const progress of this.#watchOnce(runId)) {
          hasSeen = true;
          giveUpMs = performance.now() + connectTimeoutMs;
          yield progress;
          if (hasEnded(progress)) return;
        }
        // The head went away in order.
        if (connectTimeoutMs === 0) return;
      } catch (error) {
        // A head that comes back knows the run a moment after it answers.
        const isWorthIt = isSkeinError(error, 'UNAVAILABLE') || (hasSeen && isSkeinError(error, 'NOT_FOUND'));
        if (!isWorthIt || performance.now() + RETRY_MS > giveUpMs) throw error;
        options.onAway?.(error);
      }
      await delay(RETRY_MS);
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
    this.#sockets[Symbol.dispose]();
  }

  async *#watchOnce(runId: string): AsyncGenerator<WatchRunResponse> {
    const stream = this.#client.watchRun({ runId }, this.#metadata);
    const where = `head ${this.#address}: progress of run ${runId}`;
    const answerMs = this.#answerMs ?? ANSWER_MS;
    let isLate = false;
    // Keepalive sees to a connection that stands; one that was accepted and no more would hang for ever.
    const timer = setTimeout(() => {
      isLate = true;
      stream.cancel();
    }, answerMs);
    try {
      for await (const progress of stream as AsyncIterable<WatchRunResponse>) {
        clearTimeout(timer);
        yield progress;
      }
    } catch (error) {
      if (isLate) throw new SkeinError('UNAVAILABLE', `${where}: no answer within ${answerMs} ms`, { cause: error });
      throw fromServiceError(where, error as ServiceError, this.#usesTls);
    } finally {
      clearTimeout(timer);
      stream.cancel();
    }
  }

  async #call<Request, Response>(
    method: Unary<Request, Response>,
    request: Request,
    answerMs = ANSWER_MS,
  ): Promise<Response> {
    const giveUpMs = performance.now() + this.#connectTimeoutMs;
    for (;;) {
      try {
        return await this.#callOnce(method, request, this.#answerMs ?? answerMs);
      } catch (error) {
        // One that hangs may be frozen, or be about to die: both pass.
        const mayPass = isSkeinError(error, 'UNAVAILABLE', 'DEADLINE');
        if (!mayPass || performance.now() + RETRY_MS > giveUpMs) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  #callOnce<Request, Response>(
    method: Unary<Request, Response>,
    request: Request,
    answerMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      method(request, this.#metadata, { deadline: Date.now() + answerMs }, (error, response) =>
        error ? reject(fromServiceError(`head ${this.#address}`, error, this.#usesTls)) : resolve(response),
      );
    });
  }
}

function hasEnded({ state }: WatchRunResponse): boolean {
  return state === RunState.DONE || state === RunState.STOPPED || state === RunState.FAILED;
}
