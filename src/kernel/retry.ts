/**
 * Trying again: a bounded number of tries with full-jitter back-off, and a deadline around one call. Whoever calls says
 * what is worth another try; nothing here knows a store or a socket.
 *
 * Invariants: T1 every wait ends with its signal. T2 the last error is thrown as it is. T3 no listener outlives a call.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { SkeinError } from './errors.ts';

export interface RetryOptions {
  /** How often `work` is called at most. Default 6. */
  readonly tries?: number;
  /** The first wait is random below this, and each next bound twice as high. Default 200. */
  readonly baseMs?: number;
  /** No wait is longer. Default 8000. */
  readonly maxMs?: number;
  /** Whether an error is worth another try. */
  readonly isRetryable: (error: unknown) => boolean;
  /** Ends the waiting; `work` must heed it by itself. */
  readonly signal?: AbortSignal | undefined;
  /** Told before each wait. */
  readonly onRetry?: (error: unknown, attempt: number, waitMs: number) => void;
  /** For tests. */
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<unknown>;
  /** For tests: uniform in [0, 1). */
  readonly random?: () => number;
}

/** CANCELLED if `signal` has fired. `what` says what was asked to stop. */
export function throwIfCancelled(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new SkeinError('CANCELLED', `${what} was cancelled`, { cause: signal.reason });
}

/** A wait of `ms` that ends with CANCELLED when `signal` fires. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  throwIfCancelled(signal, 'a wait');
  try {
    await delay(ms, undefined, signal && { signal });
  } catch (error) {
    throwIfCancelled(signal, 'a wait');
    throw error;
  }
}

/** The wait before try `attempt + 1`: full jitter, so that many who failed together do not come back together. */
export function backoffMs(attempt: number, baseMs = 200, maxMs = 8000, random: () => number = Math.random): number {
  return random() * Math.min(maxMs, baseMs * 2 ** (attempt - 1));
}

/**
 * What `work` resolves to, tried until it does, until an error is not worth another try, or until `tries` are used up.
 * @param work called with the number of the try, from 1
 * @throws the last error of `work`, or CANCELLED during a wait
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { tries = 6, baseMs, maxMs, isRetryable, signal, onRetry, random } = options;
  for (let attempt = 1; ; attempt += 1) {
    throwIfCancelled(signal, 'a retried call');
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= tries || !isRetryable(error) || signal?.aborted) throw error;
      const waitMs = backoffMs(attempt, baseMs, maxMs, random);
      onRetry?.(error, attempt, waitMs);
      await (options.sleep ?? sleep)(waitMs, signal);
    }
  }
}

/**
 * `work` with a signal that fires after `timeoutMs` or with `signal`. If `work` does not heed it, its late result is
 * dropped: the caller is answered in time whatever hangs.
 * @param work its second argument gives it so much time more from now on, once it knows what lies ahead
 * @throws SkeinError DEADLINE when the time is up, CANCELLED when `signal` fired
 */
export async function withDeadline<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal, allowMs: (ms: number) => void) => Promise<T>,
): Promise<T> {
  throwIfCancelled(signal, what);
  const inner = new AbortController();
  const ended = Promise.withResolvers<never>();
  const end = (error: SkeinError): void => {
    ended.reject(error);
    inner.abort(error);
  };
  const onAbort = (): void => end(new SkeinError('CANCELLED', `${what} was cancelled`, { cause: signal?.reason }));
  const arm = (ms: number): NodeJS.Timeout =>
    setTimeout(() => end(new SkeinError('DEADLINE', `${what} took longer than ${ms} ms`)), ms);
  let timer = arm(timeoutMs);
  let isOver = false;
  const allowMs = (ms: number): void => {
    if (isOver) return;
    clearTimeout(timer);
    timer = arm(ms);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(inner.signal, allowMs), ended.promise]);
  } finally {
    isOver = true;
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
