/**
 * `skein submit`. Everything that can be checked is checked before anything is made (L-03): flags, head, dataset, ids,
 * databases, folders, store, references paid for by others, a run of the same id. Then caches, the dataset's way to the
 * nodes, the manifest, and the run to its end: inside this command, or at the head that was named.
 */
import { openDataset } from '../../dataset/dataset.ts';
import { usesModel } from '../../frameworks/registry.ts';
import { failPoint } from '../../kernel/failpoint.ts';
import type { Secrets } from '../../kernel/secrets.ts';
import type { DatasetDescription, DatasetPlace } from '../../run/dataset-upload.ts';
import { databasesOf, type Manifest } from '../../run/manifest.ts';
import { ensureLifecycle } from '../../store/lifecycle.ts';
import type { ObjectStore } from '../../store/port.ts';
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { checkFolders } from '../folders.ts';
import { refuseHeldRun } from '../held-run.ts';
import { makeRun, manifestOf, refuseOtherRun } from '../make-run.ts';
import { bundleOf, refuseUserCode, shipFramework } from '../own-framework.ts';
import { plural } from '../progress-text.ts';
import { openView, type ProgressView } from '../progress-view.ts';
import { parseEncoder, standingReferences, NO_REFERENCES } from '../reference-check.ts';
import { usesReferences } from '../run-combo.ts';
import { placeOf, type LiveHead } from '../run-place.ts';
import { refuseMissing, refuseOpenWire, submittedSecrets } from '../run-secrets.ts';
import type { RunSummary } from '../run-summary.ts';
import { buildMissingCaches, comboOf, defaultLogFile, runToEnd } from '../run-to-end.ts';
import { selectTasks } from '../select-tasks.ts';
import * as shared from '../shared-flags.ts';
import { submissionOf } from '../submission.ts';
import { logGold, shipGold, submittedGold } from '../submitted-gold.ts';
import { invalid } from '../values.ts';

/** Does it. The exit code. @throws SkeinError */
export async function submit(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const submission = await submissionOf(flags);
  const secrets = await submittedSecrets(flags, context, submission);
  const roots = {
    cacheRoot: shared.folderOf(flags, 'cache-root'),
    referenceRoot: shared.folderOf(flags, 'reference-root'),
    outDir: shared.folderOf(flags, 'out'),
  };
  const encoder = flags.get('encoder');
  if (encoder !== undefined) await parseEncoder(encoder);
  const bundle = await bundleOf(submission);
  const typedLogFile = shared.absoluteFile(flags, 'log-file');

  const dataset = await openDataset(flags.need('dataset', '--dataset DIR'));
  const tasks = selectTasks(submission.selection, dataset);
  const databases = [...new Set(tasks.map((task) => task.selected_database))].sort();
  for (const database of databases) await dataset.checkDatabase(database);
  const gold = await submittedGold(flags.get('audited-gold'), dataset, tasks);

  await using place = await placeOf(flags, context, true);
  const { store, head } = place;
  if (!head && flags.has('detach')) throw invalid('--detach', 'true', 'needs a head that goes on: give --address');
  refuseOpenWire(secrets, head, flags);
  if (head && typedLogFile !== undefined) throw invalid('--log-file', typedLogFile, 'is for runs without --address');
  const storePath = shared.storeFolder(store);
  await checkFolders(
    [
      ...(storePath === undefined ? [] : [{ field: '--store', path: storePath }]),
      { field: '--cache-root', path: roots.cacheRoot },
      { field: '--reference-root', path: roots.referenceRoot },
      { field: '--out', path: roots.outDir },
    ],
    dataset.dir,
  );
  await store.checkWritable();
  const description = head && (await describe({ dir: dataset.dir, tasksPath: dataset.tasksPath, databases }, context));
  const planned = manifestOf({
    ...{ submission, ...roots, dataset, tasks, content: description?.content, auditedGold: gold?.digest, bundle },
    secretNames: secrets.names,
  });
  refuseUserCode(head, planned);
  await refuseOtherRun(store, planned, submission);
  if (!head && submission.runId !== undefined) {
    await refuseHeldRun(store, submission.runId, shared.repeated(flags, ['store']));
  }
  const combo = comboOf(planned);
  const references = usesReferences(planned)
    ? await standingReferences(planned, dataset.dir, databases, flags.has('accept-reference'))
    : NO_REFERENCES;

  using view = await openView(context.err, flags.has('quiet'));
  const { actors, graceMs } = submission;
  const reused = await references.accept(context.stop.drain);
  await buildMissingCaches({ combo, dataset, databases, cacheRoot: roots.cacheRoot, actors }, context, view);
  await ensureLifecycle(store, (text) => view.note(text));
  if (description) await shipDataset(store, description, context, view);
  await shipGold(store, gold, context.stop.drain);
  await shipFramework(store, bundle, context.stop.drain, view);
  failPoint('submit.before-manifest');
  const made = await makeRun(store, { ...planned, seed: Object.fromEntries(reused) });
  failPoint('submit.after-manifest');
  refuseMissing(secrets, made);
  view.note(
    `run ${made.run_id}: ${plural(made.instance_ids.length, 'task')} of ${plural(databasesOf(made).length, 'database')}`,
  );
  const audit = await logGold(store, made.run_id, gold, context.stop.drain);
  if (audit !== undefined) view.note(audit);
  if (submission.agentModel !== '' && !usesModel(submission)) {
    view.note(`--agent-model ${submission.agentModel} is written down only: this run calls no model and needs no key`);
  }
  const own = secrets.pick(made.secret_names);
  const run = { store, manifest: made, outDir: roots.outDir, reused, startedMs, secrets: own };
  if (head) return await onCluster({ ...run, head, isSetupThere: false }, flags, context, view);
  const logFile = typedLogFile ?? defaultLogFile(roots.outDir, made.run_id);
  const embedded = { ...run, actors, graceMs, logFile, repeatedFlags: shared.repeated(flags) };
  return await printed(await runToEnd(embedded, context, view), flags, context, view);
}

interface OnCluster {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  readonly outDir: string;
  readonly reused: ReadonlyMap<string, string>;
  readonly startedMs: number;
  /** What the run's actors need. Default: nothing. */
  readonly secrets?: Secrets;
  readonly head: LiveHead;
  /** True: its setup is in the store already. */
  readonly isSetupThere: boolean;
}

/** Hands the run over; then follows it home, or leaves at once when told to detach. */
export async function onCluster(
  run: OnCluster,
  flags: Flags,
  context: CliContext,
  view: ProgressView,
): Promise<number> {
  const { followHome, handOver } = await import('../run-on-cluster.ts');
  const repeatedFlags = shared.repeated(flags, Object.keys(CLUSTER_FLAGS));
  const clusterRun = { ...run, repeatedFlags };
  await handOver(clusterRun, context, view);
  if (!flags.has('detach')) return await printed(await followHome(clusterRun, context, view), flags, context, view);
  view[Symbol.dispose]();
  const runId = run.manifest.run_id;
  if (flags.has('json')) {
    const elapsedS = Math.round(performance.now() - run.startedMs) / 1000;
    const { address } = run.head;
    context.out.line(
      JSON.stringify({
        run_id: runId,
        address,
        store: run.store.url,
        exit_reason: 'submitted',
        exit_code: OK,
        elapsed_s: elapsedS,
      }),
    );
    return OK;
  }
  context.out.line(runId);
  if (!flags.has('quiet')) {
    context.err.line(
      `submitted; go on with: skein wait ${runId}${repeatedFlags}, then: skein fetch ${runId}${repeatedFlags}`,
    );
  }
  return OK;
}

/** Prints what a run came to. Its exit code. */
export async function printed(
  summary: RunSummary,
  flags: Flags,
  { out }: CliContext,
  view: ProgressView,
): Promise<number> {
  view[Symbol.dispose]();
  if (flags.has('json')) out.line(JSON.stringify(summary));
  else (await import('../print-summary.ts')).printSummary(summary, out, flags.has('quiet'));
  return summary.exit_code;
}

async function describe(place: DatasetPlace, { stop }: CliContext): Promise<DatasetDescription> {
  return (await import('../../run/dataset-upload.ts')).describeDataset(place, stop.drain);
}

async function shipDataset(
  store: ObjectStore,
  description: DatasetDescription,
  { stop }: CliContext,
  view: ProgressView,
): Promise<void> {
  const { uploadDataset } = await import('../../run/dataset-upload.ts');
  const total = description.databases.length;
  let done = 0;
  view.phase('uploading the dataset');
  const onDatabase = (): void => view.phase(`uploading the dataset: ${(done += 1)} of ${total} databases`);
  const { uploaded, bytes } = await uploadDataset(store, description, { signal: stop.drain, onDatabase });
  if (uploaded.length > 0) view.note(`uploaded ${plural(uploaded.length, 'database')}, ${(bytes / 1e6).toFixed(1)} MB`);
}
