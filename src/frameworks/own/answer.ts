/**
 * What an own framework's `runTask` returned, as the row that it becomes: an answer is scored (§3C) and filled in, a whole
 * row is taken as it is.
 *
 * Invariant: A1 a return value of the wrong shape is an error that names the field; it never becomes half a row.
 */
import { z } from 'zod';

import type { Task } from '../../dataset/task.ts';
import { SkeinError } from '../../kernel/errors.ts';
import type { TaskContext, TaskRow } from '../framework.ts';
import { scoreSubmission } from '../scoring.ts';
import { isEmptySql } from '../sql-text.ts';

const STATUSES = [
  'never_submitted',
  'json_error',
  'translation_error',
  'dry_run_error',
  'infrastructure_error',
  'passed_phase2',
  'passed_phase1',
  'sql_runtime_error',
  'wrong_result',
] as const;

const answerSchema = z.strictObject({
  sql: z.string().nullish(),
  query: z.unknown().optional(),
  error: z.string().nullish(),
  turns: z.number().int().nonnegative().optional(),
  trajectory: z.array(z.unknown()).optional(),
  fields: z.record(z.string(), z.unknown()).optional(),
});

const text = z.string().nullish();
const rowSchema = z.looseObject({
  submission_status: z.enum(STATUSES),
  phase1_passed: z.boolean(),
  phase2_passed: z.boolean().optional(),
  total_reward: z.number().optional(),
  submitted_sql: text,
  submitted_query: text,
  error: text,
  n_agent_turns: z.number().nullish(),
});

/** The runtime's own, which a framework cannot give itself. */
const OURS = ['usage', 'trajectory', 'framework', 'query_mode', 'mode', 'attempt', 'synthetic', 'framework_digest'];

/**
 * @param blank the task's row as it is when nothing was submitted
 * @param file for the texts of errors
 * @throws SkeinError INVALID_INPUT for what is neither an answer nor a row, or no JSON
 */
export async function rowOf(
  returned: unknown,
  { task, context, blank, file }: { task: Task; context: TaskContext; blank: TaskRow; file: string },
): Promise<TaskRow> {
  if (returned === undefined || returned === null) return { ...blank, ...(await verdictOn(null, task, context)) };
  const isRow = typeof (returned as { submission_status?: unknown }).submission_status === 'string';
  if (isRow) return asJson({ ...blank, ...checked(rowSchema, returned, file) }, file) as TaskRow;
  const { sql, query, error, turns, trajectory, fields = {} } = checked(answerSchema, returned, file);
  const taken = Object.keys(fields).find((name) => Object.hasOwn(blank, name) || OURS.includes(name));
  if (taken !== undefined) throw wrong(file, `fields.${taken}: a row has a field of that name already`);
  // What cannot be stored is found before time goes into scoring.
  const own = asJson(
    {
      ...fields,
      submitted_query:
        query === undefined || query === null || typeof query === 'string' ? (query ?? null) : JSON.stringify(query),
      n_agent_turns: turns ?? blank.n_agent_turns,
      ...(trajectory && { trajectory }),
    },
    file,
  );
  const verdict = await verdictOn(sql ?? null, task, context);
  return { ...blank, ...own, ...verdict, ...(typeof error === 'string' && { error }) };
}

/** Where nothing was submitted no database is opened, unless an audit wants both verdicts. */
async function verdictOn(sql: string | null, task: Task, context: TaskContext): Promise<Partial<TaskRow>> {
  if ((sql === null || isEmptySql(sql)) && task.original_sol_sql === undefined) {
    return { phase1_observation: 'nothing was submitted' };
  }
  return await scoreSubmission(task, sql, await context.sql(), (line) => context.log(line));
}

function checked<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.length ? `${issue.path.join('.')}: ` : '';
  throw wrong(file, `${where}${issue?.message ?? 'unreadable'}`);
}

/** `value` as it will be read back. */
function asJson(value: object, file: string): Record<string, unknown> {
  try {
    return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
  } catch (error) {
    throw wrong(file, `it cannot be written as JSON: ${String(error)}`, error);
  }
}

function wrong(file: string, why: string, cause?: unknown): SkeinError {
  return new SkeinError('INVALID_INPUT', `${file}: what runTask returned is no answer and no row: ${why}`, { cause });
}
