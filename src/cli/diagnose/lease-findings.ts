/** Who works on a run, and who on the whole store, as far as their leases tell. */
import { parseLease, type LeaseDocument } from '../../run/lease.ts';
import { isProcessGone } from '../../run/process-identity.ts';
import { readPatiently } from '../../store/create-or-confirm.ts';
import { HEAD_LEASE_NAME, runLeaseName } from '../../store/layout.ts';
import type { ObjectStore } from '../../store/port.ts';
import { durationText } from '../progress-text.ts';
import type { Findings } from './section.ts';

export async function leaseFindings(store: ObjectStore, runId: string, signal: AbortSignal): Promise<Findings> {
  const [run, head] = await Promise.all([
    lease(store, runLeaseName(runId), signal),
    lease(store, HEAD_LEASE_NAME, signal),
  ]);
  const alerts = [
    ...(run.document && !run.document.released && isProcessGone(run.document.process)
      ? [`the ${run.document.kind} that works on the run is dead: its process on this machine is gone`]
      : []),
    ...(head.document && !head.document.released && isProcessGone(head.document.process)
      ? ['the head of the store is dead: its process on this machine is gone']
      : []),
  ];
  return { lines: [`of the run: ${run.text}`, `of the store: ${head.text}`], alerts };
}

async function lease(
  store: ObjectStore,
  name: string,
  signal: AbortSignal,
): Promise<{ document: LeaseDocument | undefined; text: string }> {
  const standing = await readPatiently(store, name, { signal });
  const document = standing && parseLease(standing);
  if (!standing) return { document: undefined, text: 'nobody has ever taken it' };
  if (!document) return { document: undefined, text: `${name} cannot be read` };
  const { kind, epoch, head_id: head, boot_id: boot, address, renewed_at_ms: renewedMs, released } = document;
  const age = durationText(Math.max(0, (Date.now() - renewedMs) / 1000));
  const held = released
    ? `given up ${age} ago`
    : `renewed ${age} ago${isProcessGone(document.process) ? ', its process is gone' : ''}`;
  return {
    document,
    text: `${kind} ${head}, boot ${boot}, epoch ${epoch}${address ? `, at ${address}` : ''}: ${held}`,
  };
}
