/** `skein pin RUN` and `skein unpin RUN`: whether a run outlives the clearing up of its bucket (P-40). */
import { parseRunId } from '../../kernel/ids.ts';
import { readManifest } from '../../run/manifest.ts';
import { pinRun, unpinRun, type PinOutcome } from '../../run/pin.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { personHere } from '../person.ts';
import { plural } from '../progress-text.ts';
import { placeOf } from '../run-place.ts';

/** Does it. The exit code. @throws SkeinError */
export async function pin(flags: Flags, context: CliContext): Promise<number> {
  const runId = parseRunId('RUN', flags.need('run', 'skein pin RUN'));
  await using place = await placeOf(flags, context);
  const { store } = place;
  const manifest = await readManifest(store, runId);
  const by = { by: personHere(), at_ms: Date.now() };
  const outcome = await pinRun(store, manifest, by, { signal: context.stop.drain });
  const kept = outcome.isHolding
    ? `${plural(outcome.held, 'object')} held`
    : `${store.url} clears nothing away by itself`;
  return told(flags, context, runId, true, outcome, `${outcome.before ? 'is pinned already' : 'is pinned'}; ${kept}`);
}

/** Does it. The exit code. @throws SkeinError */
export async function unpin(flags: Flags, context: CliContext): Promise<number> {
  const runId = parseRunId('RUN', flags.need('run', 'skein unpin RUN'));
  await using place = await placeOf(flags, context);
  const { store } = place;
  const outcome = await unpinRun(store, await readManifest(store, runId), { signal: context.stop.drain });
  return told(flags, context, runId, false, outcome, outcome.before ? 'is pinned no more' : 'was not pinned');
}

function told(
  flags: Flags,
  { out }: CliContext,
  runId: string,
  isPinned: boolean,
  { before, held, free }: PinOutcome,
  text: string,
): number {
  const wasPinned = before !== null;
  if (!flags.has('json')) out.line(`run ${runId} ${text}`);
  else out.line(JSON.stringify({ run_id: runId, pinned: isPinned, was_pinned: wasPinned, held, free, exit_code: OK }));
  return OK;
}
