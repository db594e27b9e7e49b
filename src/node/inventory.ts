/** What a node holds, as it tells a head that does not know it. */
import { HeldState, type HeldTask as WireHeldTask, type Inventory } from '../gen/skein/v1/node.ts';
import type { HeldTask } from './run-executor.ts';
import type { SpoolRecovery } from './spool-recovery.ts';

const STATES = { queued: HeldState.QUEUED, running: HeldState.RUNNING, shipping: HeldState.SHIPPING };

/**
 * @param held of this life
 * @param earlier what earlier lives left
 */
export function inventoryOf(
  held: readonly (HeldTask & { readonly runId: string })[],
  earlier: SpoolRecovery | undefined,
  openRuns: string[],
): Inventory {
  const tasks: WireHeldTask[] = held.map(({ state, ...task }) => ({ ...task, state: STATES[state] }));
  for (const { runId, instanceId, attempt, database, startedMs } of earlier?.shipping ?? []) {
    tasks.push({ runId, instanceId, attempt, database, startedMs, state: HeldState.SHIPPING });
  }
  for (const { runId, instanceId, attempt, database, startedMs } of earlier?.orphans ?? []) {
    tasks.push({ runId, instanceId, attempt, database, startedMs, state: HeldState.ORPHANED });
  }
  return { tasks, openRuns };
}
