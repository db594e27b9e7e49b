import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { describe, expect, it } from 'vitest';

import { collate, type CollateOptions, type Collation } from '../../../src/head/collate.ts';
import { manifestOf, row } from '../../helpers/rows.ts';
import { readTree, tempDir, writeTree } from '../../helpers/shards.ts';

const SEED_COLUMNS =
  'run_id framework mode query_mode instance_id database started_at duration_s phase1_passed phase2_passed total_reward ' +
  'submitted_sql submitted_query ground_truth_sql error usage_json user_query submission_status phase1_observation ' +
  'phase2_observation predicted_result_json gold_result_json n_agent_turns tool_call_stats_json phase1_passed_audited ' +
  'phase1_passed_original phase1_observation_audited phase1_observation_original';

const LATER_COLUMNS = 'edited_models_saved_path edited_models_applied_from extra_json';

type Row = Record<string, unknown>;

function query(path: string, sql: string): Row[] {
  using database = new DatabaseSync(path, { readOnly: true });
  return database
    .prepare(sql)
    .all()
    .map((each) => ({ ...each }));
}

interface Eval extends Row {
  results: Row[];
}

/** Collates `rows` (path below `rows/` → JSON value or raw text) of a run with these ids. */
async function collated(
  dir: string,
  ids: readonly string[],
  rows: Record<string, Row | string>,
  options: Partial<CollateOptions> = {},
): Promise<Collation & { eval: Eval; text: string; results: Row[] }> {
  const texts = Object.entries(rows).map(([path, value]) => [
    path,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  await writeTree(join(dir, 'rows'), Object.fromEntries(texts) as Record<string, string>);
  const collation = await collate({
    manifest: manifestOf(ids),
    rowsDir: join(dir, 'rows'),
    outDir: join(dir, 'out'),
    ...options,
  });
  const text = await readFile(collation.evalJson, 'utf8');
  const results = query(collation.resultsDb, 'SELECT * FROM task_results ORDER BY rowid');
  return { ...collation, eval: JSON.parse(text) as Eval, text, results };
}

describe('collation', () => {
  it('takes the highest attempt of each id, in the order of the manifest, and drops ids that are not its (C-01, B-02)', async () => {
    await using temp = await tempDir();
    const done = await collated(temp.dir, ['b_1', 'a_1'], {
      'a_1/attempt-1.json': row('a_1', { error: 'boom' }),
      'a_1/attempt-2.json': row('a_1', { total_reward: 0.5 }),
      'b_1/attempt-1.json': row('b_1'),
      'zzz_1/attempt-1.json': row('zzz_1'),
    });
    expect(done.results.map((each) => each['instance_id'])).toEqual(['b_1', 'a_1']);
    expect(done.eval.results.map((each) => each['total_reward'])).toEqual([1, 0.5]);
    expect(done.eval).toMatchObject({ n_resubmitted: 1, resubmitted_ids: ['a_1'], ignored_ids: 1 });
  });

  it('a second collation replaces what the first wrote, an error row by its success (C-02, L-07)', async () => {
    await using temp = await tempDir();
    await collated(temp.dir, ['a_1'], { 'a_1/attempt-1.json': row('a_1', { error: 'boom' }) });
    const second = await collated(temp.dir, ['a_1'], { 'a_1/attempt-2.json': row('a_1') });
    expect(second.results).toHaveLength(1);
    expect(second.results[0]).toMatchObject({ error: null });
    const third = await collated(temp.dir, ['a_1'], {});
    expect([third.text, third.results]).toEqual([second.text, second.results]);
    expect(query(third.resultsDb, 'SELECT * FROM run_metadata')).toHaveLength(1);
  });

  it('results.db has the 28 columns of the seed with their types, and the key (C-03, P-37, 3A-16, 3A-05, 3A-13)', async () => {
    await using temp = await tempDir();
    const usage = { prompt_tokens: 3, cost_usd: 0.5 };
    const { resultsDb, results } = await collated(temp.dir, ['a_1'], {
      'a_1/attempt-1.json': row('a_1', {
        usage,
        tool_call_stats: { total_calls: 2 },
        phase1_passed_audited: true,
        phase1_passed_original: false,
        phase1_observation_original: 'no',
      }),
    });
    const columns = query(resultsDb, 'SELECT name, type, "notnull", pk FROM pragma_table_info(\'task_results\')');
    expect(columns.map(({ name }) => name).join(' ')).toBe(`${SEED_COLUMNS} ${LATER_COLUMNS}`);
    expect(columns.filter(({ pk }) => pk !== 0).map(({ name }) => name)).toEqual([
      'run_id',
      'framework',
      'mode',
      'query_mode',
      'instance_id',
    ]);
    expect(results[0]).toMatchObject({
      run_id: 'r1',
      database: 'a',
      started_at: 1_700_000_000,
      phase1_passed: 1,
      phase2_passed: 0,
      submitted_query: null,
      usage_json: JSON.stringify(usage),
      tool_call_stats_json: '{"total_calls":2}',
      phase1_passed_audited: 1,
      phase1_passed_original: 0,
      phase1_observation_audited: null,
      phase1_observation_original: 'no',
    });
  });

  it('run_metadata says when the run was made, not when it was collated (C-04, C-06, V-16)', async () => {
    await using temp = await tempDir();
    const { resultsDb } = await collated(temp.dir, ['a_1'], {});
    expect(query(resultsDb, 'SELECT * FROM run_metadata')).toMatchObject([
      {
        run_id: 'r1',
        framework: 'encode',
        started_at: 1_700_000_000,
        query_mode: 'slayer',
        dataset: '/data/shop',
        strict: 0,
      },
    ]);
  });

  it('eval.json has the keys of the seed, indent 2 and a final newline (C-05)', async () => {
    await using temp = await tempDir();
    const rows = { 'a_1/attempt-1.json': row('a_1', { duration_s: 4, submitted_sql: 'a\n"b"\u2028' }) };
    const done = await collated(temp.dir, ['a_1', 'a_2'], { ...rows, 'a_2/attempt-1.json': row('a_2') });
    expect(done.text).toBe(`${JSON.stringify(done.eval, null, 2)}\n`);
    expect(done.eval).toMatchObject({
      mode: 'a-interact',
      query_mode: 'slayer',
      framework: 'encode',
      total_tasks: 2,
      phase1_count: 2,
      phase1_rate: 1,
      phase2_count: 0,
      phase2_rate: 0,
      total_reward: 2,
      average_reward: 1,
      total_duration_s: 5.5,
      avg_duration_s: 2.75,
      p50_duration_s: 2.75,
      max_duration_s: 4,
      n_resubmitted: 0,
      resubmitted_ids: [],
    });
    const none = await collated(join(temp.dir, 'none'), ['a_1'], {});
    expect(none.text).toBe(`${JSON.stringify(none.eval, null, 2)}\n`);
    expect(none.eval).toMatchObject({ results: [], p50_duration_s: 0, max_duration_s: 0, total_duration_s: 0 });
  });

  it('sums usage per model and skips a blob that is none (C-05, 3A-12)', async () => {
    await using temp = await tempDir();
    const part = { name: 'agent::m', scope: 'agent', model: 'm', prompt_tokens: 2, n_calls: 1 };
    const done = await collated(temp.dir, ['a_1', 'a_2', 'a_3'], {
      'a_1/attempt-1.json': row('a_1', { usage: { prompt_tokens: 2, n_calls: 1, cost_usd: 0.25, breakdown: [part] } }),
      'a_2/attempt-1.json': row('a_2', { usage: { prompt_tokens: 'many' } }),
      'a_3/attempt-1.json': row('a_3', { usage: { prompt_tokens: 3, partial: true, breakdown: [part] } }),
    });
    expect(done.eval['total_usage']).toMatchObject({
      prompt_tokens: 5,
      n_calls: 1,
      cost_usd: 0.25,
      partial: true,
      breakdown: [{ name: 'agent::m', prompt_tokens: 4, n_calls: 2 }],
    });
  });

  it('rates are over the ids asked, with done, errors and missing beside them (P-35, C-06)', async () => {
    await using temp = await tempDir();
    const done = await collated(temp.dir, ['a_1', 'a_2', 'a_3', 'a_4'], {
      'a_1/attempt-1.json': row('a_1'),
      'a_2/attempt-1.json': row('a_2', { error: 'boom', phase1_passed: false, total_reward: 0 }),
      'a_3/attempt-1.json': '{"instance_id": "a_3", ',
    });
    expect(done.counts).toEqual({ expected: 4, done: 2, ok: 1, errors: 1, missing: 2 });
    expect(done.eval).toMatchObject({
      total_tasks: 4,
      expected: 4,
      done: 2,
      errors: 1,
      missing: 2,
      phase1_rate: 0.25,
      average_reward: 0.25,
      missing_ids: ['a_3', 'a_4'],
      unreadable_rows: [{ path: 'a_3/attempt-1.json' }],
    });
    expect(done.results).toHaveLength(2);
  });

  it('fills the database of a row that does not name it (P-36)', async () => {
    await using temp = await tempDir();
    const done = await collated(temp.dir, ['a_1'], { 'a_1/attempt-1.json': row('a_1', { database: '' }) });
    expect(done.results).toMatchObject([{ database: 'a' }]);
  });

  it('keeps the results of other runs in the same file, and columns that it does not know (C-03, C-04, P-30)', async () => {
    await using temp = await tempDir();
    const rows = { 'a_1/attempt-1.json': row('a_1') };
    const first = await collated(temp.dir, ['a_1'], rows);
    using database = new DatabaseSync(first.resultsDb);
    database.exec('ALTER TABLE task_results ADD COLUMN later TEXT; ALTER TABLE run_metadata DROP COLUMN patience');
    database.close();
    const second = await collated(temp.dir, ['a_1'], rows, { manifest: manifestOf(['a_1'], { run_id: 'r2' }) });
    expect(second.results.map((each) => each['run_id'])).toEqual(['r1', 'r2']);
    expect(query(second.resultsDb, 'SELECT patience FROM run_metadata ORDER BY run_id')).toEqual([
      { patience: null },
      { patience: 3 },
    ]);
  });

  it('says so when another program holds results.db and leaves that as it was; the numbers are made all the same', async () => {
    await using temp = await tempDir();
    const first = await collated(temp.dir, ['a_1'], { 'a_1/attempt-1.json': row('a_1', { error: 'boom' }) });
    using database = new DatabaseSync(first.resultsDb);
    database.exec('BEGIN IMMEDIATE');
    const locked = await collated(temp.dir, ['a_1'], { 'a_1/attempt-2.json': row('a_1') }, { busyTimeoutMs: 50 });
    expect(locked.resultsProblem).toContain('results.db is locked: another program is writing to it');
    expect(locked.results).toEqual(first.results);
    expect(locked).toMatchObject({ counts: { ok: 1, errors: 0 }, eval: { errors: 0 } });
    database.exec('ROLLBACK');
    const after = await collated(temp.dir, ['a_1'], {});
    expect(after).toMatchObject({ results: [{ error: null }] });
    expect(Object.keys(await readTree(join(temp.dir, 'out'))).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  it('can be cancelled, and leaves nothing', async () => {
    await using temp = await tempDir();
    const options = { manifest: manifestOf(['a_1']), rowsDir: join(temp.dir, 'rows'), outDir: join(temp.dir, 'out') };
    const stop = new AbortController();
    const collating = collate(options, stop.signal);
    stop.abort();
    await expect(collating).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(Object.keys(await readTree(join(temp.dir, 'out')))).not.toContain('eval.json');
  });
});
