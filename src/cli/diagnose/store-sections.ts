/** What the store says of a run: it needs no head, and every head before left its word there. */
import pLimit from 'p-limit';

import { canonicalRow } from '../../run/canonical-row.ts';
import { readFloors } from '../../run/attempt-record.ts';
import { idStateOf, retryLostOf, rulesOf } from '../../run/id-state.ts';
import { parseLease, type LeaseDocument } from '../../run/lease.ts';
import type { Manifest } from '../../run/manifest.ts';
import { isProcessGone } from '../../run/process-identity.ts';
import { storeRows } from '../../run/row-source.ts';
import type { RunStatus } from '../../run/status.ts';
import { callPatiently, readPatiently } from '../../store/create-or-confirm.ts';
import { HEAD_LEASE_NAME, partialLogName, partialTranscriptName, runLeaseName } from '../../store/layout.ts';
import type { ObjectStore } from '../../store/port.ts';
import { durationText, plural } from '../progress-text.ts';
import { SkippedSection, type Findings, type Section } from './section.ts';
import type { Sources } from './sources.ts';

/** What is named of a long list. */
const MOST_NAMED = 20;
const READS_AT_ONCE = 32;
/** §1L: a heartbeat that is older counts as stopped, and a task without a sign for so long as stalled. */
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

/** What the rows come to, and what stands in those that are errors. */
async function rowFindings(
  store: ObjectStore,
  manifest: Manifest,
  status: RunStatus | undefined,
  signal: AbortSignal,
): Promise<Findings> {
  const source = storeRows(store, manifest.run_id, { signal });
  const files = await source.list();
  const floors = await readFloors(store, manifest.run_id, { signal });
  const rules = rulesOf(retryLostOf(manifest, status), floors);
  const limit = pLimit(READS_AT_ONCE);
  const errors = new Map<string, string[]>();
  const open = new Map<string, string[]>();
  const problems: string[] = [];
  let ok = 0;
  const name = (map: Map<string, string[]>, key: string, id: string): void => {
    const known = map.get(key);
    if (known) known.push(id);
    else map.set(key, [id]);
  };
  await Promise.all(
    [...new Set(manifest.instance_ids)].map((id) =>
      limit(async () => {
        signal.throwIfAborted();
        const row = await canonicalRow(files.get(id) ?? [], (file) => source.read(file));
        if (row.kind !== 'missing') problems.push(...row.problems.map(({ path, reason }) => `rows/${path}: ${reason}`));
        const state = idStateOf(row, rules(id));
        if (state.kind === 'open') return name(open, state.why, id);
        if (!state.isError || row.kind !== 'row') return void (ok += 1);
        name(errors, String(row.row['error']).split('\n', 1)[0]?.slice(0, 200) ?? '', id);
      }),
    ),
  );
  const count = (map: Map<string, string[]>): number => [...map.values()].reduce((sum, ids) => sum + ids.length, 0);
  const grouped = (map: Map<string, string[]>): string[] =>
    [...map]
      .sort(([, a], [, b]) => b.length - a.length)
      .slice(0, MOST_NAMED)
      .map(([text, ids]) => `  ${ids.length} × ${text}: ${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ' …' : ''}`);
  const lines = [
    `${ok} without error, ${count(errors)} with one, ${count(open)} without a row that counts`,
    ...(errors.size > 0 ? ['errors:', ...grouped(errors)] : []),
    ...(open.size > 0 ? ['open:', ...grouped(open)] : []),
    ...problems.slice(0, MOST_NAMED),
  ];
  return { lines, alerts: problems.length > 0 ? [`${plural(problems.length, 'row')} cannot be read`] : [] };
}

async function leaseFindings(store: ObjectStore, runId: string, signal: AbortSignal): Promise<Findings> {
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

interface Running {
  readonly instanceId: string;
  readonly attempt: number | undefined;
  readonly node: string;
  readonly elapsedS: number;
}

/** By the head's word if it gives one, else by the last heartbeat. */
async function inFlightOf(sources: Sources): Promise<Running[]> {
  const answer = await sources.inspect().catch(() => undefined);
  const status = await sources.status().catch(() => undefined);
  const attempts = new Map(status?.in_flight.map((task) => [task.instance_id, task.attempt]));
  if (answer?.run) {
    return answer.run.inFlight.map(({ instanceId, node, elapsedS }) => ({
      ...{ instanceId, node, elapsedS, attempt: attempts.get(instanceId) },
    }));
  }
  if (!status) throw new SkippedSection('neither a head nor a heartbeat says what runs');
  if (status.terminal_state) return [];
  return status.in_flight.map((task) => ({
    ...{ instanceId: task.instance_id, attempt: task.attempt, node: task.node, elapsedS: task.elapsed_s },
  }));
}

/** V-01, V-03: what runs, and when the store last saw a sign of it. */
async function runningFindings(
  store: ObjectStore,
  runId: string,
  running: readonly Running[],
  signal: AbortSignal,
): Promise<Findings> {
  if (running.length === 0) return { lines: ['none'] };
  const limit = pLimit(READS_AT_ONCE);
  const alerts: string[] = [];
  const shown = running.toSorted((a, b) => b.elapsedS - a.elapsedS).slice(0, MOST_NAMED);
  const lines = await Promise.all(
    shown.map(({ instanceId, attempt, node, elapsedS }) =>
      limit(async () => {
        const names = [partialTranscriptName(runId, instanceId)];
        if (attempt !== undefined) names.push(partialLogName(runId, instanceId, attempt));
        const infos = await Promise.all(
          names.map((name) =>
            callPatiently(`looking at ${name}`, { signal }, (inner) => store.stat(name, { signal: inner })),
          ),
        );
        const newestMs = Math.max(0, ...infos.map((info) => info?.updatedMs ?? 0));
        const signS = newestMs > 0 ? Math.max(0, (Date.now() - newestMs) / 1000) : undefined;
        if (elapsedS > STALL_S && (signS ?? elapsedS) > STALL_S) {
          alerts.push(
            `${instanceId} runs for ${durationText(elapsedS)}, and no sign of it came for ${durationText(signS ?? elapsedS)}`,
          );
        }
        const sign =
          signS === undefined ? 'no transcript or log of it is stored' : `last sign ${durationText(signS)} ago`;
        const number = attempt === undefined ? '' : `, attempt ${attempt}`;
        return `${instanceId}${number}: for ${durationText(elapsedS)}${node ? ` at ${node}` : ''}; ${sign}`;
      }),
    ),
  );
  const rest = running.length - shown.length;
  return { lines: [...lines, ...(rest > 0 ? [`and ${rest} more`] : [])], alerts };
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
