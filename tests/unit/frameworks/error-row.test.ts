import { expect, test } from 'vitest';

import { blankRow, errorRow, syntheticRow } from '../../../src/frameworks/error-row.ts';
import { lostRow, undispatchedRow } from '../../../src/run/synthetic-row.ts';
import { row } from '../../helpers/rows.ts';
import { taskOf } from '../../helpers/task-of.ts';

const task = taskOf({ sol_sql: ['SELECT 1'] });
const facts = { instanceId: task.instance_id, database: task.selected_database, attempt: 2, cause: 'exit code 3' };
const NOT_RUN = {
  instance_id: 'geese_1',
  database: 'geese',
  phase1_passed: false,
  phase2_passed: false,
  total_reward: 0,
  submitted_sql: null,
  submitted_query: null,
  ground_truth_sql: null,
  submission_status: 'never_submitted',
  phase1_observation: null,
  phase2_observation: null,
  predicted_result_json: null,
  gold_result_json: null,
  n_agent_turns: 0,
};

test('every row has the keys of a real one, whoever writes it, and the database of its task (W-09, 3A-05, 3A-18, P-36)', () => {
  const keys = Object.keys(row('geese_1'));
  const synthetic = { attempt: 2, error: 'actor-lost', reason: 'actor-lost', cause: 'exit code 3' };
  for (const written of [
    errorRow(task, 'boom', 5, 1.5),
    syntheticRow({ task, ...synthetic }),
    lostRow(facts),
    undispatchedRow(facts),
  ]) {
    expect(Object.keys(written)).toEqual(expect.arrayContaining(keys));
    expect(written).toMatchObject(NOT_RUN);
    expect(written.error).toMatch(/^(boom|actor-lost|dispatch-failure: .*geese)/);
  }
  expect(Object.keys(blankRow(task, 5))).toEqual(expect.arrayContaining(keys));
});
