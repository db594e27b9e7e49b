import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Task } from '../../src/dataset/task.ts';
import type { SqlSession } from '../../src/frameworks/framework.ts';
import { scoreSubmission } from '../../src/frameworks/scoring.ts';
import { SqlSessions } from '../../src/node/sql-sessions.ts';
import { taskOf } from '../helpers/task-of.ts';

const RUNAWAY = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c';

let dir: string;
let sessions: SqlSessions;
let sql: SqlSession;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skein-scoring-'));
  const databasePath = join(dir, 'geese.sqlite');
  {
    using database = new DatabaseSync(databasePath);
    database.exec(`CREATE TABLE goose (id INTEGER PRIMARY KEY, name TEXT, kg REAL, seen TEXT);
      INSERT INTO goose VALUES (1, 'Ada', 3.141, '2024-01-02 10:00:00'), (2, 'Bo', 2.5, '2024-01-03 00:00:00'),
        (3, 'Cy', 3.144, '2024-01-04 08:30:00')`);
  }
  sessions = new SqlSessions(join(dir, 'sql'));
  const death = new AbortController().signal;
  const { sessionId } = await sessions.open({ databasePath }, death);
  sql = {
    run: (text, options) => sessions.run({ sessionId, sql: text, timeoutMs: 300, ...options }),
    reset: async () => void (await sessions.services()['sql.reset']({ sessionId }, death)),
  };
});
beforeEach(async () => await sql.reset());
afterAll(async () => {
  await sessions.stop();
  await rm(dir, { recursive: true, force: true });
});

async function statusOf(submitted: string | null, task: Partial<Task>): Promise<string> {
  return (await scoreSubmission(taskOf(task), submitted, sql)).submission_status;
}

describe('the default test', () => {
  it.each([
    ['another order', 'SELECT name FROM goose ORDER BY id DESC', 'SELECT name FROM goose', {}, 'passed_phase1'],
    [
      'another order where order counts',
      'SELECT name FROM goose ORDER BY id DESC',
      'SELECT name FROM goose ORDER BY id',
      { order: true },
      'wrong_result',
    ],
    [
      'the asked order',
      'SELECT name FROM goose ORDER BY name',
      'SELECT name FROM goose ORDER BY id',
      { order: true },
      'passed_phase1',
    ],
    ['rounding', 'SELECT ROUND(kg, 1) FROM goose', 'SELECT kg FROM goose', {}, 'passed_phase1'],
    [
      'floats equal to two decimals',
      'SELECT kg FROM goose WHERE id = 1',
      'SELECT kg FROM goose WHERE id = 3',
      {},
      'passed_phase1',
    ],
    ['DISTINCT', 'SELECT DISTINCT 1 FROM goose', 'SELECT 1 FROM goose', {}, 'passed_phase1'],
    ['comments', '-- the names\nSELECT name /* all */ FROM goose', 'SELECT name FROM goose', {}, 'passed_phase1'],
    ['a timestamp for a date', 'SELECT seen FROM goose', 'SELECT date(seen) FROM goose', {}, 'passed_phase1'],
    ['both empty', 'SELECT 1 WHERE 0', 'SELECT name FROM goose WHERE id > 9', {}, 'passed_phase1'],
    ['one side empty', 'SELECT 1 WHERE 0', 'SELECT name FROM goose', {}, 'wrong_result'],
    ['other columns', 'SELECT name, id FROM goose', 'SELECT id, name FROM goose', {}, 'wrong_result'],
    ['SQL that is wrong', 'SELECT nothing FROM nowhere', 'SELECT 1', {}, 'dry_run_error'],
    ['SQL that writes', 'DELETE FROM goose', 'SELECT 1', {}, 'dry_run_error'],
    ['several statements', "SELECT 'no'; SELECT name FROM goose;", 'SELECT name FROM goose', {}, 'passed_phase1'],
  ])('judges %s (3C-01, 3C-04, 3C-05, 3A-08)', async (_what, submitted, gold, conditions, status) => {
    expect(await statusOf(submitted, { sol_sql: [gold], conditions })).toBe(status);
  });

  it('fills all fields of a passed answer (3A-02, 3A-03, 3A-04, 3A-09, 3A-10, 3C-07)', async () => {
    const verdict = await scoreSubmission(
      taskOf({ sol_sql: ['SELECT name FROM goose'] }),
      'SELECT name FROM goose',
      sql,
    );
    const snapshot = {
      columns: [{ name: 'name', type: 'TEXT' }],
      row_count: 3,
      row_count_truncated: false,
      sample_rows: [['Ada'], ['Bo'], ['Cy']],
    };
    expect({ ...verdict, predicted_result_json: JSON.parse(verdict.predicted_result_json ?? '') }).toEqual({
      phase1_passed: true,
      phase2_passed: false,
      total_reward: 1,
      submitted_sql: 'SELECT name FROM goose',
      error: null,
      submission_status: 'passed_phase1',
      phase1_observation: 'passed: 3 rows against 3 of the gold SQL, compared as a set',
      phase2_observation: null,
      predicted_result_json: snapshot,
      gold_result_json: JSON.stringify(snapshot),
    });
  });

  it('is wrong without being an error when the result is another (3A-07, 3C-07)', async () => {
    const verdict = await scoreSubmission(taskOf({ sol_sql: ['SELECT 1'] }), 'SELECT 2', sql);
    expect(verdict).toMatchObject({
      phase1_passed: false,
      total_reward: 0,
      error: null,
      submission_status: 'wrong_result',
    });
  });

  it('is never passed by nothing: an empty answer is not submitted, even against an empty result (3C-09)', async () => {
    for (const nothing of [null, '', ' ; -- nothing']) {
      const verdict = await scoreSubmission(taskOf({ sol_sql: ['SELECT 1 WHERE 0'] }), nothing, sql);
      expect(verdict).toMatchObject({
        phase1_passed: false,
        submission_status: 'never_submitted',
        submitted_sql: null,
        error: null,
      });
    }
  });

  it('is an error when the SQL had to be killed, and the next one is scored (3C-03)', async () => {
    const verdict = await scoreSubmission(taskOf({ sol_sql: ['SELECT 1'] }), RUNAWAY, sql);
    expect(verdict).toMatchObject({
      submission_status: 'sql_runtime_error',
      error: expect.stringMatching(/300 ms.*killed/),
    });
    expect(await statusOf('SELECT 1', { sol_sql: ['SELECT 1'] })).toBe('passed_phase1');
  });

  it('prepares the database before, cleans up after, and begins each time from the pristine one (3C-02)', async () => {
    const task = taskOf({
      preprocess_sql: ["INSERT INTO goose (id, name) VALUES (4, 'Di')"],
      clean_up_sqls: ["UPDATE goose SET name = 'cleaned'"],
      sol_sql: ['SELECT count(*) FROM goose'],
    });
    for (let round = 0; round < 2; round += 1) {
      expect((await scoreSubmission(task, 'SELECT 4', sql)).submission_status).toBe('passed_phase1');
      expect(await sql.run('SELECT DISTINCT name FROM goose')).toMatchObject({ rows: [['cleaned']] });
    }
  });

  it('judges a change by the result of each side on a database of its own', async () => {
    const task = taskOf({
      category: 'Management',
      sol_sql: ['DELETE FROM goose WHERE id = 1; SELECT count(*) FROM goose'],
    });
    expect(
      (await scoreSubmission(task, 'DELETE FROM goose WHERE id = 2; SELECT count(*) FROM goose', sql))
        .submission_status,
    ).toBe('passed_phase1');
  });

  it.each([
    ['fails', { sol_sql: ['SELECT * FROM nowhere'] }, /gold SQL of geese_1 fails: no such table: nowhere/],
    ['is absent', { sol_sql: [] }, /geese_1 has no gold SQL/],
    [
      'cannot be prepared',
      { sol_sql: ['SELECT 1'], preprocess_sql: ['nonsense'] },
      /preprocess_sql of geese_1 fails.*nonsense/,
    ],
    [
      'is Python code',
      { sol_sql: ['SELECT 1'], category: 'Management', test_cases: ['def test(): pass'] },
      /Python test cases/,
    ],
  ])('does not blame the submission when the benchmark %s (3A-08, 3C-06)', async (_what, task, error) => {
    const verdict = await scoreSubmission(taskOf(task), 'SELECT 1', sql);
    expect(verdict).toMatchObject({
      submission_status: 'infrastructure_error',
      phase1_passed: false,
      submitted_sql: 'SELECT 1',
      error: expect.stringMatching(error),
    });
  });
});

describe('under an audit', () => {
  const ORIGINAL = ['SELECT name FROM goose WHERE id = 1'];

  it('the audited gold SQL decides, and the verdict by the original is recorded beside it (W-15, 3C-08, 3A-16)', async () => {
    const task = taskOf({ sol_sql: ['SELECT name FROM goose'], original_sol_sql: ORIGINAL });
    expect(await scoreSubmission(task, 'SELECT name FROM goose', sql)).toMatchObject({
      phase1_passed: true,
      total_reward: 1,
      submission_status: 'passed_phase1',
      phase1_passed_audited: true,
      phase1_passed_original: false,
      phase1_observation_audited: expect.stringContaining('passed'),
      phase1_observation_original: expect.stringContaining('wrong result'),
    });
    expect(await scoreSubmission(task, ORIGINAL[0] as string, sql)).toMatchObject({
      phase1_passed: false,
      total_reward: 0,
      phase1_passed_audited: false,
      phase1_passed_original: true,
    });
  });

  it('one that left the gold SQL alone gives the same verdict twice; nothing submitted is false by both', async () => {
    const task = taskOf({ sol_sql: ORIGINAL, original_sol_sql: ORIGINAL });
    expect(await scoreSubmission(task, ORIGINAL[0] as string, sql)).toMatchObject({
      phase1_passed_audited: true,
      phase1_passed_original: true,
    });
    expect(await scoreSubmission(task, null, sql)).toMatchObject({
      submission_status: 'never_submitted',
      phase1_passed_audited: false,
      phase1_passed_original: false,
    });
  });

  it('an original that cannot be run is no verdict, and without an audit there is none of the four', async () => {
    const broken = taskOf({ sol_sql: ORIGINAL, original_sol_sql: ['SELECT nothing FROM nowhere'] });
    expect(await scoreSubmission(broken, ORIGINAL[0] as string, sql)).toMatchObject({
      phase1_passed: true,
      error: null,
      phase1_passed_original: null,
      phase1_observation_original: expect.stringContaining('the gold SQL of'),
    });
    expect(await scoreSubmission(taskOf({ sol_sql: ORIGINAL }), ORIGINAL[0] as string, sql)).not.toHaveProperty(
      'phase1_passed_audited',
    );
  });
});
