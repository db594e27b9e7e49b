/**
 * The bucket's own clearing up (seed-system B-05): runs go after 30 days. A wish, never a condition: who may not set it, or
 * has a store that cannot, runs all the same.
 */
import { describeError, isSkeinError } from '../kernel/errors.ts';
import { RUNS_PREFIX } from './layout.ts';
import type { ObjectStore } from './port.ts';

/** B-05: how long a bucket keeps the objects of a run. */
export const RUN_RETENTION_DAYS = 30;

/**
 * Makes sure that the bucket of `store` has the rule, besides those it has. Never throws.
 * @param warn told in one line when it could not be made sure of
 */
export async function ensureLifecycle(store: ObjectStore, warn: (text: string) => void): Promise<void> {
  try {
    await store.ensureExpiry?.(RUNS_PREFIX, RUN_RETENTION_DAYS);
  } catch (error) {
    warn(`${store.url}: no rule that clears runs away after ${RUN_RETENTION_DAYS} days: ${describeError(error)}`);
  }
}

/**
 * After how many days the bucket of `store` clears runs away; undefined where it does not, or does not let us look.
 * @throws SkeinError CANCELLED
 */
export async function runRetentionDays(store: ObjectStore, signal?: AbortSignal): Promise<number | undefined> {
  try {
    return await store.expiryDays?.(RUNS_PREFIX, { ...(signal && { signal }) });
  } catch (error) {
    if (isSkeinError(error, 'CANCELLED')) throw error;
    return undefined;
  }
}
