/**
 * `skein resubmit RUN`: every id whose row is absent, cannot be read or has an error runs again, all of them as one new
 * attempt, whose reason is recorded (L-11, P-50); then the results are fetched as by `submit`. The run's setup is used as it
 * lies in the store. With nothing to run, nothing is touched.
 */
import { parseRunId } from '../../kernel/ids.ts';
import { describeHolder } from '../../run/lease.ts';
import { readManifest, type Manifest } from '../../run/manifest.ts';
import { readCounts } from '../../run/run-counts.ts';
import { beginResubmit, planResubmit } from '../../run/resubmit.ts';
import { runHolder } from '../../run/run-lease.ts';
import { SkeinError } from '../../kernel/errors.ts';
import type { ObjectStore } from '../../store/port.ts';
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { personHere } from '../person.ts';
import { plural } from '../progress-text.ts';
import type { ProgressView } from '../progress-view.ts';
import { runAgain, withFolders } from '../run-again.ts';
import { placeOf } from '../run-place.ts';
import { storedSecrets } from '../run-secrets.ts';
import * as shared from '../shared-flags.ts';

/** Does it. The exit code. @throws SkeinError */
export async function resubmit(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const runId = parseRunId('RUN', flags.need('run', 'skein resubmit RUN'));
  const outDir = shared.folderOf(flags, 'out');
  const reason = flags.get('reason') ?? 'ids without a good row';
  await using place = await placeOf(flags, context, true);
  const { store, head } = place;
  const manifest = withFolders(await readManifest(store, runId), flags);
  const signal = context.stop.drain;
  await refuseBusyRun(store, runId, shared.repeated(flags, ['store', ...Object.keys(CLUSTER_FLAGS)]));
  const nothing = (): Promise<number> => sayNothing(store, manifest, flags, context, startedMs);
  if ((await planResubmit(store, manifest, { signal })).ids.length === 0) return await nothing();

  const secrets = await storedSecrets(flags, context, manifest, head);
  const begin = async (complete: Manifest, view: ProgressView): Promise<boolean> => {
    const record = await beginResubmit({ store, manifest: complete, reason, by: personHere(), signal });
    if (!record) return false;
    const { no_row: noRow = 0, unreadable = 0, error = 0 } = record.found;
    const parts = [`${error} with an error`, `${unreadable} unreadable`, `${noRow} without a row`];
    view.note(
      `run ${runId}: ${plural(record.ids.length, 'id')} run again as attempt ${record.attempt}: ${parts.join(', ')}`,
    );
    return true;
  };
  const again = { flags, context, place, manifest, outDir, startedMs, secrets };
  return await runAgain({ ...again, isSetupReused: true, begin, nothing });
}

async function sayNothing(
  store: ObjectStore,
  manifest: Manifest,
  flags: Flags,
  { out }: CliContext,
  startedMs: number,
): Promise<number> {
  const runId = manifest.run_id;
  if (flags.has('json')) {
    const counts = await readCounts(store, manifest);
    const elapsedS = Math.round(performance.now() - startedMs) / 1000;
    out.line(
      JSON.stringify({ run_id: runId, counts, exit_reason: 'nothing-to-do', exit_code: OK, elapsed_s: elapsedS }),
    );
  } else {
    out.line(`run ${runId}: every id has a row without an error; nothing is run again`);
  }
  return OK;
}

/** Two attempts of one run at a time would be one too many. @throws SkeinError PREFLIGHT naming who works on it */
async function refuseBusyRun(store: ObjectStore, runId: string, repeated: string): Promise<void> {
  const holder = await runHolder(store, runId);
  if (!holder) return;
  throw new SkeinError(
    'PREFLIGHT',
    `run ${runId}: ${describeHolder(holder)} works on it; wait for it with: skein wait ${runId}${repeated}, ` +
      `or end it with: skein kill ${runId}${repeated}`,
    { fields: { run: runId } },
  );
}
