/** A task of which only the names are known: for the row of one that the dataset does not have, or that an earlier life ran. */
import type { Task } from '../dataset/task.ts';

export function blankTask(instanceId: string, database: string): Task {
  return {
    instance_id: instanceId,
    selected_database: database,
    amb_user_query: '',
    sol_sql: [],
    preprocess_sql: [],
    clean_up_sqls: [],
    test_cases: [],
    external_knowledge: [],
    category: '',
    knowledge_ambiguity: [],
  };
}
