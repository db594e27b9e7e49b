/** `skein wait RUN`: until the run ends, on what its store says (L-05). The exit code is the run's. */
import { readManifest } from '../../run/manifest.ts';
import { readCounts } from '../../run/run-index.ts';
import { waitForRun, type RunProgress, type WaitResult } from '../../run/run-state.ts';
import { parseRunId } from '../../kernel/ids.ts';
import type { CliContext } from '../context.ts';
import { exitCodeOfCounts, NOT_FINISHED } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { plural } from '../progress-text.ts';
import { openView } from '../progress-view.ts';
import * as shared from '../shared-flags.ts';
import { parseSeconds } from '../values.ts';

/** Does it. The exit code. @throws SkeinError */
export async function wait(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const { out, err, stop } = context;
  const runId = parseRunId('RUN', flags.need('run', 'skein wait RUN'));
  const pollMs = parseSeconds('--poll', flags.get('poll') ?? '2');
  const noProgressMs = parseSeconds('--no-progress', flags.get('no-progress') ?? '3600');
  const stallMs = parseSeconds('--stalled-after', flags.get('stalled-after') ?? '300');
  await using store = await shared.storeOf(flags, context);
  using view = await openView(err, flags.has('quiet'));
  const result = await waitForRun({
    store,
    runId,
    pollMs,
    noProgressMs,
    stallMs,
    signal: stop.drain,
    onProgress: (progress) => view.phase(progressText(progress)),
  });
  const counts = await readCounts(store, await readManifest(store, runId));
  const code = codeOf(result, exitCodeOfCounts(counts));
  view[Symbol.dispose]();
  const hint = result.kind === 'done' ? undefined : result.kind === 'error' ? result.error : result.hint;
  if (flags.has('json')) {
    const elapsedS = Math.round(performance.now() - startedMs) / 1000;
    const more = hint === undefined ? {} : { hint };
    out.line(
      JSON.stringify({
        run_id: runId,
        counts,
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
  }
  if (hint !== undefined) err.line(`skein: run ${runId}: ${result.kind}: ${hint}`);
  return code;
}

function progressText({ rows, total, status }: RunProgress): string {
  const inFlight = status?.terminal_state ? 0 : (status?.in_flight.length ?? 0);
  return `${rows} of ${total} done, ${inFlight} in flight, ${plural(status?.rows_error ?? 0, 'error')}`;
}

function codeOf({ kind }: WaitResult, whenDone: number): number {
  return kind === 'done' ? whenDone : NOT_FINISHED;
}
