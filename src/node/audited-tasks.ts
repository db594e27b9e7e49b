/** The tasks of a run as they are scored: under its audited gold, if it has one (§3C, W-15). The same wherever it runs. */
import { audited, parseAuditedGold } from '../dataset/audited-gold.ts';
import type { Task } from '../dataset/task.ts';
import { readAuditedGoldText } from '../run/audited-gold-object.ts';
import { auditedGoldName } from '../store/layout.ts';
import type { PlacesRequest } from './database-place.ts';

/** @throws SkeinError NOT_FOUND | CORRUPT | INVALID_INPUT: the run cannot be scored as its manifest says; the store's */
export async function auditedTasks(
  { store, manifest, signal }: Pick<PlacesRequest, 'store' | 'manifest' | 'signal'>,
  taskById: ReadonlyMap<string, Task>,
): Promise<ReadonlyMap<string, Task>> {
  const text = await readAuditedGoldText(store, manifest, { signal });
  if (text === undefined) return taskById;
  const lines = parseAuditedGold(auditedGoldName(manifest.audited_gold ?? ''), text);
  const gold = new Map(lines.map((line) => [line.instance_id, line]));
  return new Map(
    manifest.instance_ids.flatMap((id) => {
      const task = taskById.get(id);
      return task ? [[id, audited(task, gold)] as const] : [];
    }),
  );
}
