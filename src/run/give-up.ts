/**
 * Ending a run that nobody works on (L-08): no head takes it up by itself any more, and its status says that it was stopped,
 * so that waiters and lists need not guess. Twice is the same as once.
 *
 * Invariant: G1 the status is written with the run's lease in hand: a head that is faster is not disturbed.
 */
import { randomUUID } from 'node:crypto';

import type { ObjectStore } from '../store/port.ts';
import { acquireRunLease, giveUpRun } from './run-lease.ts';
import { readStoredStatus, setStatus } from './status.ts';

/**
 * What became of it: `done`, every id had its row before; `stopped`; or `held`, somebody was faster and works on it now.
 * @throws SkeinError the store's
 */
export async function stopIdleRun(store: ObjectStore, runId: string): Promise<'done' | 'stopped' | 'held'> {
  if (!(await giveUpRun(store, runId))) return 'held';
  const { status } = await readStoredStatus(store, runId);
  if (status?.terminal_state === 'done') return 'done';
  if (!status || status.terminal_state || status.stopped) return 'stopped';
  const owner = { headId: `command-${randomUUID()}`, bootId: randomUUID(), kind: 'embedded' } as const;
  const outcome = await acquireRunLease({ store, runId, owner });
  if (outcome.kind === 'refused') return 'held';
  try {
    const stored = await readStoredStatus(store, runId);
    if (!stored.status || stored.status.terminal_state)
      return stored.status?.terminal_state === 'done' ? 'done' : 'stopped';
    const written = await setStatus(
      store,
      runId,
      { ...stored.status, stopped: true, in_flight: [] },
      stored.generation,
    );
    return written.kind === 'written' ? 'stopped' : 'held';
  } finally {
    await outcome.lease.release();
  }
}
