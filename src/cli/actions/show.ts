/** `skein show RUN ID`: all that the store has of one task. What cannot be read is named, and the rest is shown. */
import { parseRunId } from '../../kernel/ids.ts';
import { readManifest } from '../../run/manifest.ts';
import { readStatus } from '../../run/status.ts';
import { readTaskObjects } from '../../run/task-sight.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { placeOf } from '../run-place.ts';
import { attemptPicture } from '../show/attempt-picture.ts';
import { showJson } from '../show/show-json.ts';
import { showText } from '../show/show-text.ts';
import { taskState } from '../show/task-state.ts';
import { attemptFlag, noSuchAttempt, taskOfRun } from '../task-of-run.ts';

/** Does it. The exit code. @throws SkeinError */
export async function show(flags: Flags, context: CliContext): Promise<number> {
  const { out, err, stop } = context;
  const runId = parseRunId('RUN', flags.need('run', 'skein show RUN ID'));
  const typedId = flags.need('id', 'skein show RUN ID');
  const typedAttempt = attemptFlag(flags);
  await using place = await placeOf(flags, context);
  const { store } = place;
  const options = { signal: stop.drain };
  const manifest = await readManifest(store, runId);
  const instanceId = taskOfRun(manifest, typedId);
  const [objects, status] = await Promise.all([
    readTaskObjects(store, runId, instanceId, options),
    readStatus(store, runId, options),
  ]);
  const running = status?.terminal_state
    ? undefined
    : status?.in_flight.find((task) => task.instance_id === instanceId);
  const attempts = [...new Set([...objects.attempts, ...(running ? [running.attempt] : [])])].sort((a, b) => a - b);
  if (typedAttempt !== undefined && !attempts.includes(typedAttempt)) {
    throw noSuchAttempt(typedAttempt, `${instanceId} of run ${runId}`, attempts);
  }
  const state = await taskState({ store, manifest, status, instanceId, objects, running });
  const shown = typedAttempt ?? running?.attempt ?? objects.speaker?.file.attempt ?? attempts.at(-1);
  const picture = await attemptPicture({
    store,
    runId,
    instanceId,
    objects,
    attempt: shown,
    isRunning: shown === running?.attempt,
    options,
  });
  const facts = { runId, instanceId, manifest, state, objects, attempts, picture };
  if (flags.has('json')) out.line(JSON.stringify(showJson(facts)));
  else for (const line of showText(facts, out.colors)) out.line(line);
  if (!flags.has('json')) for (const { object, reason } of picture.problems) err.line(`skein: ${object}: ${reason}`);
  return OK;
}
