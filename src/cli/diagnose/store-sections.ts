/** What the store says of a run: it needs no head, and every head before left its word there. */
import type { Manifest } from '../../run/manifest.ts';
import type { RunStatus } from '../../run/status.ts';
import type { ObjectStore } from '../../store/port.ts';
import { durationText, plural } from '../progress-text.ts';
import { leaseFindings } from './lease-findings.ts';
import { rowFindings } from './row-findings.ts';
import { inFlightOf, runningFindings } from './running-findings.ts';
import { SkippedSection, type Findings, type Section } from './section.ts';
import type { Sources } from './sources.ts';

/** What is named of a long list. */
const MOST_NAMED = 20;
/** §1L: a heartbeat that is older counts as stopped. */
const STALL_S = 300;

export function storeSections(sources: Sources): Section[] {
  const { runId } = sources;
  return [
    { name: 'run', look: async () => runFindings(await sources.manifest()) },
    { name: 'status', look: async () => statusFindings(await sources.status()) },
    {
      name: 'rows',
      look: async (signal) =>
        rowFindings(await sources.store(), await sources.manifest(), await sources.status(), signal),
    },
    { name: 'leases', look: async (signal) => leaseFindings(await sources.store(), runId, signal) },
    {
      name: 'running tasks',
      look: async (signal) => runningFindings(await sources.store(), runId, await inFlightOf(sources), signal),
    },
    { name: 'helpers', look: async () => helperFindings(await sources.status()) },
    { name: 'store', look: async (signal) => healthFindings(await sources.store(), runId, signal) },
  ];
}

function runFindings(manifest: Manifest): Findings {
  const { instance_ids: ids, created_at_ms: createdMs } = manifest;
  const age = createdMs > 0 ? `, made ${durationText((Date.now() - createdMs) / 1000)} ago` : '';
  return {
    lines: [
      `${manifest.framework}/${manifest.query_mode}/${manifest.mode}, ${plural(ids.length, 'task')}${age}`,
      JSON.stringify({ ...manifest, instance_ids: ids.slice(0, MOST_NAMED), databases: undefined }, null, 2),
    ],
  };
}

function statusFindings(status: RunStatus | undefined): Findings {
  if (!status) return { lines: ['there is none, or it cannot be read'], alerts: ['the run has no heartbeat yet'] };
  const beatS = status.last_heartbeat_ts === null ? undefined : Date.now() / 1000 - status.last_heartbeat_ts;
  const isOver = status.terminal_state !== null || status.stopped;
  const end = status.terminal_state ?? (status.stopped ? 'stopped' : 'open');
  const alerts: string[] = [];
  if (!isOver && beatS !== undefined && beatS > STALL_S) alerts.push(`no heartbeat for ${durationText(beatS)}`);
  if (!isOver && beatS === undefined) alerts.push('the run has no heartbeat yet');
  if (status.error) alerts.push(`the run failed: ${status.error}`);
  return {
    lines: [
      `${end}, attempt ${status.attempt}, ${status.rows_done} of ${status.rows_total} rows, ${plural(status.rows_error, 'error')}`,
      beatS === undefined ? 'no heartbeat' : `last heartbeat ${durationText(Math.max(0, beatS))} ago`,
      JSON.stringify({ ...status, in_flight: status.in_flight.slice(0, MOST_NAMED) }, null, 2),
    ],
    alerts,
  };
}

/** P-33: what helpers could not do is on no other screen. */
function helperFindings(status: RunStatus | undefined): Findings {
  if (!status) throw new SkippedSection('there is no heartbeat that counts them');
  const failed = Object.entries(status.helper_failures).filter(([, count]) => count > 0);
  if (failed.length === 0) return { lines: ['none failed'] };
  const lines = failed.map(([kind, count]) => `${kind}: ${plural(count, 'upload')} failed`);
  return { lines, alerts: lines };
}

async function healthFindings(store: ObjectStore, runId: string, signal: AbortSignal): Promise<Findings> {
  const timed = async (what: string, work: () => Promise<unknown>): Promise<string> => {
    const startMs = performance.now();
    await work();
    return `${what} ${Math.round(performance.now() - startMs)} ms`;
  };
  const took = [
    await timed('a look at the status', () => store.stat(`runs/${runId}/status.json`, { signal })),
    await timed('a page of the run', () => store.list(`runs/${runId}/`, { pageSize: 100, signal })),
    await timed('a probe object written, read and removed', () => store.checkWritable()),
  ];
  return { lines: [store.url, ...took] };
}
