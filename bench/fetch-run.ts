/** A run as a cluster of agents leaves it in a folder: rows with their trajectories, and a shard a database. Written in place, not through a store. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { uploadShard } from '../dist/reference/shard.js';
import { makeManifest } from '../dist/run/manifest.js';
import { openDirectoryStore } from '../dist/store/directory.js';

export const RUN = 'bench';
/** `SKEIN_BENCH_TASKS` gives another size; the targets are those of 10,000. */
export const ROWS = Number(process.env['SKEIN_BENCH_TASKS'] ?? 10_000);
export const DATABASES = 24;
/** Files of a reference, and bytes of each. */
const MODELS = 40;
const MODEL_BYTES = 2_000;

const databaseOf = (at: number): string => `db${at % DATABASES}`;
const idOf = (at: number): string => `${databaseOf(at)}_${at}`;

const TURN = 'The agent asked for the rows of a table, looked at the columns and wrote the next query. '.repeat(7);

/** Some 16 KB, most of it trajectory: a short one, of an agent with tools. */
export function benchRow(at: number): Record<string, unknown> {
  const sql = `SELECT a.name, count(*) AS n FROM items a JOIN orders o ON o.item = a.id WHERE a.kind = ${at} GROUP BY a.name`;
  return {
    task_id: idOf(at),
    instance_id: idOf(at),
    database: databaseOf(at),
    phase1_passed: at % 3 === 0,
    phase2_passed: false,
    total_reward: at % 3 === 0 ? 1 : 0,
    submitted_sql: sql,
    submitted_query: JSON.stringify({ measures: ['items.count'], dimensions: ['items.name'] }),
    ground_truth_sql: sql,
    error: null,
    submission_status: at % 3 === 0 ? 'passed_phase1' : 'wrong_result',
    phase1_observation: '12 rows against 12 of the gold SQL, compared as a set',
    phase2_observation: null,
    predicted_result_json: JSON.stringify({ columns: [{ name: 'n', type: 'INTEGER' }], row_count: 12 }),
    gold_result_json: JSON.stringify({ columns: [{ name: 'n', type: 'INTEGER' }], row_count: 12 }),
    n_agent_turns: 12,
    duration_s: 80 + (at % 40),
    started_at: 1_700_000_000 + at,
    user_query: 'How many orders has each item of this kind?',
    usage: { prompt_tokens: 12_000 + at, completion_tokens: 800, n_calls: 12, cost_usd: 0.02, breakdown: [] },
    tool_call_stats: { per_tool: [{ tool: 'query', n_calls: 9, n_errors: 1 }], total_calls: 9, total_errors: 1 },
    trajectory: Array.from({ length: 24 }, (_, turn) => ({ role: turn % 2 ? 'assistant' : 'tool', content: TURN })),
  };
}

export async function writeFetchRun(bucket: string): Promise<void> {
  const dir = join(bucket, 'runs', RUN);
  const ids = Array.from({ length: ROWS }, (_, at) => idOf(at));
  await mkdir(dir, { recursive: true });
  const manifest = makeManifest({
    run_id: RUN,
    instance_ids: ids as [string, ...string[]],
    databases: Object.fromEntries(ids.map((id, at) => [id, databaseOf(at)])),
    created_at_ms: 1_700_000_000_000,
  });
  await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest, null, 2));
  await writeFile(join(dir, 'status.json'), JSON.stringify({ terminal_state: 'done', rows_done: ROWS }));
  for (const [at, id] of ids.entries()) {
    await mkdir(join(dir, 'rows', id), { recursive: true });
    await writeFile(join(dir, 'rows', id, 'attempt-1.json'), JSON.stringify(benchRow(at), null, 2));
  }
  const built = join(bucket, '..', 'built');
  await using store = await openDirectoryStore(pathToFileURL(bucket).href);
  for (let at = 0; at < DATABASES; at += 1) {
    const database = databaseOf(at);
    await mkdir(join(built, database, 'models', database), { recursive: true });
    await writeFile(join(built, database, '_kb_rows.json'), '[]');
    for (let model = 0; model < MODELS; model += 1) {
      const text = `name: m${model}\n${'# a column and what it means\n'.repeat(MODEL_BYTES / 29)}`;
      await writeFile(join(built, database, 'models', database, `m${model}.yaml`), text);
    }
    await writeFile(join(built, database, '_reference_fp.txt'), 'f0f0f0f0f0f0f0f0');
    await uploadShard({ store, runId: RUN, shard: `host-1-${at % 4}`, database, referenceRoot: built });
  }
  await rm(built, { recursive: true });
}
