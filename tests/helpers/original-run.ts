/**
 * A run as the ORIGINAL leaves it in a bucket, written by hand from the description of its layout (§1B, §3A) and not by any
 * code of ours: a manifest without our fields, rows as Python writes them, shards `<hostname>-<pid>` whose side-car has no digests,
 * a reference whose fingerprint is not one of ours.
 */
import type { ObjectStore } from '../../src/store/port.ts';

export const ORIGINAL_RUN = '20260526t1140-pydanti-slayer-6aad37';

type Fields = Readonly<Record<string, unknown>>;

/** As `json.dumps(value, indent=2)`: `NaN` is written as the word; give it as the text `__NaN__`. */
export function pythonJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll('"__NaN__"', 'NaN');
}

/** L-16: the fields of the seed and nothing else, in its order. */
export function originalManifest(ids: readonly string[], fields: Fields = {}): Fields {
  return {
    run_id: ORIGINAL_RUN,
    framework: 'pydantic_ai_otf_encode',
    mode: 'a-interact',
    query_mode: 'slayer',
    agent_model: 'anthropic/claude-haiku-4-5-20251001',
    user_sim_model: 'anthropic/claude-haiku-4-5-20251001',
    instance_ids: ids,
    patience: 3,
    strict: false,
    use_audited_gold_sql: false,
    max_depth: 3,
    prompt_cache: true,
    slayer_setup: 'on-the-fly',
    slayer_storage_root: '/data/slayer_models',
    render_inputs: {
      workers: 1,
      actors_per_worker: 2,
      worker_type: 'e2-standard-4',
      zone: 'europe-west1-b',
      worker_sa: 'runner@project.iam.gserviceaccount.com',
      max_runtime_hours: 8,
      image_uri: 'europe-docker.pkg.dev/project/repo/image:abc',
      project: 'project',
      region: 'europe-west1',
    },
    ...fields,
  };
}

/** A row of the seed: §3A up to `trajectory`; no `started_at`, no `user_query` (C-06). */
export function originalRow(id: string, database: string, fields: Fields = {}): Fields {
  return {
    task_id: id,
    instance_id: id,
    database,
    phase1_passed: true,
    phase2_passed: false,
    total_reward: 1.0,
    submitted_sql: 'SELECT count(*) FROM t',
    submitted_query: '{"measures": ["t.count"]}',
    ground_truth_sql: 'SELECT count(*) FROM t',
    error: null,
    submission_status: 'passed_phase1',
    phase1_observation: 'Phase 1 passed',
    phase2_observation: null,
    predicted_result_json: '{"columns": [], "row_count": 1}',
    gold_result_json: '{"columns": [], "row_count": 1}',
    n_agent_turns: 9,
    duration_s: 81.25,
    usage: {
      prompt_tokens: 1200,
      completion_tokens: 300,
      reasoning_tokens: 0,
      cache_read_tokens: 0,
      cache_write_tokens: 0,
      n_calls: 9,
      cost_usd: 0.02,
      agent_cost_usd: 0.015,
      user_sim_cost_usd: 0.005,
      partial: false,
      breakdown: [],
    },
    tool_call_stats: {
      per_tool: [{ tool: 'query', n_calls: 4, n_errors: 1 }],
      total_calls: 4,
      total_errors: 1,
      error_samples: [],
    },
    trajectory: [{ role: 'user', content: 'how many?' }],
    deleted_kb_ids: [3],
    variant_storage_path: '/tmp/bird_interact_slayer_otf/x/slayer_storage',
    phase1_passed_audited: null,
    phase1_passed_original: null,
    phase1_observation_audited: null,
    phase1_observation_original: null,
    ...fields,
  };
}

/** W-09: an error row of the driver; `database` is empty (P-36), and nothing says that it is synthetic. */
export function originalErrorRow(id: string, error: string): Fields {
  return {
    instance_id: id,
    database: '',
    phase1_passed: false,
    phase2_passed: false,
    total_reward: 0.0,
    submitted_sql: null,
    submitted_query: null,
    ground_truth_sql: null,
    error,
    submission_status: 'never_submitted',
    phase1_observation: null,
    phase2_observation: null,
    predicted_result_json: null,
    gold_result_json: null,
    n_agent_turns: 0,
    duration_s: 0.0,
  };
}

/** L-17, of a run that ended. */
export function originalStatus(done: number, total: number, fields: Fields = {}): Fields {
  return {
    ray_job_id: 'unknown',
    last_heartbeat_ts: 1_779_795_600.25,
    rows_done: done,
    rows_total: total,
    terminal_state: 'done',
    attempt: 1,
    ...fields,
  };
}

/** A reference as its builder commits it: fingerprint of 16 hex digits, no record of who made it. */
export function originalReference(database: string, flavour: string): Readonly<Record<string, string>> {
  return {
    '_cache_fp.txt': '0123456789abcdef\n',
    '_reference_fp.txt': '0123456789abcdef\n',
    '_kb_rows.json': '[]',
    '_setup_results.json': '[]',
    [`datasources/${database}.yaml`]: `name: ${database}\nurl: sqlite:///${database}/${database}.sqlite\n`,
    [`models/${database}/t.yaml`]: `name: t\ndescription: ${flavour}\n`,
    'memories.yaml': `memories: ${flavour}\n`,
  };
}

export interface OriginalRun {
  readonly ids?: readonly string[];
  readonly manifest?: Fields;
  /** By path below `rows/`: a row, or the bytes of one. */
  readonly rows?: Readonly<Record<string, Fields | string>>;
  readonly status?: Fields;
  /** By shard, database: the reference and the seconds at which its files were made. */
  readonly shards?: readonly {
    readonly shard: string;
    readonly database: string;
    readonly tree: Readonly<Record<string, string>>;
    readonly mtimeS: number;
    /** Without `_upload_complete`. */
    readonly isPartial?: boolean;
  }[];
}

/** Puts it there object by object, in the order in which the original writes (L-03, W-10, U-04). */
export async function putOriginalRun(store: ObjectStore, run: OriginalRun): Promise<string> {
  const manifest = originalManifest(run.ids ?? ['shop_1'], run.manifest);
  const runId = String(manifest['run_id']);
  const put = async (path: string, text: string): Promise<void> => {
    const outcome = await store.create(`runs/${runId}/${path}`, Buffer.from(text));
    if (outcome.kind !== 'written') throw new Error(`${path} stands there already`);
  };
  await put('manifest.json', pythonJson(manifest));
  for (const [path, row] of Object.entries(run.rows ?? {})) {
    await put(`rows/${path}`, typeof row === 'string' ? row : pythonJson(row));
    await put(`logs/${path.replace(/\.json$/, '.log')}`, `log of ${path}\n`);
  }
  for (const { shard, database, tree, mtimeS, isPartial } of run.shards ?? []) {
    const folder = `post_run/slayer_models_otf/${shard}/${database}`;
    for (const [path, text] of Object.entries(tree)) await put(`${folder}/${path}`, text);
    const mtimes = Object.fromEntries(Object.keys(tree).map((path) => [path, mtimeS]));
    await put(`${folder}/_source_mtimes.json`, JSON.stringify(mtimes));
    if (!isPartial) await put(`${folder}/_upload_complete`, 'ok');
  }
  if (run.status) await put('status.json', pythonJson(run.status));
  return runId;
}
