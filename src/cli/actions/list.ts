/**
 * `skein list`: the runs of a store, the newest first, told from their index and status (L-09, P-39). `skein list RUN`: one of
 * them, its rows counted (V-12).
 */
import { parseRunId } from '../../kernel/ids.ts';
import { listRuns, runDetail, type RunDetail, type RunLine } from '../../run/run-list.ts';
import { readAttemptRecords, type AttemptRecord } from '../../run/attempt-record.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { durationText, plural } from '../progress-text.ts';
import { placeOf } from '../run-place.ts';
import { tableText } from '../table.ts';

const DAY_S = 86_400;

/** Does it. The exit code. @throws SkeinError */
export async function list(flags: Flags, context: CliContext): Promise<number> {
  const { out, err, stop } = context;
  const typed = flags.get('run');
  const runId = typed === undefined ? undefined : parseRunId('RUN', typed);
  await using place = await placeOf(flags, context);
  const { store } = place;
  const options = { signal: stop.drain };
  if (runId !== undefined) {
    const [detail, { records }] = await Promise.all([
      runDetail(store, runId, options),
      readAttemptRecords(store, runId, options),
    ]);
    if (flags.has('json')) out.line(JSON.stringify({ store: store.url, ...detailJson(detail, records) }));
    else for (const line of detailLines(detail, records, Date.now())) out.line(line);
    return OK;
  }
  const { runs, unreadable } = await listRuns(store, options);
  if (flags.has('json')) {
    out.line(JSON.stringify({ store: store.url, runs: runs.map(asJson), unreadable }));
    return OK;
  }
  if (runs.length === 0) out.line(`no runs in ${store.url}`);
  else out.line(tableOf(runs, Date.now()));
  for (const { runId: id, waitingFor } of runs) if (waitingFor !== '') out.line(`run ${id}: ${waitingFor}`);
  const orphans = runs.filter(({ state }) => state === 'orphaned');
  if (orphans.length > 0) {
    const named = orphans.slice(0, 5).map((run) => run.runId);
    const more = orphans.length > named.length ? ', …' : '';
    err.line(
      `skein: ${plural(orphans.length, 'run')} orphaned, whose heart beats no more: ${named.join(', ')}${more}; ` +
        'go on with: skein resume RUN, or let it be: skein kill RUN',
    );
  }
  for (const unread of unreadable) err.line(`skein: run ${unread}: its manifest is missing or cannot be read`);
  return OK;
}

function tableOf(runs: readonly RunLine[], nowMs: number): string {
  const rows = runs.map((run) => [
    ...[run.runId, comboText(run), run.state, doneText(run), run.errors ?? '-'],
    ...[agoText(run.createdAtMs, nowMs), expiryText(run, nowMs)],
  ]);
  const head = ['run', 'framework/query mode/mode', 'state', 'done', 'errors', 'made', 'expires'];
  return tableText(head, rows, (column) => column === 'done' || column === 'errors');
}

function detailLines(run: RunDetail, records: readonly AttemptRecord[], nowMs: number): string[] {
  const { expected, ok, errors, missing } = run.counts;
  const { status } = run;
  const beat = run.lastHeartbeatMs === undefined ? 'none' : agoText(run.lastHeartbeatMs, nowMs);
  const facts: [string, string][] = [
    ['run', run.runId],
    ['settings', comboText(run)],
    ['state', run.state],
    ['rows', `${run.counts.done} of ${expected}: ${ok} ok, ${plural(errors, 'error')}, ${missing} missing`],
    ['attempt', String(run.attempt)],
    ...records.map(({ attempt, ids, reason, by }): [string, string] => [
      `attempt ${attempt}`,
      `${plural(ids.length, 'id')}${by ? `, by ${by}` : ''}${reason ? `: ${reason}` : ''}`,
    ]),
    ['in flight', (status?.in_flight ?? []).map((each) => each.instance_id).join(', ') || 'nothing'],
    ['made', agoText(run.createdAtMs, nowMs)],
    ['heartbeat', beat],
    ...(run.waitingFor ? [['waits', `it ${run.waitingFor}`] as [string, string]] : []),
    ['expires', expiryText(run, nowMs)],
    ...(status?.error ? [['error', status.error] as [string, string]] : []),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

const comboText = ({ framework, queryMode, mode }: RunLine): string => `${framework}/${queryMode}/${mode}`;
const doneText = ({ done, total }: RunLine): string => `${done}/${total}`;
const agoText = (atMs: number, nowMs: number): string =>
  atMs > 0 ? `${durationText(Math.max(0, nowMs - atMs) / 1000)} ago` : '-';

function expiryText({ pinned, expiresAtMs }: RunLine, nowMs: number): string {
  if (pinned) return 'pinned';
  if (expiresAtMs === undefined) return 'never';
  const leftS = (expiresAtMs - nowMs) / 1000;
  if (leftS <= 0) return 'now';
  return leftS >= DAY_S ? `in ${Math.floor(leftS / DAY_S)} d` : `in ${durationText(leftS)}`;
}

function asJson(run: RunLine): Record<string, unknown> {
  return {
    run_id: run.runId,
    framework: run.framework,
    query_mode: run.queryMode,
    mode: run.mode,
    state: run.state,
    done: run.done,
    total: run.total,
    errors: run.errors ?? null,
    attempt: run.attempt,
    created_at_ms: run.createdAtMs,
    last_heartbeat_ms: run.lastHeartbeatMs ?? null,
    expires_at_ms: run.expiresAtMs ?? null,
    pinned: run.pinned,
    waiting_for: run.waitingFor || null,
  };
}

function detailJson(run: RunDetail, records: readonly AttemptRecord[]): Record<string, unknown> {
  return { ...asJson(run), counts: run.counts, in_flight: run.status?.in_flight ?? [], attempts: records };
}
