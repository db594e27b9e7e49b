/**
 * What the rows of an id come to: done, or still to be run. The one place that knows it, for the head that takes a run on,
 * and for `wait`, `list`, `status`, `resume`, `resubmit` and `fetch`.
 *
 * Invariants: I1 an id is done only when a row of it can be read, and that row will not be run again. I2 a lost attempt
 * is run again, as the next one, while its id lost no more attempts than `retry_lost`; a resubmit counts from anew. I3 what
 * cannot be read is not there: its attempt's name is taken, so the id goes on as the attempt after it (L-11). I4 an error of
 * an attempt before the one that the id was resubmitted as says nothing any more (L-12); a real result without error that
 * comes late was paid for, and counts.
 */
import type { Floors } from './attempt-record.ts';
import type { CanonicalRow } from './canonical-row.ts';
import type { Manifest } from './manifest.ts';
import type { RunStatus } from './status.ts';

export type IdState =
  | { readonly kind: 'done'; readonly isError: boolean; readonly attempt: number }
  | {
      readonly kind: 'open';
      /** Why it is not done. All but `no-row`: a row is there, and it runs again all the same. */
      readonly why: 'no-row' | 'lost' | 'unreadable' | 'resubmitted';
      /** The least attempt that it may run as. */
      readonly nextAttempt: number;
      /** Attempts that were lost so far, of those that count. */
      readonly lost: number;
    };

/** What of a run decides whether a row will be run again. */
export interface IdRules {
  /** The manifest's `retry_lost`. */
  readonly retryLost: number;
  /** From which attempt on the id's rows count. Default 1. */
  readonly floor?: number | undefined;
}

export function idStateOf(canonical: CanonicalRow, { retryLost, floor = 1 }: IdRules): IdState {
  if (canonical.kind === 'missing') return { kind: 'open', why: 'no-row', nextAttempt: floor, lost: 0 };
  const last = canonical.attempts.at(-1) ?? 0;
  const lost = canonical.lost.filter((attempt) => attempt >= floor).length;
  const open = (why: 'lost' | 'unreadable' | 'resubmitted'): IdState => ({
    kind: 'open',
    why,
    nextAttempt: Math.max(floor, last + 1),
    lost,
  });
  if (canonical.kind === 'unreadable') return open(last < floor ? 'resubmitted' : 'unreadable');
  const { isError, isLost, attempt } = canonical;
  if (attempt < floor && isError) {
    if (last < floor) return open('resubmitted');
    // All that came of the resubmit so far was lost, and an older row speaks meanwhile.
    if (lost > 0 && mayRetry(lost, retryLost)) return open('lost');
  }
  // A real row below a lost one speaks for the id (C1), and nothing is run again.
  if (attempt >= floor && isLost && mayRetry(lost, retryLost)) return open('lost');
  return { kind: 'done', isError, attempt };
}

/** What of the manifest's `retry_lost` still counts: nothing once the run is done, since nobody retries anything then. */
export function retryLostOf(manifest: Pick<Manifest, 'retry_lost'>, status: RunStatus | undefined): number {
  return status?.terminal_state === 'done' ? 0 : manifest.retry_lost;
}

/** What decides for every id of a run at this moment. */
export function rulesOf(retryLost: number, floors: Floors): (instanceId: string) => IdRules {
  return (instanceId) => ({ retryLost, floor: floors.get(instanceId) });
}

/** Whether an id that lost `lost` attempts is started once more. */
export function mayRetry(lost: number, retryLost: number): boolean {
  return lost <= retryLost;
}
