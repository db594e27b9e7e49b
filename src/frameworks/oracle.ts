/**
 * Mode oracle: submits the task's first gold SQL and scores it. No model; it proves the whole way from dataset to row.
 */
import type { Task } from '../dataset/task.ts';
import { blankRow } from './error-row.ts';
import type { Framework, TaskContext, TaskRow } from './framework.ts';
import { scoreSubmission } from './scoring.ts';
import { isEmptySql } from './sql-text.ts';

export class OracleFramework implements Framework {
  async runTask(task: Task, context: TaskContext): Promise<TaskRow> {
    const row = blankRow(task, Date.now() / 1000);
    const gold = task.sol_sql.find((sql) => !isEmptySql(sql));
    if (gold === undefined) {
      const error = `task ${task.instance_id} has no gold SQL (sol_sql is empty in the dataset), so mode oracle has nothing to submit`;
      return { ...row, error, phase1_observation: error };
    }
    context.log(`submits: ${gold}`);
    const verdict = await scoreSubmission(task, gold, await context.sql(), (line) => context.log(line));
    context.log(`${verdict.submission_status}: ${verdict.phase1_observation}`);
    return { ...row, ...verdict, ground_truth_sql: gold };
  }
}
