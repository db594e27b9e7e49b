/**
 * Scores a submitted SQL against a task's gold SQL, by §3C: dry run, fresh database, preprocess, both sides cleaned and
 * executed, results compared, clean-up.
 *
 * Not here: other categories' test code. It is Python and Skein runs none: such a task is an infrastructure error that
 * says so, never a silent pass or fail.
 *
 * Invariants: V1 the submission is judged, never the benchmark: SQL of the task's own that fails is an infrastructure
 * error. V2 a wrong answer is no error; SQL that had to be killed is one.
 */
import type { Task } from '../dataset/task.ts';
import type { SqlOutcome, SqlSession, SubmissionStatus, TaskRow } from './framework.ts';
import { isSameResult, snapshotJson } from './result-rows.ts';
import { cleanSql, isEmptySql } from './sql-text.ts';

type Rows = Extract<SqlOutcome, { kind: 'rows' }>;
type Failure = Extract<SqlOutcome, { kind: 'error' }>;

/** The fields of a row that scoring fills. */
export type Verdict = Pick<
  TaskRow,
  | 'phase1_passed'
  | 'phase2_passed'
  | 'total_reward'
  | 'submitted_sql'
  | 'error'
  | 'submission_status'
  | 'phase1_observation'
  | 'phase2_observation'
  | 'predicted_result_json'
  | 'gold_result_json'
> &
  Partial<DualVerdict>;

/** The verdicts by either gold SQL, on tasks under an audit (§3C). The row's own fields are the audited ones. */
export interface DualVerdict {
  readonly phase1_passed_audited: boolean;
  /** Null where nothing could be judged by the dataset's own gold SQL; the observation says why. */
  readonly phase1_passed_original: boolean | null;
  readonly phase1_observation_audited: string | null;
  readonly phase1_observation_original: string | null;
}

/** Where the scoring of a submission ended. */
type End = {
  readonly status: SubmissionStatus;
  readonly observation: string;
  /** Fills the row's `error`: the attempt failed and a resubmit tries it again. */
  readonly error?: string;
  readonly predicted?: SqlOutcome;
  readonly gold?: SqlOutcome;
};

/**
 * The verdict on `submittedSql` for `task`, on the task's private database; nothing submitted is all false. The database is
 * left as the task's clean-up leaves it.
 * @param log takes a line for each step that went wrong beside the verdict
 */
export async function scoreSubmission(
  task: Task,
  submittedSql: string | null,
  sql: SqlSession,
  log: (line: string) => void = () => undefined,
): Promise<Verdict> {
  const isSubmitted = submittedSql !== null && !isEmptySql(submittedSql);
  const endOf = async (by: Task): Promise<End> =>
    isSubmitted
      ? await judge(by, submittedSql, sql, log)
      : { status: 'never_submitted', observation: 'nothing was submitted' };
  const end = await endOf(task);
  const verdict = verdictOf(submittedSql, end);
  const { original_sol_sql: original } = task;
  if (original === undefined) return verdict;
  const isSame = goldOf(original) === goldOf(task.sol_sql);
  const other = isSame ? end : await endOf({ ...task, sol_sql: original });
  return { ...verdict, ...dualOf(verdict, other) };
}

/** The original verdict is recorded only: it changes neither reward nor status. */
function dualOf(verdict: Verdict, original: End): DualVerdict {
  return {
    phase1_passed_audited: verdict.phase1_passed,
    phase1_passed_original: original.status === 'infrastructure_error' ? null : isPass(original),
    phase1_observation_audited: verdict.phase1_observation,
    phase1_observation_original: original.observation,
  };
}

const isPass = ({ status }: End): boolean => status === 'passed_phase1' || status === 'passed_phase2';

const goldOf = (texts: readonly string[]): string => texts.filter((text) => !isEmptySql(text)).join(';\n');

function verdictOf(submittedSql: string | null, end: End): Verdict {
  const isPassed = isPass(end);
  const isSubmitted = end.status !== 'never_submitted';
  return {
    phase1_passed: isPassed,
    phase2_passed: false,
    total_reward: isPassed ? 1 : 0,
    submitted_sql: isSubmitted ? submittedSql : null,
    error: end.error ?? null,
    submission_status: end.status,
    phase1_observation: end.observation,
    phase2_observation: null,
    predicted_result_json: end.predicted ? snapshotJson(end.predicted) : null,
    gold_result_json: end.gold ? snapshotJson(end.gold) : null,
  };
}

async function judge(task: Task, submitted: string, sql: SqlSession, log: (line: string) => void): Promise<End> {
  const isQuery = task.category === 'Query';
  const needsTestCode = !isQuery && task.test_cases.length > 0;
  const goldSql = goldOf(task.sol_sql);
  if (needsTestCode) {
    return infrastructure(
      `category ${task.category} is judged by the task's own Python test cases (${task.test_cases.length}), which this version does not run`,
    );
  }
  if (goldSql === '') {
    return infrastructure(`task ${task.instance_id} has no gold SQL (sol_sql is empty), so nothing can be scored`);
  }
  await sql.reset();
  try {
    return await compare(task, submitted, goldSql, sql);
  } finally {
    const outcome = await runAll(task.clean_up_sqls, sql);
    if (outcome) log(`clean_up_sqls of ${task.instance_id}: ${outcome.message}`);
  }
}

async function compare(task: Task, submitted: string, goldSql: string, sql: SqlSession): Promise<End> {
  const isQuery = task.category === 'Query';
  const unprepared = await runAll(task.preprocess_sql, sql);
  if (unprepared) return preparationFailed(task, unprepared);
  if (isQuery) {
    // What writes is refused here, so the gold SQL below finds the database as the submission did.
    const dry = await sql.run(submitted, { readOnly: true });
    if (dry.kind === 'error') return failed('dry_run_error', dry);
  }
  const shown = await sql.run(submitted);
  if (shown.kind === 'error') return failed('sql_runtime_error', shown);
  const predicted = await cleanRun(submitted, shown, isQuery, task, sql);
  if (predicted.kind === 'error') return { ...failed('sql_runtime_error', predicted), predicted: shown };
  const unfresh = isQuery ? undefined : await afresh(task, sql);
  if (unfresh) return preparationFailed(task, unfresh);
  const goldShown = await sql.run(goldSql);
  const gold = goldShown.kind === 'rows' ? await cleanRun(goldSql, goldShown, isQuery, task, sql) : goldShown;
  if (gold.kind === 'error') {
    return { ...infrastructure(`the gold SQL of ${task.instance_id} fails: ${gold.message}`), predicted: shown };
  }
  const isOrdered = task.conditions?.order === true;
  const isPassed = isSameResult(predicted, gold, isOrdered);
  const sides = `${predicted.rows.length} rows against ${gold.rows.length} of the gold SQL, compared as ${isOrdered ? 'a list' : 'a set'}`;
  return {
    status: isPassed ? 'passed_phase1' : 'wrong_result',
    observation: isPassed ? `passed: ${sides}` : `wrong result: ${sides}`,
    predicted: shown,
    gold: goldShown,
  };
}

/** The result of the cleaned `text`; where cleaning changes nothing, that is the result already there. */
async function cleanRun(text: string, shown: Rows, isQuery: boolean, task: Task, sql: SqlSession): Promise<SqlOutcome> {
  const clean = cleanSql(text);
  if (clean === text.trim()) return shown;
  return (isQuery ? undefined : await afresh(task, sql)) ?? (await sql.run(clean));
}

/** The pristine database, preprocessed; or what went wrong. */
async function afresh(task: Task, sql: SqlSession): Promise<Failure | undefined> {
  await sql.reset();
  return await runAll(task.preprocess_sql, sql);
}

/** Runs SQL of the task's own; the first failure, if any. */
async function runAll(texts: readonly string[], sql: SqlSession): Promise<Failure | undefined> {
  for (const text of texts) {
    const outcome = await sql.run(text);
    if (outcome.kind === 'error') return outcome;
  }
  return undefined;
}

/** SQL of the submission that failed: its own fault, unless its process was lost. One that had to be killed is an error (V2). */
function failed(status: SubmissionStatus, outcome: Failure): End {
  if (outcome.isExecutorLost) return { ...infrastructure(outcome.message), predicted: outcome };
  if (!outcome.isTimeout) return { status, observation: outcome.message, predicted: outcome };
  return { status: 'sql_runtime_error', observation: outcome.message, error: outcome.message, predicted: outcome };
}

function preparationFailed(task: Task, failure: Failure): End {
  return infrastructure(`preprocess_sql of ${task.instance_id} fails, so nothing can be scored: ${failure.message}`);
}

function infrastructure(message: string): End {
  return { status: 'infrastructure_error', observation: message, error: message };
}
