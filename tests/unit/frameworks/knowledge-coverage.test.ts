import { describe, expect, it } from 'vitest';

import type { KbRow } from '../../../src/dataset/task.ts';
import { coverageOf, coveragePage } from '../../../src/frameworks/knowledge-coverage.ts';
import type { SetupResult } from '../../../src/reference/model.ts';
import { taskOf } from '../../helpers/task-of.ts';

const item = (id: number, knowledge: string, children: KbRow['children_knowledge'] = -1): KbRow => ({
  id,
  knowledge,
  description: '',
  definition: '',
  type: 'calculation_knowledge',
  children_knowledge: children,
});
const result = (kb_id: number, status: SetupResult['status']): SetupResult => ({
  kb_id,
  status,
  entities:
    status === 'encoded'
      ? [{ kind: 'column', host_model: 'goose', name: `k${kb_id}`, entity_ref: `geese.goose.k${kb_id}` }]
      : [],
  notes: '',
  error: status === 'error' ? 'it broke' : null,
  clarifying_questions: status === 'deferred' ? ['what is a wing?'] : [],
});
const kb = [
  item(0, 'Wing Load', [1, 2]),
  item(1, 'Weight'),
  item(2, 'Wing Area', 3),
  item(3, 'Wing'),
  item(4, 'Beak'),
  item(5, 'Flock'),
];
const results = [
  result(0, 'encoded'),
  result(1, 'encoded'),
  result(2, 'deferred'),
  result(3, 'error'),
  result(4, 'encoded'),
  result(5, 'encoded'),
];

describe('the coverage of a task', () => {
  it('follows the named items to all that they depend on', () => {
    const { items, counts } = coverageOf(taskOf({ external_knowledge: [0] }), kb, results);
    expect(items.map(({ kb_id, need, status }) => [kb_id, need, status])).toEqual([
      [0, 'external_knowledge', 'encoded'],
      [1, 'dependency', 'encoded'],
      [2, 'dependency', 'deferred'],
      [3, 'dependency', 'error'],
    ]);
    expect(counts).toEqual({ encoded: 2, deferred: 1, error: 1, masked: 0, missing: 0 });
    expect(items[0]?.entities).toEqual(['geese.goose.k0']);
    expect(items[2]?.questions).toEqual(['what is a wing?']);
  });

  it('finds items by the titles of ambiguous terms and shows nothing of a masked one', () => {
    const task = taskOf({ knowledge_ambiguity: [{ term: 'wing LOAD', deleted_knowledge: [1] }] as never });
    const { items } = coverageOf(task, kb, results);
    expect(items.map(({ kb_id, need, status }) => [kb_id, need, status])).toEqual([
      [0, 'ambiguous_term', 'encoded'],
      [1, 'masked', 'masked'],
      [2, 'dependency', 'deferred'],
      [3, 'dependency', 'error'],
    ]);
    expect(items[1]).toMatchObject({ entities: [], questions: [], notes: '' });
  });

  it('ends on a cycle, and says what the knowledge base or the reference does not have', () => {
    const cyclic = [item(0, 'A', 1), item(1, 'B', 0)];
    const { items } = coverageOf(taskOf({ external_knowledge: [1, 9] }), cyclic, []);
    expect(items.map(({ kb_id, status }) => [kb_id, status])).toEqual([
      [0, 'missing'],
      [1, 'missing'],
      [9, 'missing'],
    ]);
  });

  it('reads as a page', () => {
    const task = taskOf({ external_knowledge: [0] });
    const page = coveragePage(task, coverageOf(task, kb, results), '/references/geese');
    expect(page).toContain('# geese_1 (geese)');
    expect(page).toContain('Knowledge: 2 encoded, 1 deferred, 1 error');
    expect(page).toContain('  - `geese.goose.k0`');
    expect(page).toContain('  - asks: what is a wing?');
  });
});
