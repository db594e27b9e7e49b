import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { collate, type Collation } from '../../../src/head/collate.ts';
import { execIn, ORIGINAL_RESULT, ORIGINAL_TABLES, queryResults } from '../../helpers/results.ts';
import { manifestOf, row } from '../../helpers/rows.ts';
import { tempDir, writeTree } from '../../helpers/shards.ts';

const COLUMNS = "SELECT name FROM pragma_table_info('task_results') ORDER BY cid";

/** Collates one run of one row into `<dir>/out/results.db`, which may be there. */
async function collateInto(dir: string, fields: Record<string, unknown> = {}): Promise<Collation> {
  await writeTree(join(dir, 'rows'), { 'shop_1/attempt-1.json': JSON.stringify(row('shop_1', fields)) });
  const options = { manifest: manifestOf(['shop_1']), rowsDir: join(dir, 'rows'), outDir: join(dir, 'out') };
  return collate({ ...options, busyTimeoutMs: 50 });
}

async function outFolder(dir: string): Promise<string> {
  await mkdir(join(dir, 'out'), { recursive: true });
  return join(dir, 'out', 'results.db');
}

describe('a results.db that the original made', () => {
  test('takes our rows, gains the columns that it lacks behind its own, and keeps its rows (C-03, C-04)', async () => {
    await using temp = await tempDir();
    const path = await outFolder(temp.dir);
    execIn(path, ORIGINAL_TABLES + ORIGINAL_RESULT);
    const before = queryResults(path, COLUMNS).map(({ name }) => name);
    expect(before).toHaveLength(28);
    const done = await collateInto(temp.dir, { edited_models_saved_path: '/m', knowledge_coverage: { counts: 1 } });
    expect(done.resultsProblem).toBeUndefined();
    const after = queryResults(path, COLUMNS).map(({ name }) => name);
    expect(after.slice(0, 28)).toEqual(before);
    expect(after.slice(28)).toEqual(['edited_models_saved_path', 'edited_models_applied_from', 'extra_json']);
    expect(queryResults(path, 'SELECT * FROM task_results ORDER BY run_id')).toMatchObject([
      { run_id: 'old', framework: 'claude_sdk', phase1_passed_audited: 1, extra_json: null },
      { run_id: 'r1', instance_id: 'shop_1', edited_models_saved_path: '/m' },
    ]);
    expect(queryResults(path, 'SELECT run_id, query_mode, dataset FROM run_metadata')).toEqual([
      { run_id: 'r1', query_mode: 'slayer', dataset: '/data/shop' },
    ]);
  });

  test('of a later version, without the two passed columns and with others, keeps what it has (C-03, P-37)', async () => {
    await using temp = await tempDir();
    const path = await outFolder(temp.dir);
    const later =
      'ALTER TABLE task_results DROP COLUMN phase1_passed_audited; ALTER TABLE task_results DROP COLUMN phase1_passed_original;' +
      "ALTER TABLE task_results ADD COLUMN edited_models_saved_path TEXT; ALTER TABLE task_results ADD COLUMN newest TEXT DEFAULT 'x'";
    execIn(path, ORIGINAL_TABLES + later);
    await collateInto(temp.dir, { phase1_passed_audited: true });
    const columns = queryResults(path, COLUMNS).map(({ name }) => name);
    expect(columns).toContain('newest');
    expect(new Set(columns).size).toBe(columns.length);
    expect(queryResults(path, 'SELECT phase1_passed_audited, newest FROM task_results')).toEqual([
      { phase1_passed_audited: 1, newest: 'x' },
    ]);
  });

  test('with fewer columns still takes rows whole (C-03)', async () => {
    await using temp = await tempDir();
    const path = await outFolder(temp.dir);
    execIn(
      path,
      `CREATE TABLE task_results (run_id TEXT NOT NULL, framework TEXT NOT NULL, mode TEXT NOT NULL, query_mode TEXT NOT NULL,
        instance_id TEXT NOT NULL, total_reward REAL NOT NULL, PRIMARY KEY (run_id, framework, mode, query_mode, instance_id));
       INSERT INTO task_results VALUES ('old', 'f', 'm', 'raw', 'shop_9', 0.5);`,
    );
    await collateInto(temp.dir);
    expect(
      queryResults(path, 'SELECT run_id, database, duration_s, submission_status FROM task_results ORDER BY run_id'),
    ).toEqual([
      { run_id: 'old', database: '', duration_s: 0, submission_status: 'never_submitted' },
      { run_id: 'r1', database: 'shop', duration_s: 1.5, submission_status: 'passed_phase1' },
    ]);
  });
});

test('a field of a row that has no column stands in extra_json; the trajectory in eval.json (P-37, P-38, 3A-13, 3A-14)', async () => {
  await using temp = await tempDir();
  const fields = { synthetic: null, from_the_future: { deep: [1, 'two'] }, deleted_kb_ids: [3], trajectory: ['turn'] };
  const done = await collateInto(temp.dir, { ...fields, usage: { n_calls: 1 }, tool_call_stats: { total_calls: 2 } });
  const [found] = queryResults(done.resultsDb, 'SELECT * FROM task_results');
  const { trajectory: _inEvalOnly, ...extra } = fields;
  expect(JSON.parse(String(found?.['extra_json']))).toEqual(extra);
  expect(found).toMatchObject({ usage_json: '{"n_calls":1}', tool_call_stats_json: '{"total_calls":2}' });
  expect(JSON.parse(await readFile(done.evalJson, 'utf8'))).toMatchObject({ results: [{ trajectory: ['turn'] }] });
});

describe('a results.db that cannot take the rows', () => {
  const CASES: readonly [string, (path: string) => Promise<void> | void, RegExp][] = [
    [
      'of a newer schema',
      (path) => execIn(path, `${ORIGINAL_TABLES} PRAGMA user_version = 99`),
      /results\.db does not fit: its schema is the newer version 99, and this Skein knows 1; fetch with the version .*--out/,
    ],
    [
      'with a column that we do not know and that must be filled',
      (path) => execIn(path, ORIGINAL_TABLES.replace('user_query TEXT,', 'user_query TEXT, newest INTEGER NOT NULL,')),
      /results\.db does not fit: its table task_results demands a value for the column newest/,
    ],
    [
      'with another key',
      (path) => execIn(path, 'CREATE TABLE task_results (run_id TEXT, instance_id TEXT PRIMARY KEY)'),
      /its table task_results has the key instance_id, where \(run_id, framework, mode, query_mode, instance_id\) is needed/,
    ],
    [
      'that is no SQLite file',
      (path) => writeFile(path, 'run_id,framework,mode\nthis is a spreadsheet that somebody called results.db\n'),
      /results\.db is no SQLite file: move it away/,
    ],
    ['where a folder stands', (path) => mkdir(path), /results\.db cannot be opened as a file/],
  ];

  test.each(CASES)(
    '%s is named and left as it was; numbers and eval.json are made all the same',
    async (_what, spoil, says) => {
      await using temp = await tempDir();
      const path = await outFolder(temp.dir);
      await spoil(path);
      const before = await readFile(path).catch(() => undefined);
      const done = await collateInto(temp.dir);
      expect(done.resultsProblem).toMatch(says);
      expect(done.resultsProblem).not.toContain('\n');
      expect(done.counts).toEqual({ expected: 1, done: 1, ok: 1, errors: 0, missing: 0 });
      expect(JSON.parse(await readFile(done.evalJson, 'utf8'))).toMatchObject({ run_id: 'r1', done: 1 });
      expect(await readFile(path).catch(() => undefined)).toEqual(before);
    },
  );
});
