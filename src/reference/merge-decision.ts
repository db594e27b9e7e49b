/**
 * Whether what a run offers takes the place of the reference that stands. Pure.
 *
 * Rules, in this order: a folder without marker counts as absent. A reference that was or may have been paid for
 * is never replaced by that of another encoder (DESIGN rule 6); one without a record is by an unknown encoder, and two
 * unknown ones count as the same, so that the original's runs merge by the original's rule. Else the later build wins,
 * strictly (M-04, M-08). Epochs count within one run; between two runs the build time decides.
 */
import { UNKNOWN_ENCODER, type LocalReference } from './local-reference.ts';
import type { Candidate, MergeMode } from './merge-candidate.ts';
import type { BuildOrder } from './shard-slice.ts';

/**
 * `updated`: the offer is the reference now. `unchanged`: it was already. `local-newer`: the local one was built later or
 * at the same time. `local-paid`: the local one was or may have been paid for, with another encoder. `no-marker`: what is
 * offered has no marker (M-05).
 */
export type MergeOutcome = 'updated' | 'unchanged' | 'local-newer' | 'local-paid' | 'no-marker';

/** File systems keep times to the microsecond at best; what is nearer than this is the same time. */
const SAME_TIME_MS = 0.01;
/** How far ahead of this machine's clock a build time may lie before it is told. */
export const CLOCK_SLACK_MS = 86_400_000;

export function decide(offer: Candidate, local: LocalReference | undefined, mode: MergeMode): MergeOutcome {
  if (!local) return 'updated';
  const isSameContent = local.order.digest === offer.order.digest && local.fingerprint === offer.fingerprint;
  const isSameMake = offer.encoder === local.encoder;
  if (mode === 'whole' && isSameContent) {
    // Two encoders may write the same; whose it is decides about its reuse, so that must come along.
    if (offer.encoder === UNKNOWN_ENCODER || isSameMake) return 'unchanged';
    if (local.encoder === UNKNOWN_ENCODER) return 'updated';
  }
  if (local.isPaid && !isSameMake) return 'local-paid';
  if (mode === 'whole') return isLater(offer.order, local.order) ? 'updated' : 'local-newer';
  if (offer.markerMs - local.markerMs > SAME_TIME_MS) return 'updated';
  return isSameContent ? 'unchanged' : 'local-newer';
}

/** Epochs compare within one run only; equal is not later (M-04). */
function isLater(offer: BuildOrder, local: BuildOrder): boolean {
  if (offer.runId !== '' && offer.runId === local.runId && offer.epoch !== local.epoch) {
    return offer.epoch > local.epoch;
  }
  return offer.builtAtMs - local.builtAtMs > SAME_TIME_MS;
}

/**
 * What a person should know about clocks (P-11): a build whose time lies a day or more ahead of this machine's keeps every
 * honest one out until then.
 */
export function clockNotes(
  database: string,
  offer: Candidate,
  local: LocalReference | undefined,
  nowMs: number,
): string[] {
  const notes: string[] = [];
  const note = (what: string, builtAtMs: number): void => {
    const aheadMs = builtAtMs - nowMs;
    if (aheadMs <= CLOCK_SLACK_MS) return;
    const days = Math.round(aheadMs / 86_400_000);
    notes.push(
      `${database}: ${what} says it was built ${days} days ahead of this machine's clock; builds of right clocks lose against it until then`,
    );
  };
  note(`shard ${offer.shard}`, offer.order.builtAtMs);
  if (local) note('the local reference', local.order.builtAtMs);
  return notes;
}
