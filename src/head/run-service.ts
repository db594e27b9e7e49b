/**
 * What clients ask of the head (`proto/skein/v1/run.proto`), as handlers that know nothing of sockets: guards, deadlines
 * and statuses are `wire/handlers.ts`'s.
 */
import { setTimeout as delay } from 'node:timers/promises';

import type {
  DescribeResponse,
  InspectRequest,
  InspectResponse,
  StartRunRequest,
  StatusResponse,
  WatchRunRequest,
  WatchRunResponse,
} from '../gen/skein/v1/run.ts';
import { SkeinError } from '../kernel/errors.ts';
import { secretNameFault, Secrets } from '../kernel/secrets.ts';
import { VERSION } from '../kernel/version.ts';
import { serverStream, unary, type Guard, type StreamWriter } from '../wire/handlers.ts';
import type { ActiveRun } from './active-run.ts';
import type { RunTable } from './run-table.ts';

/** The head, as far as clients are concerned. */
export interface RunServiceHost {
  readonly runs: RunTable;
  /** Aborts when the head stops. */
  readonly stopping: AbortSignal;
  describe(): DescribeResponse;
  status(): StatusResponse;
  inspect(request: InspectRequest): Promise<InspectResponse>;
  start(runId: string, maxInFlight: number, secrets: Secrets): Promise<void>;
  /** Resolves when the run is there, also while the head still looks through the store after its start. */
  find(runId: string): Promise<ActiveRun>;
  progress(run: ActiveRun): WatchRunResponse;
  shutdown(graceMs: number): void;
}

/** A client hears of changes at most this often. */
const WATCH_INTERVAL_MS = 100;

export function runService(guard: Guard, host: RunServiceHost) {
  return {
    health: unary(
      () => {},
      () => ({ version: VERSION }),
    ),
    describe: unary(guard, () => host.describe()),
    status: unary(guard, () => host.status()),
    inspect: unary(guard, (request: InspectRequest) => host.inspect(request)),
    startRun: unary(guard, async ({ runId, maxInFlight, secrets }: StartRunRequest) => {
      await host.start(runId, maxInFlight, secretsOf(secrets));
      return {};
    }),
    drainRun: unary(guard, async ({ runId, graceMs }: { runId: string; graceMs: number }) => {
      if (!host.runs.endOf(runId)) (await host.find(runId)).drain(graceMs);
      return {};
    }),
    watchRun: serverStream(guard, (request: WatchRunRequest, write: StreamWriter<WatchRunResponse>, signal) =>
      watch(host, request, write, signal),
    ),
    shutdown: unary(guard, ({ graceMs }: { graceMs: number }) => {
      // After the answer is out.
      setImmediate(() => host.shutdown(graceMs));
      return {};
    }),
  };
}

/** @throws SkeinError INVALID_INPUT for a name that no secret can have; the value is never shown */
function secretsOf(given: Readonly<Record<string, string>>): Secrets {
  for (const name of Object.keys(given)) {
    const fault = secretNameFault(name);
    if (fault !== undefined) throw new SkeinError('INVALID_INPUT', `secrets: ${JSON.stringify(name)} ${fault}`);
  }
  return new Secrets(given);
}

async function watch(
  host: RunServiceHost,
  { runId }: WatchRunRequest,
  write: StreamWriter<WatchRunResponse>,
  gone: AbortSignal,
): Promise<void> {
  const last = host.runs.endOf(runId);
  if (last) return write(last);
  const run = await host.find(runId);
  const signal = AbortSignal.any([gone, host.stopping]);
  let news = Promise.withResolvers<void>();
  const wake = (): void => news.resolve();
  const stop = run.onChange(wake);
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      await write(host.progress(run));
      if (hasEnded(run)) return;
      await news.promise;
      if (!hasEnded(run)) await delay(WATCH_INTERVAL_MS);
      news = Promise.withResolvers<void>();
    }
  } finally {
    stop();
    signal.removeEventListener('abort', wake);
  }
}

function hasEnded(run: ActiveRun): boolean {
  return run.phase.kind === 'ended';
}
