/** A run's manifest from what was asked for, and its one place in the store. */
import type { Dataset } from '../dataset/dataset.ts';
import type { Task } from '../dataset/task.ts';
import type { FrameworkBundle } from '../frameworks/own/bundle.ts';
import { namesInRows } from '../frameworks/registry.ts';
import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { mintRunId } from '../kernel/ids.ts';
import { VERSION } from '../kernel/version.ts';
import type { DatasetContent } from '../run/dataset-upload.ts';
import {
  createManifest,
  makeManifest,
  manifestDifferences,
  readManifest,
  type Manifest,
  type ManifestDifference,
} from '../run/manifest.ts';
import { createIndex } from '../run/run-index.ts';
import type { ObjectStore } from '../store/port.ts';
import type { Submission } from './submission.ts';

export interface ManifestParts {
  readonly submission: Submission;
  readonly cacheRoot: string;
  readonly referenceRoot: string;
  readonly dataset: Dataset;
  readonly tasks: readonly Task[];
  /** Where nodes find the dataset in the store; undefined: they have it where it is here. */
  readonly content: DatasetContent | undefined;
  /** Digest of the audited gold SQL; undefined: the tasks' own is scored by. */
  readonly auditedGold: string | undefined;
  /** The user's own framework; undefined: one of ours. */
  readonly bundle?: FrameworkBundle | undefined;
  /** What its actors find in their environment. Default: nothing. */
  readonly secretNames?: readonly string[];
}

export function manifestOf(parts: ManifestParts): Manifest {
  const { submission, cacheRoot, referenceRoot, dataset, tasks, content, auditedGold } = parts;
  const { bundle, secretNames = [] } = parts;
  const nowMs = Date.now();
  const names = namesInRows(submission);
  return makeManifest({
    ...names,
    run_id: submission.runId ?? mintRunId(names.framework, names.query_mode, nowMs),
    instance_ids: tasks.map((task) => task.instance_id) as [string, ...string[]],
    databases: Object.fromEntries(tasks.map((task) => [task.instance_id, task.selected_database])),
    slayer_setup: submission.slayerSetup,
    use_audited_gold_sql: auditedGold !== undefined,
    audited_gold: auditedGold ?? null,
    encoder: submission.encoder,
    framework_bundle: bundle ? { digest: bundle.digest, file: bundle.file, path: bundle.path } : null,
    framework_options: submission.options,
    agent_model: submission.agentModel,
    user_sim_model: submission.userSimModel,
    patience: submission.patience,
    strict: submission.strict,
    max_depth: submission.maxDepth,
    prompt_cache: submission.promptCache,
    slayer_storage_root: submission.slayerStorageRoot,
    sql_timeout_ms: submission.sqlTimeoutMs,
    grace_ms: submission.graceMs,
    actor_block_timeout_ms: submission.actorBlockTimeoutMs,
    snapshot_every_ms: submission.snapshotEveryMs,
    retry_lost: submission.retryLost,
    lost_after_ms: submission.lostAfterMs,
    max_in_flight: submission.maxInFlight,
    render_inputs: { actors_per_worker: submission.actors, max_runtime_hours: submission.maxRuntimeHours },
    dataset_dir: dataset.dir,
    cache_root: cacheRoot,
    reference_root: referenceRoot,
    dataset_content: content ? { tasks: content.tasks, databases: { ...content.databases } } : null,
    secret_names: [...secretNames],
    created_at_ms: nowMs,
    skein_version: VERSION,
  });
}

/** Found out before anything is made; `makeRun` decides. @throws SkeinError INVALID_INPUT */
export async function refuseOtherRun(store: ObjectStore, manifest: Manifest, { runId }: Submission): Promise<void> {
  if (runId === undefined) return;
  try {
    const stored = await readManifest(store, runId);
    const differences = manifestDifferences(stored, manifest);
    if (differences.length > 0) throw otherRun(manifest, differences);
  } catch (error) {
    if (!isSkeinError(error, 'NOT_FOUND')) throw error;
  }
}

/** The manifest as it stands in the store from now on. @throws SkeinError INVALID_INPUT when the id is another run's */
export async function makeRun(store: ObjectStore, manifest: Manifest): Promise<Manifest> {
  const outcome = await createManifest(store, manifest);
  switch (outcome.kind) {
    case 'created':
    case 'attached':
      await createIndex(store, outcome.manifest);
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
