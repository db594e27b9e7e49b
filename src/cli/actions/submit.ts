/**
 * `skein submit`. Everything that can be checked is checked before anything is made (L-03): flags, dataset, ids, databases,
 * folders, store, references paid for by others, a run of the same id. Then caches, manifest, and the run to its end.
 */
import { openDataset, type Dataset } from '../../dataset/dataset.ts';
import type { Task } from '../../dataset/task.ts';
import { namesInRows } from '../../frameworks/registry.ts';
import {
  createManifest,
  databasesOf,
  makeManifest,
  manifestDifferences,
  readManifest,
  type Manifest,
  type ManifestDifference,
} from '../../run/manifest.ts';
import { isSkeinError, SkeinError } from '../../kernel/errors.ts';
import { failPoint } from '../../kernel/failpoint.ts';
import { mintRunId } from '../../kernel/ids.ts';
import { VERSION } from '../../kernel/version.ts';
import { ensureLifecycle } from '../../store/lifecycle.ts';
import type { ObjectStore } from '../../store/port.ts';
import { refuseAddress } from '../address.ts';
import type { CliContext } from '../context.ts';
import type { Flags } from '../flags.ts';
import { checkFolders } from '../folders.ts';
import { plural } from '../progress-text.ts';
import { openView } from '../progress-view.ts';
import { freshReferences, parseEncoder } from '../reference-check.ts';
import { buildMissingCaches, comboOf, defaultLogFile, runToEnd } from '../run-to-end.ts';
import { selectTasks } from '../select-tasks.ts';
import * as shared from '../shared-flags.ts';
import { submissionOf, type Submission } from '../submission.ts';

/** Does it. The exit code. @throws SkeinError */
export async function submit(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const submission = await submissionOf(flags);
  const roots = {
    cacheRoot: shared.folderOf(flags, 'cache-root'),
    referenceRoot: shared.folderOf(flags, 'reference-root'),
    outDir: shared.folderOf(flags, 'out'),
  };
  const encoder = flags.get('encoder');
  if (encoder !== undefined) await parseEncoder(encoder);
  const typedLogFile = shared.absoluteFile(flags, 'log-file');
  await refuseAddress(flags, context);

  const dataset = await openDataset(flags.need('dataset', '--dataset DIR'));
  const tasks = selectTasks(submission.selection, dataset);
  const databases = [...new Set(tasks.map((task) => task.selected_database))].sort();
  for (const database of databases) await dataset.checkDatabase(database);

  await using store = await shared.storeOf(flags, context);
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
  const manifest = manifestOf(submission, roots, dataset, tasks);
  await refuseOtherRun(store, manifest, submission);
  const reused = await freshReferences(manifest, dataset.dir, databases);

  using view = await openView(context.err, flags.has('quiet'));
  const combo = comboOf(manifest);
  const { actors, graceMs } = submission;
  await buildMissingCaches({ combo, dataset, databases, cacheRoot: roots.cacheRoot, actors }, context, view);
  await ensureLifecycle(store, (text) => view.note(text));
  failPoint('submit.before-manifest');
  const made = await makeRun(store, manifest);
  failPoint('submit.after-manifest');
  view.note(
    `run ${made.run_id}: ${plural(made.instance_ids.length, 'task')} of ${plural(databasesOf(made).length, 'database')}`,
  );

  const logFile = typedLogFile ?? defaultLogFile(roots.outDir, made.run_id);
  const summary = await runToEnd(
    {
      store,
      manifest: made,
      actors,
      graceMs,
      outDir: roots.outDir,
      logFile,
      reused,
      repeatedFlags: shared.repeated(flags),
      startedMs,
    },
    context,
    view,
  );
  view[Symbol.dispose]();
  if (flags.has('json')) context.out.line(JSON.stringify(summary));
  else (await import('../print-summary.ts')).printSummary(summary, context.out, flags.has('quiet'));
  return summary.exit_code;
}

function manifestOf(
  submission: Submission,
  roots: { readonly cacheRoot: string; readonly referenceRoot: string },
  dataset: Dataset,
  tasks: readonly Task[],
): Manifest {
  const nowMs = Date.now();
  const names = namesInRows(submission);
  return makeManifest({
    ...names,
    run_id: submission.runId ?? mintRunId(names.framework, names.query_mode, nowMs),
    instance_ids: tasks.map((task) => task.instance_id) as [string, ...string[]],
    databases: Object.fromEntries(tasks.map((task) => [task.instance_id, task.selected_database])),
    slayer_setup: submission.slayerSetup,
    encoder: submission.encoder,
    sql_timeout_ms: submission.sqlTimeoutMs,
    grace_ms: submission.graceMs,
    actor_block_timeout_ms: submission.actorBlockTimeoutMs,
    render_inputs: { actors_per_worker: submission.actors },
    dataset_dir: dataset.dir,
    cache_root: roots.cacheRoot,
    reference_root: roots.referenceRoot,
    created_at_ms: nowMs,
    skein_version: VERSION,
  });
}

/** Found out before anything is made; `makeRun` decides. */
async function refuseOtherRun(store: ObjectStore, manifest: Manifest, { runId }: Submission): Promise<void> {
  if (runId === undefined) return;
  try {
    const stored = await readManifest(store, runId);
    const differences = manifestDifferences(stored, manifest);
    if (differences.length > 0) throw otherRun(manifest, differences);
  } catch (error) {
    if (!isSkeinError(error, 'NOT_FOUND')) throw error;
  }
}

async function makeRun(store: ObjectStore, manifest: Manifest): Promise<Manifest> {
  const outcome = await createManifest(store, manifest);
  switch (outcome.kind) {
    case 'created':
    case 'attached':
      return outcome.manifest;
    case 'refused':
      throw otherRun(manifest, outcome.differences);
  }
}

function otherRun({ run_id: runId }: Manifest, differences: readonly ManifestDifference[]): SkeinError {
  const listed = differences.map(({ field, stored, asked }) => `${field} is ${stored}, not ${asked}`);
  return new SkeinError(
    'INVALID_INPUT',
    `--run-id: ${JSON.stringify(runId)} is another run: ${listed.join('; ')}. Give another id, or skein resume ${runId}`,
    { fields: { field: '--run-id' } },
  );
}
