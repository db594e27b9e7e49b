/** Opening datasets, good and bad. */
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { openDataset } from '../../../src/dataset/dataset.ts';
import { childIds, deletedKbIds, parseKb, parseMeanings } from '../../../src/dataset/knowledge.ts';
import { parseTasks } from '../../../src/dataset/tasks-file.ts';
import { isSkeinError } from '../../../src/kernel/errors.ts';

const SHIPPED = new URL('../../../examples/mini-interact', import.meta.url).pathname;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skein-dataset-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function copyOfExamples(): Promise<string> {
  const dir = join(root, 'data');
  await cp(SHIPPED, dir, { recursive: true });
  return dir;
}

/** The one line with which `action` is refused. */
async function refusal(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    if (!isSkeinError(error, 'INVALID_INPUT')) throw error;
    expect(error.message).not.toContain('\n');
    return error.message;
  }
  throw new Error('nothing was refused');
}

describe('opening a dataset', () => {
  test('gives its tasks in file order, its databases sorted, and every file of a database', async () => {
    const dataset = await openDataset(SHIPPED);
    expect(dataset.databases).toEqual(['beehives', 'ferries', 'glassworks']);
    expect(dataset.tasks[0]?.instance_id).toBe('beehives_1');
    expect(dataset.taskById.get('ferries_3')?.selected_database).toBe('ferries');
    expect((await dataset.kb('ferries')).length).toBeGreaterThan(10);
    expect(Object.keys(await dataset.meanings('ferries')).length).toBeGreaterThan(10);
    await dataset.checkDatabase('ferries');
  });

  test('takes the one *.jsonl whatever its name, and of several mini_interact.jsonl', async () => {
    const dir = await copyOfExamples();
    await writeFile(join(dir, 'other.jsonl'), 'no json');
    expect((await openDataset(dir)).tasks.length).toBe(22);
    await rm(join(dir, 'mini_interact.jsonl'));
    await writeFile(join(dir, 'a.jsonl'), '');
    expect(await refusal(() => openDataset(dir))).toContain('none of a.jsonl, other.jsonl');
    await rm(join(dir, 'a.jsonl'));
    expect(await refusal(() => openDataset(dir))).toMatch(/other\.jsonl line 1: "no json" is no JSON/);
  });

  test('refuses a folder that is absent, empty, a file, or without tasks file', async () => {
    expect(await refusal(() => openDataset(join(root, 'none')))).toMatch(
      /^--dataset ".*none": there is no such folder/,
    );
    expect(await refusal(() => openDataset(root))).toContain('the folder is empty');
    await writeFile(join(root, 'file'), 'x');
    expect(await refusal(() => openDataset(join(root, 'file')))).toContain('that is no folder');
    expect(await refusal(() => openDataset(root))).toContain('no tasks file mini_interact.jsonl');
  });

  test('refuses a task whose database is not there, and names both', async () => {
    const dir = await copyOfExamples();
    await rm(join(dir, 'ferries'), { recursive: true });
    const message = await refusal(() => openDataset(dir));
    expect(message).toContain('task ferries_1: selected_database: "ferries" is not in the dataset');
  });

  test('leaves what lies in a database to checkDatabase', async () => {
    const dir = await copyOfExamples();
    await writeFile(join(dir, 'ferries', 'ferries.sqlite'), '');
    await writeFile(join(dir, 'beehives', 'beehives.sqlite'), 'this is no database, but a text of some length');
    await writeFile(join(dir, 'glassworks', 'glassworks_kb.jsonl'), '{"id": 0}\n{"id": oops}\n');
    const dataset = await openDataset(dir);
    expect(await refusal(() => dataset.checkDatabase('ferries'))).toMatch(
      /ferries\.sqlite: the file is empty \(0 bytes\)/,
    );
    expect(await refusal(() => dataset.checkDatabase('beehives'))).toMatch(
      /beehives\.sqlite: no SQLite file, it begins with "this is no datab/,
    );
    expect(await refusal(() => dataset.checkDatabase('glassworks'))).toMatch(
      /glassworks_kb\.jsonl line 2: .* is no JSON/,
    );
    await rm(join(dir, 'glassworks', 'glassworks_kb.jsonl'));
    expect(await refusal(() => dataset.checkDatabase('glassworks'))).toMatch(
      /glassworks_kb\.jsonl: there is no such file/,
    );
  });

  test('costs little for ten thousand tasks', async () => {
    const dir = await copyOfExamples();
    const line = (await readFile(join(dir, 'mini_interact.jsonl'), 'utf8')).split('\n')[0]!;
    const many = Array.from({ length: 10_000 }, (_, index) => line.replace('beehives_1', `b_${index}`)).join('\n');
    await writeFile(join(dir, 'mini_interact.jsonl'), many);
    expect((await openDataset(dir)).taskById.size).toBe(10_000);
  });
});

describe('a line of the tasks file', () => {
  const one = (fields: object): string =>
    JSON.stringify({ instance_id: 'a_1', selected_database: 'a', amb_user_query: 'q', ...fields });

  test('keeps unknown fields, makes a list of a single text, and reads absent lists as empty (3A-06)', () => {
    const [task] = parseTasks(
      'f',
      `\uFEFF${one({ sol_sql: 'SELECT 1', extra: { deep: 1 }, external_knowledge: null })}\r\n\n`,
    );
    expect(task).toMatchObject({
      sol_sql: ['SELECT 1'],
      test_cases: [],
      external_knowledge: [],
      extra: { deep: 1 },
      category: 'Query',
    });
    expect(task).not.toHaveProperty('conditions');
  });

  test.each([
    ['{', 'f line 2: "{" is no JSON'],
    ['[1]', 'f line 2: [1] is no JSON object'],
    [one({}), 'f line 2: instance_id "a_1" is already the id of line 1'],
    [one({ instance_id: '../x' }), 'f line 2: instance_id: "../x" is no legal name'],
    [one({ instance_id: 7 }), 'f line 2: instance_id: 7 is no legal name'],
    [one({ instance_id: 'b', selected_database: 'x/y' }), 'f line 2: selected_database: "x/y" is no legal name'],
    [one({ instance_id: 'b', selected_database: undefined }), 'f line 2: selected_database: nothing is no legal name'],
    [one({ instance_id: 'b', sol_sql: [1] }), 'f line 2: sol_sql: [1] is no list of texts'],
    [one({ instance_id: 'b', external_knowledge: ['1'] }), 'f line 2: external_knowledge: ["1"] is no list of numbers'],
    [one({ instance_id: 'b', knowledge_ambiguity: 'x' }), 'f line 2: knowledge_ambiguity: "x" is no list of objects'],
    [one({ instance_id: 'b', conditions: [] }), 'f line 2: conditions: [] is no object'],
  ])('is refused with its number, field and value: %s', async (line, message) => {
    expect(await refusal(() => parseTasks('f', `${one({})}\n${line}\n`))).toContain(message);
  });

  test('must be there', async () => {
    expect(await refusal(() => parseTasks('f', '\n\n'))).toBe('f is empty: it holds no task');
  });
});

describe('knowledge', () => {
  test('gives the children of an item by rule G-01 (G-01)', () => {
    const children = (value: unknown): number[] =>
      childIds(parseKb('f', JSON.stringify({ id: 0, children_knowledge: value }))[0]!);
    expect([-1, null, undefined, 3, [1, -1, 2, 1, 'x', null, 2.5]].map(children)).toEqual([[], [], [], [3], [1, 2]]);
  });

  test('tells which items a task must not see (3A-15)', () => {
    const [task] = parseTasks(
      'f',
      JSON.stringify({
        instance_id: 'a_1',
        selected_database: 'a',
        knowledge_ambiguity: [
          { deleted_knowledge: 5 },
          { deleted_knowledge: [2, 5, -1] },
          { deleted_knowledge: null },
          {},
        ],
      }),
    );
    expect(deletedKbIds(task!)).toEqual([2, 5]);
  });

  test.each([
    ['{"id": -1}', 'f line 1: id: -1 is no whole number'],
    ['{"id": "1"}', 'f line 1: id: "1" is no whole number'],
    ['{"id": 1}\n{"id": 1}', 'f line 2: id: 1 is already the id of line 1'],
    ['{"id": 1, "definition": 3}', 'f line 1: definition: 3 is no text'],
  ])('is refused with line, field and value: %s', async (text, message) => {
    expect(await refusal(() => parseKb('f', text))).toContain(message);
  });

  test('reads meanings as texts or by level, and leaves out what is neither', () => {
    const meanings = {
      'a|t|c': 'x',
      'a|t|j': { column_meaning: 'm', fields_meaning: { k: { l: 'deep' }, list: ['p', 'q'] } },
      n: null,
    };
    expect(parseMeanings('f', JSON.stringify(meanings))).toEqual({
      'a|t|c': 'x',
      'a|t|j': { column_meaning: 'm', fields_meaning: { k: { l: 'deep' }, list: 'p; q' } },
    });
  });
});

describe('a copied database', () => {
  test('is whole, writable and in rollback mode, and the original and its folder are as they were (V-22)', async () => {
    const dir = await copyOfExamples();
    const original = join(dir, 'ferries', 'ferries.sqlite');
    await chmod(original, 0o444);
    const before = await readFile(original);
    const dataset = await openDataset(dir);
    const target = join(root, 'made', 'copy.sqlite');
    await dataset.copyDatabase('ferries', target);

    expect(await readdir(join(root, 'made'))).toEqual(['copy.sqlite']);
    expect((await stat(target)).mode & 0o777).toBe(0o600);
    using copy = new DatabaseSync(target);
    expect(copy.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' });
    expect(copy.prepare('SELECT COUNT(*) AS n FROM sailings').get()).toEqual({ n: 260 });
    copy.exec('DELETE FROM fares');
    expect((await readFile(original)).equals(before)).toBe(true);
    expect((await readdir(join(dir, 'ferries'))).sort()).toEqual((await readdir(join(SHIPPED, 'ferries'))).sort());
  });

  test('holds what stands only in the write-ahead log of the original (V-22)', async () => {
    const dir = await copyOfExamples();
    const original = join(dir, 'ferries', 'ferries.sqlite');
    using writer = new DatabaseSync(original);
    writer.exec("PRAGMA wal_autocheckpoint = 0; INSERT INTO ports VALUES ('NEW', 'Newport', 1)");
    const target = join(root, 'copy.sqlite');
    await (await openDataset(dir)).copyDatabase('ferries', target);
    using copy = new DatabaseSync(target);
    expect(copy.prepare("SELECT COUNT(*) AS n FROM ports WHERE portcode = 'NEW'").get()).toEqual({ n: 1 });
  });

  test('is not made of a file that is no database, and leaves nothing behind (V-22)', async () => {
    await mkdir(join(root, 'x'));
    const dir = await copyOfExamples();
    await writeFile(join(dir, 'ferries', 'ferries.sqlite'), 'SQLite format 3');
    const dataset = await openDataset(dir);
    expect(await refusal(() => dataset.copyDatabase('ferries', join(root, 'x', 'copy.sqlite')))).toContain(
      'no SQLite file',
    );
    expect(await readdir(join(root, 'x'))).toEqual([]);
  });
});
