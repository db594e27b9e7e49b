/**
 * `skein resume RUN`: every id without a row is started as the same attempt, those that were in flight when the run was
 * killed too; then the results are fetched as by `submit`. Ids that have a row keep it, errors too: running those again is
 * `resubmit`'s.
 */
import { parseRunId } from '../../kernel/ids.ts';
import { Secrets } from '../../kernel/secrets.ts';
import { readManifest, type Manifest } from '../../run/manifest.ts';
import { readCounts } from '../../run/run-counts.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { refuseHeldRun } from '../held-run.ts';
import { plural } from '../progress-text.ts';
import type { ProgressView } from '../progress-view.ts';
import { runAgain, withFolders } from '../run-again.ts';
import { placeOf, type RunPlace } from '../run-place.ts';
import { storedSecrets } from '../run-secrets.ts';
import * as shared from '../shared-flags.ts';

/** Does it. The exit code. @throws SkeinError */
export async function resume(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const runId = parseRunId('RUN', flags.need('run', 'skein resume RUN'));
  const outDir = shared.folderOf(flags, 'out');
  await using place = await placeOf(flags, context, true);
  const { store, head } = place;
  const manifest = withFolders(await readManifest(store, runId), flags);
  if (!head) await refuseHeldRun(store, runId, shared.repeated(flags, ['store']));
  const secrets = await secretsOf(flags, context, place, manifest);
  const begin = async (complete: Manifest, view: ProgressView): Promise<boolean> => {
    const { missing, expected } = await readCounts(store, complete);
    view.note(
      missing === 0
        ? `run ${runId}: all ${plural(expected, 'id')} have a row`
        : `run ${runId}: ${missing} of ${plural(expected, 'id')} have no row; they are started again as the same attempt`,
    );
    // Also with nothing left to run there may be references to ship, an end to say and results to fetch.
    return true;
  };
  const nothing = (): Promise<number> => Promise.resolve(OK);
  return await runAgain({
    ...{ flags, context, place, manifest, outDir, startedMs, secrets },
    isSetupReused: false,
    begin,
    nothing,
  });
}

/** What its actors need to go on; a run that has all its rows starts none (P-27). */
async function secretsOf(
  flags: Flags,
  context: CliContext,
  { store, head }: RunPlace,
  manifest: Manifest,
): Promise<Secrets> {
  if (manifest.secret_names.length === 0 || (await readCounts(store, manifest)).missing === 0) return Secrets.NONE;
  return await storedSecrets(flags, context, manifest, head);
}
