/** What a node needs of a run's manifest, in the words of those who work by it. */
import type { FrameworkSettings } from '../frameworks/framework.ts';
import { canonicalFramework, parseMode } from '../frameworks/registry.ts';
import { databasesOf, type Manifest } from '../run/manifest.ts';

export interface RunSettings {
  readonly framework: FrameworkSettings;
  /** Those of the run's tasks, each once. */
  readonly databases: readonly string[];
  readonly taskCount: number;
  /** An actor whose loop stood still for so long is lost; 0 = never. */
  readonly actorBlockTimeoutMs: number;
  /** Between two snapshots of a running task's scratch and transcript, milliseconds; 0 = none while it runs. */
  readonly snapshotEveryMs: number;
}

/**
 * @param modulePath where the user's own framework lies on this machine, if the run brings one
 * @throws SkeinError INVALID_INPUT for a mode that this version does not run
 */
export function runSettings(manifest: Manifest, modulePath?: string): RunSettings {
  const { framework_bundle: bundle } = manifest;
  return {
    framework: {
      framework: canonicalFramework(manifest.framework),
      queryMode: manifest.query_mode,
      mode: parseMode(manifest.mode, `run ${manifest.run_id}: mode`),
      slayerSetup: manifest.slayer_setup,
      encoder: manifest.encoder,
      sqlTimeoutMs: manifest.sql_timeout_ms,
      agentModel: manifest.agent_model,
      userSimModel: manifest.user_sim_model,
      patience: manifest.patience,
      strict: manifest.strict,
      useAuditedGoldSql: manifest.use_audited_gold_sql,
      maxDepth: manifest.max_depth,
      promptCache: manifest.prompt_cache,
      slayerStorageRoot: manifest.slayer_storage_root,
      ...(bundle !== null &&
        modulePath !== undefined && {
          own: {
            modulePath,
            digest: bundle.digest,
            file: bundle.file,
            options: manifest.framework_options,
          },
        }),
    },
    databases: databasesOf(manifest),
    taskCount: manifest.instance_ids.length,
    actorBlockTimeoutMs: manifest.actor_block_timeout_ms,
    snapshotEveryMs: manifest.snapshot_every_ms,
  };
}
