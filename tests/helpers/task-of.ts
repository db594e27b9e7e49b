/** A task with nothing in it but what a test says. */
import type { Task } from '../../src/dataset/task.ts';

export function taskOf(fields: Partial<Task>): Task {
  return {
    instance_id: 'geese_1',
    selected_database: 'geese',
    amb_user_query: 'Which geese?',
    sol_sql: [],
    preprocess_sql: [],
    clean_up_sqls: [],
    test_cases: [],
    external_knowledge: [],
    category: 'Query',
    knowledge_ambiguity: [],
    ...fields,
  };
}
