import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import {
  audited,
  auditedGoldLog,
  auditedGoldText,
  parseAuditedGold,
  readAuditedGold,
} from '../../../src/dataset/audited-gold.ts';
import { tempDir, writeTree } from '../../helpers/shards.ts';
import { taskOf } from '../../helpers/task-of.ts';

const TASKS = ['shop_1', 'shop_2', 'shop_3', 'zoo_1'].map((id) =>
  taskOf({ instance_id: id, selected_database: id.split('_')[0] as string, sol_sql: [`SELECT '${id}'`] }),
);
const BY_ID = new Map(TASKS.map((task) => [task.instance_id, task]));
const line = (instance_id: string, status: string, sol_sql: unknown): string =>
  `${JSON.stringify({ instance_id, status, sol_sql })}\n`;

describe('an audit of gold SQL', () => {
  test('edited and unrecoverable take its place, clean and absent keep it, and the original is kept beside (W-15)', async () => {
    await using temp = await tempDir();
    const text =
      line('shop_1', 'edited', ['SELECT 1']) +
      line('shop_2', 'clean', 'SELECT 2') +
      line('shop_3', 'unrecoverable', 'SELECT 3') +
      line('shop_77', 'edited', ['x']);
    await writeTree(temp.dir, { 'shop.jsonl': text, 'notes.md': 'not of ours' });
    const gold = await readAuditedGold(temp.dir, TASKS, BY_ID);
    const overlaid = TASKS.map((task) => audited(task, gold));
    expect(overlaid.map(({ sol_sql: sql }) => sql)).toEqual([
      ['SELECT 1'],
      ["SELECT 'shop_2'"],
      ['SELECT 3'],
      ["SELECT 'zoo_1'"],
    ]);
    expect(overlaid.map((task) => task.original_sol_sql)).toEqual(TASKS.map(({ sol_sql: sql }) => sql));
    expect(auditedGoldLog('d', TASKS, gold)).toEqual({
      digest: 'd',
      counts: { edited: 1, unrecoverable: 1, clean: 1, absent: 1 },
      replaced: { shop_1: 'edited', shop_3: 'unrecoverable' },
    });
    // As it goes to nodes: only the run's tasks, and the same bytes whatever the order of the lines.
    expect(parseAuditedGold('again', auditedGoldText(gold))).toEqual([...gold.values()]);
    expect(auditedGoldText(new Map([...gold].toReversed()))).toBe(auditedGoldText(gold));
  });

  test.each([
    ['a line that is no JSON', '{"instance_id": ', /shop\.jsonl line 2: .* is no JSON/],
    ['a line that is no object', '[1]', /shop\.jsonl line 2: \[1\] is no JSON object/],
    ['an illegal id', '{"instance_id":"../x","status":"clean"}', /shop\.jsonl line 2: instance_id: "\.\.\/x"/],
    [
      'an id twice',
      '{"instance_id":"shop_1","status":"clean"}',
      /line 2: instance_id: "shop_1" is already the id of line 1/,
    ],
    [
      'an unknown status',
      '{"instance_id":"shop_2","status":"fine"}',
      /line 2: status: "fine" is none of edited, unrecoverable, clean/,
    ],
    ['no status', '{"instance_id":"shop_2"}', /line 2: status: nothing is none of/],
    [
      'SQL of another kind',
      '{"instance_id":"shop_2","status":"edited","sol_sql":7}',
      /line 2: sol_sql: 7 is no list of texts/,
    ],
    [
      'an edit without SQL',
      '{"instance_id":"shop_2","status":"edited","sol_sql":[" "]}',
      /line 2: sol_sql: \[" "\] is empty/,
    ],
    [
      'a task of another database',
      '{"instance_id":"zoo_1","status":"clean"}',
      /shop\.jsonl: instance_id: "zoo_1" is a task of zoo, so it belongs into zoo\.jsonl/,
    ],
  ])('with %s is named with file, line and value (W-15)', async (_what, bad, says) => {
    await using temp = await tempDir();
    await writeTree(temp.dir, { 'shop.jsonl': `${line('shop_1', 'clean', [])}${bad}\n` });
    await expect(readAuditedGold(temp.dir, TASKS, BY_ID)).rejects.toThrow(says);
    await expect(readAuditedGold(temp.dir, TASKS, BY_ID)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('that is not there, or holds nothing of the run, is named', async () => {
    await using temp = await tempDir();
    await writeTree(temp.dir, { 'a-file': '', 'other/bank.jsonl': '' });
    await expect(readAuditedGold(join(temp.dir, 'no'), TASKS, BY_ID)).rejects.toThrow('there is no such folder');
    await expect(readAuditedGold(join(temp.dir, 'a-file'), TASKS, BY_ID)).rejects.toThrow('that is no folder');
    await expect(readAuditedGold(join(temp.dir, 'other'), TASKS, BY_ID)).rejects.toThrow('no shop.jsonl, zoo.jsonl');
  });
});
