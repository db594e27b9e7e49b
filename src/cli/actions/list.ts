/** `skein list`: the runs of a store, the newest first (L-09). */
import { listRuns, type RunSummary } from '../../run/run-index.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { durationText } from '../progress-text.ts';
import { placeOf } from '../run-place.ts';
import { tableText } from '../table.ts';

/** Does it. The exit code. @throws SkeinError */
export async function list(flags: Flags, context: CliContext): Promise<number> {
  const { out, err, stop } = context;
  await using place = await placeOf(flags, context);
  const { store } = place;
  const { runs, unreadable } = await listRuns(store, { signal: stop.drain });
  if (flags.has('json')) {
    out.line(JSON.stringify({ store: store.url, runs: runs.map(asJson), unreadable }));
    return OK;
  }
  if (runs.length === 0) out.line(`no runs in ${store.url}`);
  else out.line(tableOf(runs, Date.now()));
  for (const runId of unreadable) err.line(`skein: run ${runId}: its manifest is missing or cannot be read`);
  return OK;
}

function tableOf(runs: readonly RunSummary[], nowMs: number): string {
  const rows = runs.map(({ runId, framework, queryMode, mode, state, done, total, errors, createdAtMs }) => [
    ...[runId, `${framework}/${queryMode}/${mode}`, state, `${done}/${total}`, errors ?? '-'],
    createdAtMs > 0 ? `${durationText((nowMs - createdAtMs) / 1000)} ago` : '-',
  ]);
  const head = ['run', 'framework/query mode/mode', 'state', 'done', 'errors', 'made'];
  return tableText(head, rows, (column) => column === 'done' || column === 'errors');
}

function asJson(run: RunSummary): Record<string, unknown> {
  return {
    run_id: run.runId,
    framework: run.framework,
    query_mode: run.queryMode,
    mode: run.mode,
    state: run.state,
    done: run.done,
    total: run.total,
    errors: run.errors ?? null,
    created_at_ms: run.createdAtMs,
    last_heartbeat_ms: run.lastHeartbeatMs ?? null,
  };
}
