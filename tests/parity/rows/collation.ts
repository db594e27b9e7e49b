/** results.db and eval.json. */
import { better, holds, type Section } from '../row.ts';

export const collation: Section = {
  title: 'Collation (C)',
  rows: [
    better(
      'C-01',
      'one row per id, of its highest attempt, in the manifest’s order',
      'a verdict never hides a real row',
    ),
    holds('C-02', 'collating again replaces'),
    better('C-03', 'the columns of task_results, added where an older file lacks them', 'unknown columns are kept'),
    better('C-04', 'the columns of run_metadata, the later ones too', 'started_at is when the run was made'),
    better('C-05', 'the keys and the form of eval.json', 'with expected, done, errors and missing'),
    better('C-06', 'rates over rows found, times of collation, dropped columns', 'closed'),
  ],
};
