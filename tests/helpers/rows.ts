/** Rows and manifests for tests of collation, fetch and waiting. */
import { makeManifest, type Manifest, type ManifestInput } from '../../src/run/manifest.ts';
import { jsonBytes } from '../../src/kernel/json.ts';
import { manifestName, rowName } from '../../src/store/layout.ts';
import type { ObjectStore } from '../../src/store/port.ts';

export function row(instanceId: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    task_id: instanceId,
    instance_id: instanceId,
    database: instanceId.split('_')[0],
    phase1_passed: true,
    phase2_passed: false,
    total_reward: 1,
    submitted_sql: 'SELECT 1',
    submitted_query: null,
    ground_truth_sql: 'SELECT 1',
    error: null,
    submission_status: 'passed_phase1',
    phase1_observation: 'ok',
    phase2_observation: null,
    predicted_result_json: '{}',
    gold_result_json: '{}',
    n_agent_turns: 2,
    duration_s: 1.5,
    started_at: 1_700_000_000,
    user_query: 'how many?',
    ...fields,
  };
}

export function manifestOf(ids: readonly string[], fields: Partial<ManifestInput> = {}): Manifest {
  return makeManifest({
    run_id: 'r1',
    instance_ids: [...ids] as [string, ...string[]],
    databases: Object.fromEntries(ids.map((id) => [id, id.split('_')[0] ?? ''])),
    created_at_ms: 1_700_000_000_000,
    dataset_dir: '/data/shop',
    ...fields,
  });
}

/** Puts a run into `store`: its manifest, and a first-attempt row for each id of `rows`. */
export async function putRun(
  store: ObjectStore,
  manifest: Manifest,
  rows: readonly Record<string, unknown>[] = [],
): Promise<void> {
  await store.create(manifestName(manifest.run_id), jsonBytes(manifest));
  for (const each of rows) await putRow(store, each, 1, manifest.run_id);
}

export async function putRow(
  store: ObjectStore,
  value: Record<string, unknown>,
  attempt = 1,
  runId = 'r1',
): Promise<void> {
  await store.create(rowName(runId, String(value['instance_id']), attempt), jsonBytes(value));
}
