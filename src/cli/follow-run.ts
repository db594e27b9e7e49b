/**
 * Follows a run that a head elsewhere works on, until it ends or the person leaves. A head that goes away is waited for:
 * the run's own end is looked for in the store meanwhile, and the head is dialled again and again.
 */
import { RunState, type WatchRunResponse } from '../gen/skein/v1/run.ts';
import { progressOf, type RunProgress } from '../embed/run-progress.ts';
import { describeError, isSkeinError } from '../kernel/errors.ts';
import { sleep } from '../kernel/retry.ts';
import { readStatus } from '../run/status.ts';
import type { ObjectStore } from '../store/port.ts';
import type { HeadClient } from '../wire/head-client.ts';

export type FollowEnd =
  /** Every id has a row. */
  | { readonly kind: 'done' }
  /** Somebody stopped it, or its time was over, as `reason` then says: `resume` goes on. */
  | { readonly kind: 'stopped'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: Error }
  /** `signal` fired: the run goes on without us. */
  | { readonly kind: 'detached' }
  /** The head did not come back in time. */
  | { readonly kind: 'headless'; readonly error: Error };

export interface FollowOptions {
  readonly client: Pick<HeadClient, 'watchRun'>;
  readonly store: ObjectStore;
  readonly runId: string;
  readonly signal: AbortSignal;
  /** How long a head may be away. Default 300,000, as a waiter takes a run for stalled. */
  readonly headlessMs?: number;
  /** Between two looks while it is. Default 1,000. */
  readonly lookMs?: number;
  onProgress(progress: RunProgress): void;
  /** Told once for each time that the head is away. */
  onAway(reason: string): void;
}

export async function followRun(options: FollowOptions): Promise<FollowEnd> {
  const { store, runId, signal, headlessMs = 300_000, lookMs = 1_000 } = options;
  let awaySinceMs: number | undefined;
  for (;;) {
    const end = await watch(options, () => (awaySinceMs = undefined));
    if (signal.aborted) return { kind: 'detached' };
    if (end.kind !== 'away') return end;
    if (awaySinceMs === undefined) options.onAway(describeError(end.error));
    awaySinceMs ??= performance.now();
    const status = await readStatus(store, runId).catch(() => undefined);
    if (status?.terminal_state === 'done') return { kind: 'done' };
    if (status?.terminal_state === 'error') {
      return { kind: 'failed', error: new Error(status.error ?? `run ${runId} ended as failed`) };
    }
    if (performance.now() - awaySinceMs > headlessMs) return { kind: 'headless', error: end.error };
    await sleep(lookMs, signal).catch(() => {});
  }
}

type WatchEnd = Exclude<FollowEnd, { kind: 'headless' }> | { readonly kind: 'away'; readonly error: Error };

/** One stream of progress, as long as it lasts. */
async function watch(options: FollowOptions, onNews: () => void): Promise<WatchEnd> {
  const { client, runId, signal } = options;
  let last: WatchRunResponse | undefined;
  const stream = client.watchRun(runId, { connectTimeoutMs: 0 });
  const left = Promise.withResolvers<undefined>();
  const leave = (): void => left.resolve(undefined);
  signal.addEventListener('abort', leave);
  try {
    while (!signal.aborted) {
      const next = stream.next();
      // Whoever leaves does not wait for the news that is on its way.
      next.catch(() => {});
      const turn = await Promise.race([next, left.promise]);
      if (turn === undefined) return { kind: 'detached' };
      if (turn.done) break;
      last = turn.value;
      onNews();
      options.onProgress(progressOf(last));
    }
  } catch (error) {
    // A head that was just started may not have taken the run on yet.
    if (isSkeinError(error, 'UNAVAILABLE', 'DEADLINE', 'NOT_FOUND')) return { kind: 'away', error };
    throw error;
  } finally {
    signal.removeEventListener('abort', leave);
    void stream.return(undefined).catch(() => {});
  }
  switch (last?.state) {
    case RunState.DONE:
      return { kind: 'done' };
    case RunState.STOPPED:
      return { kind: 'stopped', reason: last.error };
    case RunState.FAILED:
      return { kind: 'failed', error: new Error(last.error || `run ${runId} failed`) };
    default:
      return { kind: 'away', error: new Error('the head closed the stream') };
  }
}
