/** Looks into a `results.db`, and makes one as other programs leave it. */
import { DatabaseSync } from 'node:sqlite';

export type ResultRow = Record<string, unknown>;

export function queryResults(path: string, sql: string): ResultRow[] {
  using database = new DatabaseSync(path, { readOnly: true });
  return database
    .prepare(sql)
    .all()
    .map((each) => ({ ...each }));
}

export function execIn(path: string, sql: string): void {
  using database = new DatabaseSync(path);
  database.exec(sql);
}

/** The tables of the seed as §1H gives them, in its order: 28 columns, and six of a run (C-03, C-04). */
export const ORIGINAL_TABLES = `
  CREATE TABLE task_results (
    run_id TEXT NOT NULL, framework TEXT NOT NULL, mode TEXT NOT NULL, query_mode TEXT NOT NULL, instance_id TEXT NOT NULL,
    database TEXT NOT NULL, started_at REAL NOT NULL, duration_s REAL NOT NULL, phase1_passed INTEGER NOT NULL,
    phase2_passed INTEGER NOT NULL, total_reward REAL NOT NULL, submitted_sql TEXT, submitted_query TEXT,
    ground_truth_sql TEXT, error TEXT, usage_json TEXT NOT NULL DEFAULT '{}', user_query TEXT,
    submission_status TEXT NOT NULL DEFAULT 'never_submitted', phase1_observation TEXT, phase2_observation TEXT,
    predicted_result_json TEXT, gold_result_json TEXT, n_agent_turns INTEGER, tool_call_stats_json TEXT,
    phase1_passed_audited INTEGER, phase1_passed_original INTEGER, phase1_observation_audited TEXT,
    phase1_observation_original TEXT, PRIMARY KEY (run_id, framework, mode, query_mode, instance_id));
  CREATE TABLE run_metadata (
    run_id TEXT NOT NULL, framework TEXT NOT NULL, mode TEXT NOT NULL, agent_model TEXT NOT NULL,
    user_sim_model TEXT NOT NULL, started_at REAL NOT NULL DEFAULT 0, PRIMARY KEY (run_id, framework, mode));`;

/** A result of an earlier run in such a table. */
export const ORIGINAL_RESULT = `
  INSERT INTO task_results (run_id, framework, mode, query_mode, instance_id, database, started_at, duration_s,
    phase1_passed, phase2_passed, total_reward, phase1_passed_audited)
    VALUES ('old', 'claude_sdk', 'a-interact', 'raw', 'shop_9', 'shop', 1.5, 2.5, 1, 0, 1.0, 1);`;
