import { describe, expect, it } from 'vitest';

import { blankRow } from '../../../src/frameworks/error-row.ts';
import type { SqlOutcome, SqlSession, TaskContext } from '../../../src/frameworks/framework.ts';
import { rowOf } from '../../../src/frameworks/own/answer.ts';
import { taskOf } from '../../helpers/task-of.ts';

const TASK = taskOf({ sol_sql: ['SELECT 1'] });
const BLANK = blankRow(TASK, 5);
const ROWS: SqlOutcome = { kind: 'rows', columns: [{ name: 'a', type: 'INTEGER' }], rows: [[1]], isTruncated: false };

/** What becomes of `returned`, and whether a database was opened for it. */
async function outcome(returned: unknown, task = TASK): Promise<{ row: Record<string, unknown>; opened: number }> {
  let opened = 0;
  const session: SqlSession = { run: async () => ROWS, reset: async () => {} };
  const context = {
    log: () => {},
    sql: async () => {
      opened += 1;
      return session;
    },
  } as unknown as TaskContext;
  return { row: await rowOf(returned, { task, context, blank: BLANK, file: 'mine.ts' }), opened };
}

describe('what runTask returns', () => {
  it('is scored where it is SQL, and costs no database where it is none', async () => {
    expect(await outcome({ sql: 'SELECT 2', query: { measures: ['a'] }, turns: 3 })).toMatchObject({
      row: {
        submission_status: 'passed_phase1',
        submitted_sql: 'SELECT 2',
        submitted_query: '{"measures":["a"]}',
        n_agent_turns: 3,
      },
      opened: 1,
    });
    for (const nothing of [undefined, null, {}, { sql: null }, { sql: ' ;-- nothing' }]) {
      expect(await outcome(nothing)).toMatchObject({
        row: { submission_status: 'never_submitted', phase1_observation: 'nothing was submitted', submitted_sql: null },
        opened: 0,
      });
    }
  });

  it('has both verdicts where an audit decides, also where nothing was submitted', async () => {
    const audited = { ...TASK, original_sol_sql: ['SELECT 3'] };
    const { row } = await outcome(undefined, audited);
    expect(row).toMatchObject({ phase1_passed_audited: false, phase1_passed_original: false });
  });

  it('may be a whole row, which is taken as it is', async () => {
    const whole = {
      submission_status: 'passed_phase2',
      phase1_passed: true,
      phase2_passed: true,
      total_reward: 1,
      mine: [1],
    };
    const { row, opened } = await outcome(whole);
    expect(row).toEqual({ ...BLANK, ...whole });
    expect(opened).toBe(0);
  });

  it.each([
    [{ submission_status: 'great', phase1_passed: true }, /submission_status: /],
    [{ submission_status: 'wrong_result' }, /phase1_passed: /],
    [{ submission_status: 'wrong_result', phase1_passed: false, total_reward: '1' }, /total_reward: /],
    [{ sql: 3 }, /sql: /],
    [{ turns: -1 }, /turns: /],
    [{ fields: { usage: {} } }, /fields\.usage: a row has a field of that name already/],
    ['SELECT 1', /expected object/],
    [[], /expected object/],
  ])('is an error that names the field in %j', async (returned, error) => {
    await expect(outcome(returned)).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(error) }),
    );
  });
});
