/** `submit --audited-gold DIR`: what is read before anything is made, and how it gets to the store. */
import {
  auditedGoldLog,
  auditedGoldText,
  readAuditedGold,
  type AuditedGold,
  type AuditedGoldLog,
} from '../dataset/audited-gold.ts';
import type { Dataset } from '../dataset/dataset.ts';
import type { Task } from '../dataset/task.ts';
import { auditedGoldDigest, uploadAuditedGold, writeAuditedGoldLog } from '../run/audited-gold-object.ts';
import type { ObjectStore } from '../store/port.ts';
import { plural } from './progress-text.ts';

export interface SubmittedGold {
  /** As the manifest names it. */
  readonly digest: string;
  readonly log: AuditedGoldLog;
  readonly text: string;
}

/** Undefined without a folder. @throws SkeinError INVALID_INPUT naming file, line, field and value */
export async function submittedGold(
  dir: string | undefined,
  dataset: Dataset,
  tasks: readonly Task[],
): Promise<SubmittedGold | undefined> {
  if (dir === undefined) return undefined;
  const gold: AuditedGold = await readAuditedGold(dir, tasks, dataset.taskById);
  const text = auditedGoldText(gold);
  const digest = auditedGoldDigest(text);
  return { digest, text, log: auditedGoldLog(digest, tasks, gold) };
}

/** The audit itself, before the manifest that names it. */
export async function shipGold(
  store: ObjectStore,
  gold: SubmittedGold | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (gold) await uploadAuditedGold(store, gold.text, { signal });
}

/** What it does to the run's tasks, once the run is there; the same as a line for a person. */
export async function logGold(
  store: ObjectStore,
  runId: string,
  gold: SubmittedGold | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!gold) return undefined;
  await writeAuditedGoldLog(store, runId, gold.log, { signal });
  const { edited, unrecoverable, clean, absent } = gold.log.counts;
  return `audited gold: ${plural(edited, 'task')} edited, ${unrecoverable} unrecoverable, ${clean} clean, ${absent} not audited`;
}
