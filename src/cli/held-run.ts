/** Whether somebody works on a run already: then a command without that head keeps its hands off it. */
import { SkeinError } from '../kernel/errors.ts';
import { describeHolder } from '../run/lease.ts';
import { runHolder } from '../run/run-lease.ts';
import type { ObjectStore } from '../store/port.ts';

/** @throws SkeinError PREFLIGHT naming who works on it and how to go on */
export async function refuseHeldRun(store: ObjectStore, runId: string, repeatedFlags: string): Promise<void> {
  const holder = await runHolder(store, runId);
  if (!holder) return;
  const goOn =
    holder.kind === 'daemon'
      ? `name it: --address ${holder.address}, or only wait: skein wait ${runId}${repeatedFlags}`
      : `wait for it: skein wait ${runId}${repeatedFlags}`;
  throw new SkeinError('PREFLIGHT', `run ${runId}: ${describeHolder(holder)} works on it; ${goOn}`, {
    fields: { run: runId },
  });
}
