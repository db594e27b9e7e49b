/**
 * An audited gold in the store, `datasets/_audited_gold/<digest>.jsonl`, beside the datasets that it corrects: named by its
 * content, so that every node scores by the very same one (W-15), and what a run did with it, `runs/<id>/audited_gold_overlay.json`.
 *
 * Not here: what is in it (`dataset/audited-gold.ts`).
 */
import { sha256 } from '../kernel/digest.ts';
import { SkeinError } from '../kernel/errors.ts';
import { jsonBytes } from '../kernel/json.ts';
import { createOrConfirm, overwrite, readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { auditedGoldLogName, auditedGoldName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import type { Manifest } from './manifest.ts';

const DIGEST_LENGTH = 32;

/** What names an audit of this text. */
export const auditedGoldDigest = (text: string): string => sha256(text).slice(0, DIGEST_LENGTH);

/** Puts an audit where nodes find it. @throws the store's errors */
export async function uploadAuditedGold(store: ObjectStore, text: string, options: PersistOptions = {}): Promise<void> {
  await put(store, auditedGoldName(auditedGoldDigest(text)), Buffer.from(text), options);
}

/** Says what a run's audit did to its tasks. */
export async function writeAuditedGoldLog(
  store: ObjectStore,
  runId: string,
  log: object,
  options: PersistOptions = {},
): Promise<void> {
  await put(store, auditedGoldLogName(runId), jsonBytes(log, 2), options);
}

/**
 * The text of the run's audit, undefined if it has none.
 * @throws SkeinError NOT_FOUND (a run that is scored by one, which is not here: never by the raw gold SQL) | CORRUPT
 */
export async function readAuditedGoldText(
  store: ObjectStore,
  { run_id: runId, use_audited_gold_sql: isUsed, audited_gold: digest }: Manifest,
  options: PersistOptions = {},
): Promise<string | undefined> {
  if (digest === null) {
    if (!isUsed) return undefined;
    throw new SkeinError(
      'NOT_FOUND',
      `run ${runId}: it is scored by audited gold SQL, which its manifest does not name (the original's own): submit a new run with --audited-gold`,
    );
  }
  const name = auditedGoldName(digest);
  const stored = await readPatiently(store, name, options);
  if (!stored) {
    throw new SkeinError(
      'NOT_FOUND',
      `run ${runId}: its audited gold SQL ${name} is not in ${store.url}; submit it again`,
    );
  }
  const text = stored.bytes.toString('utf8');
  if (auditedGoldDigest(text) === digest) return text;
  throw new SkeinError('CORRUPT', `${name} in ${store.url} has other bytes than its name says`);
}

async function put(store: ObjectStore, name: string, bytes: Buffer, options: PersistOptions): Promise<void> {
  const outcome = await createOrConfirm(store, name, bytes, options);
  if (outcome.kind !== 'conflict') return;
  await overwrite(store, name, bytes, { ...options, generation: outcome.standing.generation });
}
