/** What the store has of an attempt that may have ended: when the last of its snapshots came (P-06). */
import type { PersistOptions } from '../store/create-or-confirm.ts';
import { sessionPrefix, type TaskAttempt } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';

/**
 * When an object of the attempt's bundle was written last, milliseconds since the epoch; undefined: it has none.
 * @throws the store's
 */
export async function lastSnapshotMs(
  store: ObjectStore,
  { runId, instanceId, attempt }: TaskAttempt,
  options: PersistOptions = {},
): Promise<number | undefined> {
  let newestMs: number | undefined;
  for await (const { updatedMs } of listAll(store, sessionPrefix(runId, instanceId, attempt), options)) {
    newestMs = Math.max(newestMs ?? 0, updatedMs);
  }
  return newestMs;
}
