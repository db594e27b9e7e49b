/** `skein kill RUN`: nothing of the run is started any more, what runs gets its grace, and the run stays as it then is. */
import { RunState, type WatchRunResponse } from '../../gen/skein/v1/run.ts';
import { SkeinError } from '../../kernel/errors.ts';
import { parseRunId } from '../../kernel/ids.ts';
import { readManifest } from '../../run/manifest.ts';
import { readCounts } from '../../run/run-index.ts';
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { plural } from '../progress-text.ts';
import { placeOf } from '../run-place.ts';
import * as shared from '../shared-flags.ts';
import { graceOf } from '../submission.ts';

/** Does it. The exit code. @throws SkeinError */
export async function kill(flags: Flags, context: CliContext): Promise<number> {
  const runId = parseRunId('RUN', flags.need('run', 'skein kill RUN'));
  const graceMs = graceOf(flags) ?? 10_000;
  await using place = await placeOf(flags, context);
  const { store, head } = place;
  const manifest = await readManifest(store, runId);
  if (!head)
    throw new SkeinError('INVALID_INPUT', `run ${runId}: only its head can stop it: give --address or --data-dir`);
  await head.client.drainRun(runId, graceMs);
  context.stop.onDrain = () => context.err.line(`skein: the run is being stopped all the same`);
  let last: WatchRunResponse | undefined;
  for await (const progress of head.client.watchRun(runId)) {
    last = progress;
    if (context.stop.drain.aborted) break;
  }
  const counts = await readCounts(store, manifest);
  const isDone = last?.state === RunState.DONE;
  const state = isDone ? 'done' : 'stopped';
  if (flags.has('json')) {
    context.out.line(JSON.stringify({ run_id: runId, counts, exit_reason: state, exit_code: OK }));
    return OK;
  }
  const goOn = isDone
    ? ''
    : `; go on with: skein resume ${runId}${shared.repeated(flags, ['store', ...Object.keys(CLUSTER_FLAGS)])}`;
  context.out.line(`run ${runId}: ${state}: ${counts.done} of ${plural(counts.expected, 'row')}${goOn}`);
  return OK;
}
