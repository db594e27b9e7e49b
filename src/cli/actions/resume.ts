/**
 * `skein resume RUN`: every id without a row is started as the same attempt, those that were in flight when the run was
 * killed too; then the results are fetched as by `submit`. All settings are the manifest's; only folders may be others.
 */
import { openDataset } from '../../dataset/dataset.ts';
import { databasesOf, readManifest } from '../../run/manifest.ts';
import { readCounts } from '../../run/run-index.ts';
import { parseRunId } from '../../kernel/ids.ts';
import { refuseAddress } from '../address.ts';
import type { CliContext } from '../context.ts';
import type { Flags } from '../flags.ts';
import { checkFolders } from '../folders.ts';
import { plural } from '../progress-text.ts';
import { openView } from '../progress-view.ts';
import { freshReferences } from '../reference-check.ts';
import { buildMissingCaches, comboOf, defaultLogFile, runToEnd } from '../run-to-end.ts';
import { selectTasks } from '../select-tasks.ts';
import * as shared from '../shared-flags.ts';
import { actorsOf, graceOf } from '../submission.ts';

/** Does it. The exit code. @throws SkeinError */
export async function resume(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const runId = parseRunId('RUN', flags.need('run', 'skein resume RUN'));
  const [typedActors, typedGrace] = [actorsOf(flags), graceOf(flags)];
  const outDir = shared.folderOf(flags, 'out');
  const logFile = shared.absoluteFile(flags, 'log-file') ?? defaultLogFile(outDir, runId);
  await refuseAddress(flags, context);

  await using store = await shared.storeOf(flags, context);
  const typedDataset = flags.get('dataset');
  const stored = await readManifest(store, runId);
  const dataset = await (typedDataset === undefined
    ? openDataset(stored.dataset_dir, `run ${runId}: dataset_dir`)
    : openDataset(typedDataset));
  const manifest = {
    ...stored,
    dataset_dir: dataset.dir,
    ...(flags.get('cache-root') !== undefined && { cache_root: shared.folderOf(flags, 'cache-root') }),
    ...(flags.get('reference-root') !== undefined && { reference_root: shared.folderOf(flags, 'reference-root') }),
  };
  // Another dataset than the submit's must at least have the run's tasks.
  selectTasks({ kind: 'ids', field: `run ${runId}: instance_ids`, ids: manifest.instance_ids }, dataset);
  const databases = databasesOf(manifest);
  for (const database of databases) await dataset.checkDatabase(database);
  await checkFolders(
    [
      { field: '--cache-root', path: manifest.cache_root },
      { field: '--reference-root', path: manifest.reference_root },
      { field: '--out', path: outDir },
    ],
    dataset.dir,
  );
  await store.checkWritable();
  const reused = await freshReferences(manifest, dataset.dir, databases);
  const actors = typedActors ?? manifest.render_inputs.actors_per_worker;

  using view = await openView(context.err, flags.has('quiet'));
  const combo = comboOf(manifest);
  await buildMissingCaches({ combo, dataset, databases, cacheRoot: manifest.cache_root, actors }, context, view);
  const { missing, expected } = await readCounts(store, manifest);
  view.note(
    missing === 0
      ? `run ${runId}: all ${plural(expected, 'id')} have a row`
      : `run ${runId}: ${missing} of ${plural(expected, 'id')} have no row; they are started again as the same attempt`,
  );
  const graceMs = typedGrace ?? manifest.grace_ms;
  const summary = await runToEnd(
    { store, manifest, actors, graceMs, outDir, logFile, reused, repeatedFlags: shared.repeated(flags), startedMs },
    context,
    view,
  );
  view[Symbol.dispose]();
  if (flags.has('json')) context.out.line(JSON.stringify(summary));
  else (await import('../print-summary.ts')).printSummary(summary, context.out, flags.has('quiet'));
  return summary.exit_code;
}
