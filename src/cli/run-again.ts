/**
 * Going on with a run whose manifest stands in the store: what `resume` and `resubmit` share. All settings are the manifest's;
 * only folders may be others. With a head named, the run goes on there, and the dataset is asked for only if its setup
 * never got to the store.
 *
 * Invariant: A1 whatever can be refused is refused before `begin`, which may change what the store says of the run.
 */
import { openDataset, type Dataset } from '../dataset/dataset.ts';
import { SkeinError } from '../kernel/errors.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { databasesOf, type Manifest } from '../run/manifest.ts';
import { ensureLifecycle } from '../store/lifecycle.ts';
import { onCluster, printed } from './actions/submit.ts';
import type { CliContext } from './context.ts';
import type { Flags } from './flags.ts';
import { checkFolders, type NamedFolder } from './folders.ts';
import { checkCanRun, checkHasDataset, completed, supplementForeign } from './foreign-run.ts';
import { noteChangedFramework, refuseUserCode } from './own-framework.ts';
import { openView, type ProgressView } from './progress-view.ts';
import { NO_REFERENCES, standingReferences } from './reference-check.ts';
import { usesReferences } from './run-combo.ts';
import type { LiveHead, RunPlace } from './run-place.ts';
import { buildMissingCaches, comboOf, defaultLogFile, runToEnd } from './run-to-end.ts';
import { selectTasks } from './select-tasks.ts';
import * as shared from './shared-flags.ts';
import { isSetupThere } from './stored-setup.ts';
import { actorsOf, graceOf } from './submission.ts';
import { invalid } from './values.ts';

export interface RunAgain {
  readonly flags: Flags;
  readonly context: CliContext;
  readonly place: RunPlace;
  /** As stored, with the folders of this command line. */
  readonly manifest: Manifest;
  readonly outDir: string;
  readonly startedMs: number;
  /** What the run's actors need (`run-secrets.ts`). */
  readonly secrets: Secrets;
  /** Whether the setup that the run has in the store is used as it is, if it is whole. */
  readonly isSetupReused: boolean;
  /** Says, or writes down, what is to be run; with the manifest as it is by then. False: nothing is, and the command ends as `done`. */
  begin(manifest: Manifest, view: ProgressView): Promise<boolean>;
  /** The exit code when nothing is to be run. */
  nothing(view: ProgressView): Promise<number>;
}

/** `stored` with the folders that the command line names. */
export function withFolders(stored: Manifest, flags: Flags): Manifest {
  return {
    ...stored,
    ...(flags.get('cache-root') !== undefined && { cache_root: shared.folderOf(flags, 'cache-root') }),
    ...(flags.get('reference-root') !== undefined && { reference_root: shared.folderOf(flags, 'reference-root') }),
  };
}

/** Does it, here or at the head that was named. The exit code. @throws SkeinError */
export async function runAgain(again: RunAgain): Promise<number> {
  checkCanRun(again.manifest);
  const { head } = again.place;
  return await (head ? againAtHead(again, head) : againHere(again));
}

async function againHere(again: RunAgain): Promise<number> {
  const { flags, context, place, manifest: stored, outDir, startedMs, secrets } = again;
  const { store } = place;
  const runId = stored.run_id;
  const actors = actorsOf(flags) ?? stored.render_inputs.actors_per_worker;
  const graceMs = graceOf(flags) ?? stored.grace_ms;
  const logFile = shared.absoluteFile(flags, 'log-file') ?? defaultLogFile(outDir, runId);
  if (flags.has('detach')) throw invalid('--detach', 'true', 'needs a head that goes on: give --address');
  const dataset = await datasetOf(flags, stored);
  const manifest = completed(flags, { ...stored, dataset_dir: dataset.dir }, dataset);
  await checkFolders(foldersOf(manifest, outDir), dataset.dir);
  await store.checkWritable();
  const databases = databasesOf(manifest);
  const references = usesReferences(manifest)
    ? await standingReferences(manifest, dataset.dir, databases, flags.has('accept-reference'))
    : NO_REFERENCES;
  const reused = await references.accept(context.stop.drain);

  using view = await openView(context.err, flags.has('quiet'));
  await supplementForeign(store, stored, manifest);
  await prepareCaches(manifest, dataset, actors, context, view);
  await ensureLifecycle(store, (text) => view.note(text));
  const isReady = again.isSetupReused && (await isSetupThere(store, manifest));
  if (!(await again.begin(manifest, view))) return await again.nothing(view);
  await noteChangedFramework(manifest, view);
  const repeatedFlags = shared.repeated(flags);
  const run = { store, manifest, actors, graceMs, outDir, logFile, reused, repeatedFlags, startedMs, secrets };
  return await printed(await runToEnd({ ...run, isSetupThere: isReady }, context, view), flags, context, view);
}

async function againAtHead(again: RunAgain, head: LiveHead): Promise<number> {
  const { flags, context, place, manifest: stored, outDir, startedMs, secrets } = again;
  const { store } = place;
  const runId = stored.run_id;
  refuseUserCode(head, stored);
  if (stored.dataset_content === null) {
    throw new SkeinError(
      'PREFLIGHT',
      `run ${runId}: it was submitted without a head, so its dataset is not in the store and nodes cannot have it; ` +
        'go on with it without --address where it was submitted',
      { fields: { run: runId } },
    );
  }
  await store.checkWritable();
  const isReady = await isSetupThere(store, stored);
  const dataset = isReady ? undefined : await datasetOf(flags, stored);
  const manifest = dataset ? { ...stored, dataset_dir: dataset.dir } : stored;
  await checkFolders(foldersOf(manifest, outDir), dataset?.dir);

  using view = await openView(context.err, flags.has('quiet'));
  if (dataset) await prepareCaches(manifest, dataset, actorsOf(flags) ?? 1, context, view);
  await ensureLifecycle(store, (text) => view.note(text));
  if (!(await again.begin(manifest, view))) return await again.nothing(view);
  await noteChangedFramework(manifest, view);
  const reused = new Map(Object.entries(manifest.seed));
  return await onCluster(
    { store, manifest, head, outDir, reused, startedMs, secrets, isSetupThere: isReady },
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
