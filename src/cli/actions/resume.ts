/**
 * `skein resume RUN`: every id without a row is started as the same attempt, those that were in flight when the run was
 * killed too; then the results are fetched as by `submit`. All settings are the manifest's; only folders may be others.
 * With a head named, the run goes on there, and the dataset is asked for only if its setup never got to the store.
 */
import { openDataset, type Dataset } from '../../dataset/dataset.ts';
import { databasesOf, readManifest, type Manifest } from '../../run/manifest.ts';
import { readCounts } from '../../run/run-index.ts';
import { SkeinError } from '../../kernel/errors.ts';
import { parseRunId } from '../../kernel/ids.ts';
import type { CliContext } from '../context.ts';
import type { Flags } from '../flags.ts';
import { checkFolders, type NamedFolder } from '../folders.ts';
import { checkCanRun, checkHasDataset, completed, supplementForeign } from '../foreign-run.ts';
import { refuseHeldRun } from '../held-run.ts';
import { plural } from '../progress-text.ts';
import { openView, type ProgressView } from '../progress-view.ts';
import { standingReferences } from '../reference-check.ts';
import { placeOf, type RunPlace } from '../run-place.ts';
import { buildMissingCaches, comboOf, defaultLogFile, runToEnd } from '../run-to-end.ts';
import { selectTasks } from '../select-tasks.ts';
import * as shared from '../shared-flags.ts';
import { actorsOf, graceOf } from '../submission.ts';
import { invalid } from '../values.ts';
import { onCluster, printed } from './submit.ts';

interface Resumed {
  readonly flags: Flags;
  readonly context: CliContext;
  readonly place: RunPlace;
  readonly manifest: Manifest;
  readonly outDir: string;
  readonly startedMs: number;
}

/** Does it. The exit code. @throws SkeinError */
export async function resume(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const runId = parseRunId('RUN', flags.need('run', 'skein resume RUN'));
  const outDir = shared.folderOf(flags, 'out');
  await using place = await placeOf(flags, context, true);
  const stored = await readManifest(place.store, runId);
  const manifest = {
    ...stored,
    ...(flags.get('cache-root') !== undefined && { cache_root: shared.folderOf(flags, 'cache-root') }),
    ...(flags.get('reference-root') !== undefined && { reference_root: shared.folderOf(flags, 'reference-root') }),
  };
  const resumed = { flags, context, place, manifest, outDir, startedMs };
  return await (place.head ? resumeAtHead(resumed) : resumeHere(resumed));
}

async function resumeHere({ flags, context, place, manifest: stored, outDir, startedMs }: Resumed): Promise<number> {
  const { store } = place;
  const runId = stored.run_id;
  checkCanRun(stored);
  const actors = actorsOf(flags) ?? stored.render_inputs.actors_per_worker;
  const graceMs = graceOf(flags) ?? stored.grace_ms;
  const logFile = shared.absoluteFile(flags, 'log-file') ?? defaultLogFile(outDir, runId);
  if (flags.has('detach')) throw invalid('--detach', 'true', 'needs a head that goes on: give --address');
  await refuseHeldRun(store, runId, shared.repeated(flags, ['store']));
  const dataset = await datasetOf(flags, stored);
  const manifest = completed(flags, { ...stored, dataset_dir: dataset.dir }, dataset);
  await checkFolders(foldersOf(manifest, outDir), dataset.dir);
  await store.checkWritable();
  const databases = databasesOf(manifest);
  const references = await standingReferences(manifest, dataset.dir, databases, flags.has('accept-reference'));
  const reused = await references.accept(context.stop.drain);

  using view = await openView(context.err, flags.has('quiet'));
  await supplementForeign(store, stored, manifest);
  await prepareCaches(manifest, dataset, actors, context, view);
  await noteMissing(place, manifest, view);
  const repeatedFlags = shared.repeated(flags);
  const run = { store, manifest, actors, graceMs, outDir, logFile, reused, repeatedFlags, startedMs };
  return await printed(await runToEnd(run, context, view), flags, context, view);
}

async function resumeAtHead({ flags, context, place, manifest: stored, outDir, startedMs }: Resumed): Promise<number> {
  const { store, head } = place;
  if (!head) throw new SkeinError('INTERNAL', 'no head');
  const runId = stored.run_id;
  if (stored.dataset_content === null) {
    throw new SkeinError(
      'PREFLIGHT',
      `run ${runId}: it was submitted without a head, so its dataset is not in the store and nodes cannot have it; ` +
        'resume it without --address where it was submitted',
      { fields: { run: runId } },
    );
  }
  await store.checkWritable();
  const { isSetupThere } = await import('../run-on-cluster.ts');
  const isReady = await isSetupThere(store, stored);
  const dataset = isReady ? undefined : await datasetOf(flags, stored);
  const manifest = dataset ? { ...stored, dataset_dir: dataset.dir } : stored;
  await checkFolders(foldersOf(manifest, outDir), dataset?.dir);

  using view = await openView(context.err, flags.has('quiet'));
  if (dataset) await prepareCaches(manifest, dataset, actorsOf(flags) ?? 1, context, view);
  await noteMissing(place, manifest, view);
  const reused = new Map(Object.entries(manifest.seed));
  return await onCluster(
    { store, manifest, head, outDir, reused, startedMs, isSetupThere: isReady },
    flags,
    context,
    view,
  );
}

/** The run's dataset, whole as far as the run needs it. @throws SkeinError INVALID_INPUT */
async function datasetOf(flags: Flags, manifest: Manifest): Promise<Dataset> {
  const field = `run ${manifest.run_id}`;
  const typed = flags.get('dataset');
  if (typed === undefined) checkHasDataset(manifest);
  const dataset = await (typed === undefined
    ? openDataset(manifest.dataset_dir, `${field}: dataset_dir`)
    : openDataset(typed));
  // Another dataset than the submit's must at least have the run's tasks.
  selectTasks({ kind: 'ids', field: `${field}: instance_ids`, ids: manifest.instance_ids }, dataset);
  for (const database of databasesOf(manifest)) await dataset.checkDatabase(database);
  return dataset;
}

function foldersOf(manifest: Manifest, outDir: string): NamedFolder[] {
  return [
    { field: '--cache-root', path: manifest.cache_root },
    { field: '--reference-root', path: manifest.reference_root },
    { field: '--out', path: outDir },
  ];
}

async function prepareCaches(
  manifest: Manifest,
  dataset: Dataset,
  actors: number,
  context: CliContext,
  view: ProgressView,
): Promise<void> {
  const [combo, databases] = [comboOf(manifest), databasesOf(manifest)];
  await buildMissingCaches({ combo, dataset, databases, cacheRoot: manifest.cache_root, actors }, context, view);
}

async function noteMissing({ store }: RunPlace, manifest: Manifest, view: ProgressView): Promise<void> {
  const { missing, expected } = await readCounts(store, manifest);
  view.note(
    missing === 0
      ? `run ${manifest.run_id}: all ${plural(expected, 'id')} have a row`
      : `run ${manifest.run_id}: ${missing} of ${plural(expected, 'id')} have no row; they are started again as the same attempt`,
  );
}
