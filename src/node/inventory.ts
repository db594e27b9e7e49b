/** What a node holds, as it tells a head that does not know it. */
import { HeldState, type HeldTask as WireHeldTask, type Inventory } from '../gen/skein/v1/node.ts';
import type { HeldTask } from './run-executor.ts';
import type { SpoolRecovery } from './spool-recovery.ts';

const STATES = { queued: HeldState.QUEUED, running: HeldState.RUNNING, shipping: HeldState.SHIPPING };

/** A task takes at most some 400 bytes, so a page is well below what one frame carries. */
const TASKS_PER_PAGE = 2_000;

/**
 * One page, or several where it is much: all that is told in one session.
 * @param held of this life
 * @param earlier what earlier lives left
 * @param keyedRuns those of `openRuns` whose secrets are here
 */
export function inventoryOf(
  held: readonly (HeldTask & { readonly runId: string })[],
  earlier: SpoolRecovery | undefined,
  openRuns: string[],
  keyedRuns: string[] = [],
): Inventory[] {
  const tasks: WireHeldTask[] = held.map(({ state, ...task }) => ({ ...task, state: STATES[state] }));
  for (const { runId, instanceId, attempt, database, startedMs } of earlier?.shipping ?? []) {
    tasks.push({ runId, instanceId, attempt, database, startedMs, state: HeldState.SHIPPING });
  }
  for (const { runId, instanceId, attempt, database, startedMs } of earlier?.orphans ?? []) {
    tasks.push({ runId, instanceId, attempt, database, startedMs, state: HeldState.ORPHANED });
  }
  const pages: Inventory[] = [];
  for (let start = TASKS_PER_PAGE; start < tasks.length; start += TASKS_PER_PAGE) {
    pages.push({
      tasks: tasks.slice(start - TASKS_PER_PAGE, start),
      openRuns: [],
      hasMore: true,
      owedRuns: [],
      keyedRuns: [],
    });
  }
  pages.push({
    tasks: tasks.slice(pages.length * TASKS_PER_PAGE),
    openRuns,
    keyedRuns,
    hasMore: false,
    owedRuns: [...(earlier?.owedRuns ?? [])],
  });
  return pages;
}
