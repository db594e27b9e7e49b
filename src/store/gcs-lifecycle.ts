/**
 * The one lifecycle rule that we ask of a bucket: objects under a prefix go after so many days (seed-system B-05).
 *
 * Invariants: L1 rules that are there stay. L2 two who set rules at once do not lose one: the bucket's metageneration is
 * named.
 */
import type { Bucket } from '@google-cloud/storage';

import { verdictOf } from './gcs-errors.ts';
import type { ExpiryOutcome } from './port.ts';

interface Rule {
  readonly action?: { readonly type?: string };
  readonly condition?: Readonly<Record<string, unknown>>;
}

export async function ensureExpiryRule(bucket: Bucket, prefix: string, days: number): Promise<ExpiryOutcome> {
  for (let turn = 0; turn < 5; turn += 1) {
    const [metadata] = await bucket.getMetadata();
    const rules = (metadata.lifecycle?.rule ?? []) as Rule[];
    if (rules.some((rule) => isOurs(rule, prefix, days))) return { kind: 'present' };
    const ours = { action: { type: 'Delete' as const }, condition: { age: days, matchesPrefix: [prefix] } };
    try {
      await bucket.setMetadata({ lifecycle: { rule: [...(metadata.lifecycle?.rule ?? []), ours] } }, {
        ifMetagenerationMatch: metadata.metageneration,
      } as object);
      return { kind: 'added' };
    } catch (error) {
      if (verdictOf(error) !== 'precondition') throw error;
    }
  }
  throw new Error('somebody else keeps changing the bucket');
}

/** The least age at which a rule of the bucket deletes what lies below `prefix`, undefined if there is none. */
export async function expiryDaysOf(bucket: Bucket, prefix: string): Promise<number | undefined> {
  const [metadata] = await bucket.getMetadata();
  const rules = (metadata.lifecycle?.rule ?? []) as Rule[];
  const days = rules.flatMap(({ action, condition = {} }) => {
    const { age, matchesPrefix, ...others } = condition;
    const isDeletion = action?.type === 'Delete' && typeof age === 'number' && Object.keys(others).length === 0;
    // A rule without prefixes is for every object.
    const covers = !Array.isArray(matchesPrefix) || matchesPrefix.some((each) => prefix.startsWith(String(each)));
    return isDeletion && covers ? [age] : [];
  });
  return days.length === 0 ? undefined : Math.min(...days);
}

function isOurs({ action, condition = {} }: Rule, prefix: string, days: number): boolean {
  const { age, matchesPrefix, ...others } = condition;
  const isOnlyAge = Object.keys(others).length === 0 && age === days && action?.type === 'Delete';
  return isOnlyAge && Array.isArray(matchesPrefix) && matchesPrefix.includes(prefix);
}
