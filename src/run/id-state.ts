/**
 * What the rows of an id come to: done, or still to be run. The one place that knows it, for the head that takes a run on,
 * and for `wait`, `list`, `status`, `resume` and `fetch`.
 *
 * Invariants: I1 an id is done only when a row of it can be read, and that row will not be run again. I2 a lost attempt
 * is run again, as the next one, while its id lost no more attempts than `retry_lost`. I3 what cannot be read is not
 * there: its attempt's name is taken, so the id goes on as the attempt after it (L-11).
 */
import type { CanonicalRow } from './canonical-row.ts';
import type { Manifest } from './manifest.ts';
import type { RunStatus } from './status.ts';

export type IdState =
  | { readonly kind: 'done'; readonly isError: boolean; readonly attempt: number }
  | {
      readonly kind: 'open';
      /** Why it is not done. `lost` and `unreadable`: its row is there, and it runs again all the same. */
      readonly why: 'no-row' | 'lost' | 'unreadable';
      /** The least attempt whose name is free. */
      readonly nextAttempt: number;
      /** Attempts that were lost so far. */
      readonly lost: number;
    };

/** @param retryLost the manifest's `retry_lost` */
export function idStateOf(canonical: CanonicalRow, retryLost: number): IdState {
  switch (canonical.kind) {
    case 'missing':
      return { kind: 'open', why: 'no-row', nextAttempt: 1, lost: 0 };
    case 'unreadable':
      return { kind: 'open', why: 'unreadable', nextAttempt: lastOf(canonical.attempts) + 1, lost: canonical.lost };
    case 'row':
      // A real row below a lost one speaks for the id (C1), and nothing is run again.
      if (canonical.isLost && mayRetry(canonical.lost, retryLost)) {
        return { kind: 'open', why: 'lost', nextAttempt: lastOf(canonical.attempts) + 1, lost: canonical.lost };
      }
      return { kind: 'done', isError: canonical.isError, attempt: canonical.attempt };
  }
}

/** What of the manifest's `retry_lost` still counts: nothing once the run is done, since nobody retries anything then. */
export function retryLostOf(manifest: Pick<Manifest, 'retry_lost'>, status: RunStatus | undefined): number {
  return status?.terminal_state === 'done' ? 0 : manifest.retry_lost;
}

/** Whether an id that lost `lost` attempts is started once more. */
export function mayRetry(lost: number, retryLost: number): boolean {
  return lost <= retryLost;
}

function lastOf(attempts: readonly number[]): number {
  return attempts.at(-1) ?? 0;
}
