/**
 * `skein/grants/<encoding>/<db>.json`: who may encode a database, cluster-wide, and where the reference is once it is
 * there (DESIGN rule 5). Written by the head that holds the bucket's lease, each time with the next epoch and before the
 * node hears of it: a shard carries its epoch, so whoever encodes under an older one loses.
 */
import { z } from 'zod';

import { sha256 } from '../kernel/digest.ts';
import { isSkeinError } from '../kernel/errors.ts';
import { canonicalJson, jsonBytes, parseJson } from '../kernel/json.ts';
import { setupNeeds } from '../reference/setup.ts';
import { compareAndSet, type SetOutcome } from '../store/compare-and-set.ts';
import { callPatiently, readPatiently } from '../store/create-or-confirm.ts';
import { grantName, MARKERS, shardDatabasePrefix } from '../store/layout.ts';
import type { ObjectStore, StoredObject } from '../store/port.ts';
import type { RunFacts } from './run-facts.ts';

const grantSchema = z.looseObject({
  epoch: z.number().int().positive(),
  /** The node that encodes, or did, and which life of it: its next one does not hold the grant. */
  node: z.string(),
  boot_id: z.string().default(''),
  /** The run for which it was granted. */
  run_id: z.string(),
  granted_at_ms: z.number().default(0),
  /** A whole reference in the store; null while it is being encoded. */
  ready: z
    .looseObject({ run_id: z.string(), shard: z.string(), digest: z.string().default('') })
    .nullable()
    .default(null),
});

export type GrantRecord = z.infer<typeof grantSchema>;

export interface StoredGrant {
  readonly record: GrantRecord | undefined;
  /** Undefined: nothing stands there. */
  readonly generation: string | undefined;
}

/** Whether tasks of this run need an encoded reference. */
export function isEncoding({ framework, mode, query_mode: queryMode, slayer_setup: slayerSetup }: RunFacts): boolean {
  if (mode === 'oracle' || framework === 'noop') return false;
  return setupNeeds({ framework, queryMode, slayerSetup }).some(({ artifact }) => artifact === 'slayer_models_otf');
}

/** What an encode of `database` in this run depends on, as a name: equal = one encode is enough. */
export function encodingOf(
  { encoder, dataset_content: content, dataset_dir: dir }: RunFacts,
  database: string,
): string {
  return sha256(canonicalJson([encoder, content?.databases[database] ?? dir])).slice(0, 32);
}

/** What stands there; a record that cannot be read is none, and is written over. */
export async function readGrant(store: ObjectStore, encoding: string, database: string): Promise<StoredGrant> {
  return grantOf(await readPatiently(store, grantName(encoding, database)));
}

/** Writes `record` if what stands there is as `before` was read. The conflict, if there is one, as `readGrant` gives it. */
export async function writeGrant(
  store: ObjectStore,
  encoding: string,
  database: string,
  record: GrantRecord,
  before: StoredGrant,
): Promise<{ readonly kind: SetOutcome['kind']; readonly stored: StoredGrant }> {
  const outcome = await compareAndSet(store, grantName(encoding, database), jsonBytes(record, 2), before.generation);
  return outcome.kind === 'written'
    ? { kind: 'written', stored: { record, generation: outcome.generation } }
    : { kind: 'conflict', stored: grantOf(outcome.standing) };
}

/** Whether the reference that `record` speaks of still lies whole in the store: runs and their shards are deleted some day. */
export async function isStillThere(store: ObjectStore, { ready }: GrantRecord, database: string): Promise<boolean> {
  if (!ready?.shard) return false;
  const prefix = shardDatabasePrefix(ready.run_id, ready.shard, database);
  const marker = prefix + MARKERS.uploadComplete;
  return (await callPatiently(`looking at ${marker}`, {}, (signal) => store.stat(marker, { signal }))) !== undefined;
}

function grantOf(standing: StoredObject | undefined): StoredGrant {
  if (!standing) return { record: undefined, generation: undefined };
  try {
    return {
      record: grantSchema.safeParse(parseJson(standing.name, standing.bytes)).data,
      generation: standing.generation,
    };
  } catch (error) {
    if (isSkeinError(error, 'CORRUPT')) return { record: undefined, generation: standing.generation };
    throw error;
  }
}
