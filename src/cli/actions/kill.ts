/**
 * `skein kill RUN`: nothing of the run is started any more, what runs gets its grace, and the run stays as it then is. A run
 * that nobody works on is given up, so that no head takes it up by itself when it starts. Any machine that reaches head or
 * store will do, and the second time is as good as the first (L-08).
 */
import { RunState } from '../../gen/skein/v1/run.ts';
import { isSkeinError } from '../../kernel/errors.ts';
import { parseRunId } from '../../kernel/ids.ts';
import { readManifest } from '../../run/manifest.ts';
import { readCounts } from '../../run/run-counts.ts';
import { stopIdleRun } from '../../run/give-up.ts';
import type { ObjectStore } from '../../store/port.ts';
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { refuseHeldRun } from '../held-run.ts';
import { plural } from '../progress-text.ts';
import { placeOf, type LiveHead } from '../run-place.ts';
import * as shared from '../shared-flags.ts';
import { graceOf } from '../submission.ts';

/** Does it. The exit code. @throws SkeinError */
export async function kill(flags: Flags, context: CliContext): Promise<number> {
  const runId = parseRunId('RUN', flags.need('run', 'skein kill RUN'));
  const graceMs = graceOf(flags) ?? 10_000;
  await using place = await placeOf(flags, context);
  const { store, head } = place;
  const manifest = await readManifest(store, runId);
  const isDone = (head && (await stopAtHead(head, runId, graceMs, context))) ?? (await giveUp(store, runId));
  const counts = await readCounts(store, manifest);
  const state = isDone ? 'done' : 'stopped';
  if (flags.has('json')) {
    context.out.line(JSON.stringify({ run_id: runId, counts, exit_reason: state, exit_code: OK }));
    return OK;
  }
  const repeated = shared.repeated(flags, ['store', ...Object.keys(CLUSTER_FLAGS)]);
  const goOn = isDone ? '' : `; go on with: skein resume ${runId}${repeated}`;
  context.out.line(`run ${runId}: ${state}: ${counts.done} of ${plural(counts.expected, 'row')}${goOn}`);
  return OK;
}

/** Whether every id had its row before the stop; undefined if the head does not know the run: it ended long ago. */
async function stopAtHead(
  { client }: LiveHead,
  runId: string,
  graceMs: number,
  { stop, err }: CliContext,
): Promise<boolean | undefined> {
  try {
    await client.drainRun(runId, graceMs);
  } catch (error) {
    if (isSkeinError(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
  stop.onDrain = () => err.line('skein: the run is being stopped all the same');
  let state: RunState | undefined;
  for await (const progress of client.watchRun(runId)) {
    ({ state } = progress);
    if (stop.drain.aborted) break;
  }
  return state === RunState.DONE;
}

async function giveUp(store: ObjectStore, runId: string): Promise<boolean> {
  await refuseHeldRun(store, runId, '');
  const end = await stopIdleRun(store, runId);
  if (end === 'held') await refuseHeldRun(store, runId, '');
  return end === 'done';
}
