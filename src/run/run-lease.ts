/**
 * Who works on a run: `runs/<id>/lease.json`. A daemon writes it once and holds it as long as it holds the bucket's lease;
 * a head inside a command renews it (DESIGN "Head life").
 *
 * Invariants: R1 a daemon's run is never taken while the bucket's lease of that daemon changes. R2 who looks alive by the
 * clock is refused at once, so that a command does not hang; only who looks dead is watched.
 */
import { readPatiently } from '../store/create-or-confirm.ts';
import { jsonBytes } from '../kernel/json.ts';
import { compareAndSet } from '../store/compare-and-set.ts';
import { HEAD_LEASE_NAME, runLeaseName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { Lease, parseLease, readLease, type LeaseDocument, type LeaseOptions, type LeaseOutcome } from './lease.ts';
import { isProcessGone } from './process-identity.ts';

/** How long a lease that nobody renews still counts as held. */
export const LEASE_TTL_MS = 15_000;

export interface RunLeaseOptions extends Omit<LeaseOptions, 'name' | 'judge'> {
  readonly runId: string;
}

/** Takes the run for `owner`. A daemon must hold the bucket's lease when it asks. @throws SkeinError the store's */
export function acquireRunLease({ runId, ...options }: RunLeaseOptions): Promise<LeaseOutcome> {
  const { store, owner, ttlMs = LEASE_TTL_MS } = options;
  let bucketGeneration: string | undefined;
  return Lease.acquire({
    ...options,
    name: runLeaseName(runId),
    // Written once by a daemon: the bucket's lease stands for it.
    ...(owner.kind === 'daemon' && { renewMs: 0 }),
    judge: async (document) => {
      if (document.kind === 'embedded') return isFresh(document, ttlMs) ? 'refuse' : 'watch';
      if (owner.kind === 'daemon') return 'take';
      const standing = await readPatiently(store, HEAD_LEASE_NAME);
      const head = standing && parseLease(standing);
      if (!standing || !head || !isHeldBy(head, document.head_id)) return 'take';
      bucketGeneration ??= standing.generation;
      return isFresh(head, ttlMs) || standing.generation !== bucketGeneration ? 'refuse' : 'watch';
    },
  });
}

/**
 * Who works on the run, as far as one look tells; undefined if nobody seems to. For a command that would rather say so
 * before it begins. For a daemon's run the answer is the bucket's lease, which has its address.
 */
export async function runHolder(store: ObjectStore, runId: string): Promise<LeaseDocument | undefined> {
  const document = await readLease(store, runLeaseName(runId));
  if (!document || document.released || isProcessGone(document.process)) return undefined;
  if (document.kind === 'embedded') return isFresh(document, LEASE_TTL_MS) ? document : undefined;
  const head = await readLease(store, HEAD_LEASE_NAME);
  return head && isHeldBy(head, document.head_id) && isFresh(head, LEASE_TTL_MS) ? head : undefined;
}

/**
 * Takes care that no head takes the run up by itself: its lease, which nobody holds, counts as given up.
 * @returns false if somebody was faster, and works on it now
 */
export async function giveUpRun(store: ObjectStore, runId: string): Promise<boolean> {
  const name = runLeaseName(runId);
  const standing = await readPatiently(store, name);
  const document = standing && parseLease(standing);
  if (!standing || !document || document.released) return true;
  const bytes = jsonBytes({ ...document, released: true }, 2);
  return (await compareAndSet(store, name, bytes, standing.generation)).kind === 'written';
}

function isHeldBy(head: LeaseDocument, headId: string): boolean {
  return head.head_id === headId && !head.released && !isProcessGone(head.process);
}

function isFresh({ renewed_at_ms: renewedMs }: LeaseDocument, ttlMs: number): boolean {
  return Math.abs(Date.now() - renewedMs) < ttlMs;
}
