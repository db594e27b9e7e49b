/** `skein wait RUN`: until the run ends, on what its store says (L-05). The exit code is the run's. */
import { readManifest } from '../../run/manifest.ts';
import { HeadWatch } from '../../run/head-watch.ts';
import { readCounts } from '../../run/run-counts.ts';
import { waitForRun, type RunProgress, type WaitResult } from '../../run/run-state.ts';
import type { RunStatus } from '../../run/status.ts';
import type { RunProgress as ShownProgress } from '../../embed/run-progress.ts';
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import { parseRunId } from '../../kernel/ids.ts';
import type { CliContext } from '../context.ts';
import { ERROR_ROWS, exitCodeOfCounts, NOT_FINISHED } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { helperLines, plural } from '../progress-text.ts';
import { openView, type ProgressView } from '../progress-view.ts';
import { placeOf } from '../run-place.ts';
import * as shared from '../shared-flags.ts';
import { parseCount, parseSeconds } from '../values.ts';

/** Does it. The exit code. @throws SkeinError */
export async function wait(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const { out, err, stop } = context;
  const runId = parseRunId('RUN', flags.need('run', 'skein wait RUN'));
  const pollMs = parseSeconds('--poll', flags.get('poll') ?? '2');
  const noProgressMs = parseSeconds('--no-progress', flags.get('no-progress') ?? '3600');
  const stallMs = parseSeconds('--stalled-after', flags.get('stalled-after') ?? '300');
  const minAttempt = parseCount('--min-attempt', flags.get('min-attempt') ?? '1', { min: 1, max: 1e9 });
  await using place = await placeOf(flags, context);
  const { store } = place;
  using view = await openView(err, flags.has('quiet'));
  const watch = new HeadWatch(store, runId, { isOnce: pollMs === 0, signal: stop.drain });
  const repeated = shared.repeated(flags, ['store', ...Object.keys(CLUSTER_FLAGS)]);
  const result = await waitForRun({
    store,
    runId,
    pollMs,
    noProgressMs,
    stallMs,
    minAttempt,
    lookAtHead: () => watch.look(),
    flags: repeated,
    signal: stop.drain,
    onProgress: (progress) => show(view, progress),
  });
  const counts = await readCounts(store, await readManifest(store, runId));
  const code = codeOf(result, exitCodeOfCounts(counts));
  view[Symbol.dispose]();
  const failedHelpers = result.status?.helper_failures ?? {};
  const again = `${plural(counts.errors, 'id')} with an error; run them again with: skein resubmit ${runId}${repeated}`;
  const hint = result.kind !== 'done' ? result.hint : code === ERROR_ROWS ? again : undefined;
  if (flags.has('json')) {
    const elapsedS = Math.round(performance.now() - startedMs) / 1000;
    const more = hint === undefined ? {} : { hint };
    out.line(
      JSON.stringify({
        run_id: runId,
        counts,
        helper_failures: failedHelpers,
        exit_reason: result.kind,
        exit_code: code,
        elapsed_s: elapsedS,
        ...more,
      }),
    );
  } else if (!flags.has('quiet')) {
    out.line(
      `run ${runId}: ${result.kind}: ${counts.done} of ${counts.expected} rows, ${plural(counts.errors, 'error')}`,
    );
    for (const line of helperLines(failedHelpers)) out.line(line);
  }
  if (hint !== undefined) err.line(`skein: run ${runId}: ${result.kind}: ${hint}`);
  return code;
}

/** Rows as they were counted; the rest as the last heartbeat said. */
function show(view: ProgressView, { rows, total, status }: RunProgress): void {
  if (!status) return view.phase(`${rows} of ${total} done, no heartbeat yet`);
  const rowsError = Math.min(rows, status.rows_error);
  const nodes = status['nodes'];
  view.run({
    total,
    rowsOk: rows - rowsError,
    rowsError,
    inFlight: status.terminal_state ? [] : status.in_flight.map(inFlightOf),
    databases: status.databases.map(({ in_flight: inFlight, ...rest }) => ({ ...rest, inFlight })),
    nodes: Array.isArray(nodes) ? nodes.length : undefined,
    actorsLive: status.actors.live,
    actorsPending: status.actors.pending,
    retried: 0,
    lateRows: 0,
    helperFailures: Object.values(status.helper_failures).reduce((sum, count) => sum + count, 0),
    failedHelpers: status.helper_failures,
  });
}

function inFlightOf(task: RunStatus['in_flight'][number]): ShownProgress['inFlight'][number] {
  const { instance_id: instanceId, elapsed_s: elapsedS } = task;
  const node = task['node'];
  return { instanceId, database: '', elapsedS, node: typeof node === 'string' ? node : '' };
}

function codeOf({ kind }: WaitResult, whenDone: number): number {
  return kind === 'done' ? whenDone : NOT_FINISHED;
}
