/**
 * A client of the head: unary calls with a deadline each, and progress as an async iterable. Used by the command line and
 * by the embedded default alike.
 */
import { ChannelCredentials, type Metadata, type ServiceError } from '@grpc/grpc-js';

import { RunServiceClient, type WatchRunResponse } from '../gen/skein/v1/run.ts';
import { CHANNEL_OPTIONS, tokenMetadata } from './channel.ts';
import { fromServiceError } from './status.ts';

/** Every unary call ends within this. */
const CALL_DEADLINE_MS = 30_000;

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

export class HeadClient implements Disposable {
  readonly #client: RunServiceClient;
  readonly #address: string;
  readonly #metadata: Metadata;

  constructor(address: string, token: string) {
    this.#address = address;
    this.#metadata = tokenMetadata(token);
    this.#client = new RunServiceClient(address, ChannelCredentials.createInsecure(), CHANNEL_OPTIONS);
  }

  /** Hands a run, whose manifest is in the store, to the head. */
  async startRun(runId: string): Promise<void> {
    await this.#call(this.#client.startRun.bind(this.#client), { runId, maxInFlight: 0 });
  }

  /** Nothing new is started; what runs has `graceMs` to end. */
  async drainRun(runId: string, graceMs: number): Promise<void> {
    await this.#call(this.#client.drainRun.bind(this.#client), { runId, graceMs });
  }

  /** The run's progress, at once and at every change; ends with the run. @throws SkeinError UNAVAILABLE | NOT_FOUND */
  async *watchRun(runId: string): AsyncGenerator<WatchRunResponse> {
    const stream = this.#client.watchRun({ runId }, this.#metadata);
    try {
      yield* stream as AsyncIterable<WatchRunResponse>;
    } catch (error) {
      throw fromServiceError(`head ${this.#address}: progress of run ${runId}`, error as ServiceError);
    } finally {
      stream.cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #call<Request, Response>(method: Unary<Request, Response>, request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      method(request, this.#metadata, { deadline: Date.now() + CALL_DEADLINE_MS }, (error, response) =>
        error ? reject(fromServiceError(`head ${this.#address}`, error)) : resolve(response),
      );
    });
  }
}
