/** Whatever a bucket holds: what is wrong is named, the rest goes on, and nothing is lost. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { fetchLines } from '../../../src/cli/fetch-home.ts';
import { fetchRun, type FetchOptions, type FetchResult } from '../../../src/head/fetch.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectInfo, ObjectStore } from '../../../src/store/port.ts';
import { queryResults } from '../../helpers/results.ts';
import { manifestOf, putRun, row } from '../../helpers/rows.ts';
import { readTree, reference, tempDir, writeTree } from '../../helpers/shards.ts';
import { uploadShard } from '../../../src/reference/shard.ts';

const IDS = ['shop_1', 'shop_2', 'zoo_1'];

function fetchTo(dir: string, store: ObjectStore, options: Partial<FetchOptions> = {}): Promise<FetchResult> {
  const [outDir, referenceRoot] = [join(dir, 'out'), join(dir, 'warm')];
  return fetchRun({ store, runId: 'r1', outDir, referenceRoot, withLock: (_db, work) => work(), ...options });
}

async function runWith(objects: Readonly<Record<string, string>>, ids: readonly string[] = IDS): Promise<ObjectStore> {
  const store = createMemoryStore();
  await putRun(
    store,
    manifestOf(IDS),
    ids.map((id) => row(id)),
  );
  for (const [path, text] of Object.entries(objects)) await store.create(`runs/r1/${path}`, Buffer.from(text));
  return store;
}

/** A store that lists `names` too, objects of one byte that no store of ours would take. */
function listing(store: ObjectStore, names: readonly string[]): ObjectStore {
  return new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (key !== 'list') return typeof value === 'function' ? value.bind(target) : value;
      return async (prefix: string, options: object) => {
        const page = await target.list(prefix, options);
        const odd = names.map((name): ObjectInfo => ({ name, generation: '1', sizeBytes: 1, updatedMs: 1 }));
        return { ...page, objects: [...odd, ...page.objects] };
      };
    },
  });
}

async function evalOf(result: FetchResult): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(result.paths.evalJson, 'utf8')) as Record<string, unknown>;
}

describe('a row that cannot be used', () => {
  test.each([
    ['cut in the middle', '{"instance_id": "shop_2", "err'],
    ['empty', ''],
    ['a list', '[1, 2]'],
    ['null', 'null'],
    ['of another id', JSON.stringify(row('shop_1'))],
    ['without an id', '{"database": "shop"}'],
    ['no UTF-8', Buffer.from([0xff, 0xfe, 0x00]).toString('latin1')],
  ])(
    '%s: its id counts as missing, it is named in eval.json and to the person, and the rest goes on (C-01, V-11)',
    async (_what, text) => {
      await using temp = await tempDir();
      const store = await runWith({ 'rows/shop_2/attempt-1.json': text }, ['shop_1', 'zoo_1']);
      const result = await fetchTo(temp.dir, store);
      expect(result).toMatchObject({ counts: { done: 2, missing: 1 }, exitKind: 'partial' });
      expect(await evalOf(result)).toMatchObject({
        missing: 1,
        missing_ids: ['shop_2'],
        unreadable_rows: [{ path: 'shop_2/attempt-1.json' }],
      });
      expect(fetchLines(result, false)).toContainEqual(
        expect.stringMatching(/^unreadable rows\/shop_2\/attempt-1\.json: ./),
      );
      expect(queryResults(result.paths.resultsDb, 'SELECT instance_id FROM task_results')).toHaveLength(2);
      // The bytes are not lost: they lie in the mirror as they came.
      expect(await readFile(join(result.paths.mirror, 'rows/shop_2/attempt-1.json'), 'utf8')).toBe(text);
    },
  );

  test('as the highest attempt hides the earlier success: the id is to be run again (C-01)', async () => {
    await using temp = await tempDir();
    const store = await runWith({ 'rows/shop_2/attempt-2.json': '{"instance_id"' });
    expect(await fetchTo(temp.dir, store)).toMatchObject({
      counts: { done: 2, missing: 1 },
      unreadableRows: [{ path: 'shop_2/attempt-2.json' }],
    });
  });
});

test('files among the rows that no attempt is called like are named and are no rows (B-02)', async () => {
  await using temp = await tempDir();
  const strays = ['attempt-1e3.json', 'attempt--1.json', 'attempt-01.json', 'attempt-0.json', 'attempt-9.9.json'];
  const objects = Object.fromEntries(
    strays.map((name) => [`rows/shop_1/${name}`, JSON.stringify(row('shop_1', { error: 'no' }))]),
  );
  const store = await runWith({ ...objects, 'rows/shop_1/partial_transcript.jsonl': '{}\n', 'rows/loose.json': '{}' });
  const result = await fetchTo(temp.dir, store);
  expect(result).toMatchObject({ exitKind: 'ok', counts: { ok: 3, errors: 0 } });
  const paths = strays.map((name) => `shop_1/${name}`).toSorted();
  expect(result.strayRows).toEqual(paths);
  expect(await evalOf(result)).toMatchObject({ stray_rows: paths, n_resubmitted: 0 });
  expect(fetchLines(result, false).filter((line) => line.includes("no attempt's name"))).toHaveLength(5);
});

test('rows of ids that nobody asked for are counted, mirrored and in no result (C-01)', async () => {
  await using temp = await tempDir();
  const stranger = JSON.stringify(row('other_1', { total_reward: 100 }));
  const store = await runWith({ 'rows/other_1/attempt-1.json': stranger, 'rows/other_2/attempt-7.json': '{' });
  const result = await fetchTo(temp.dir, store);
  expect(result).toMatchObject({ exitKind: 'ok', ignoredIds: 2, score: { totalReward: 3 } });
  expect(await evalOf(result)).toMatchObject({ ignored_ids: 2, expected: 3 });
  expect(fetchLines(result, false)).toContain("ignored rows of 2 ids that are not the run's");
  expect(queryResults(result.paths.resultsDb, "SELECT * FROM task_results WHERE instance_id LIKE 'other%'")).toEqual(
    [],
  );
});

test('object names that lead out, are too long or hold what no path may are named, one by one, and nothing is written for them (B-03, P-44)', async () => {
  await using temp = await tempDir();
  const odd = [
    'runs/r1/../../evil',
    'runs/r1/rows/../../../evil',
    'runs/r1/logs//evil',
    'runs/r1/rows/a\0b/attempt-1.json',
    'runs/r1/rows/line\nfeed/attempt-1.json',
    `runs/r1/${'x'.repeat(1025 - 'runs/r1/'.length)}`,
    'runs/r1/./evil',
    // Legal as an object, and beside objects that live in a folder of that name.
    'runs/r1/rows',
  ];
  const result = await fetchTo(temp.dir, listing(await runWith({}), odd));
  expect(result).toMatchObject({ exitKind: 'ok', counts: { done: 3 } });
  expect(result.skippedObjects.map(({ name }) => name).toSorted()).toEqual(odd.toSorted());
  for (const { name, reason } of result.skippedObjects) {
    expect(reason, JSON.stringify(name.slice(0, 40))).toMatch(/\S/);
  }
  const lines = fetchLines(result, false);
  expect(lines.filter((line) => line.startsWith('skipped '))).toHaveLength(odd.length);
  expect(lines.filter((line) => line.includes('\n') || line.includes('\0'))).toEqual([]);
  const written = Object.keys(await readTree(temp.dir));
  expect(written.filter((path) => path.includes('evil') || path.includes('xxx'))).toEqual([]);
});

test('an object that is written anew between list and read is taken as it is now (V-11)', async () => {
  await using temp = await tempDir();
  const store = await runWith({ 'status.json': '{"rows_done": 1}' });
  let beats = 1;
  const hot: ObjectStore = new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (key !== 'read') return typeof value === 'function' ? value.bind(target) : value;
      return async (name: string) => {
        const standing = await target.stat(name);
        if (name.endsWith('status.json') && standing) {
          await target.replace(name, Buffer.from(`{"rows_done": ${(beats += 1)}}`), standing.generation);
        }
        return target.read(name);
      };
    },
  });
  const result = await fetchTo(temp.dir, hot);
  expect(result).toMatchObject({ exitKind: 'ok', skippedObjects: [] });
  expect(await readFile(join(result.paths.mirror, 'status.json'), 'utf8')).toBe(`{"rows_done": ${beats}}`);
});

test('a results.db that takes nothing costs nothing else: mirror, eval.json and merge are as they would be, the exit is partial', async () => {
  await using temp = await tempDir();
  const store = await runWith({});
  await writeTree(join(temp.dir, 'built'), { ...inFolder('shop', reference('built')) }, 1_700_000_000);
  await uploadShard({ store, runId: 'r1', shard: 'h-1-0', database: 'shop', referenceRoot: join(temp.dir, 'built') });
  await writeTree(join(temp.dir, 'out'), {
    'results.db': 'a text that was put here by mistake, long enough to be read',
  });
  const result = await fetchTo(temp.dir, store);
  expect(result).toMatchObject({ exitKind: 'partial', counts: { ok: 3, missing: 0 } });
  expect(result.resultsProblem).toContain('is no SQLite file');
  expect(fetchLines(result, false)).toContainEqual(
    expect.stringMatching(/^NOT WRITTEN: .*results\.db is no SQLite file/),
  );
  expect(result.mergeReport.merged_dbs).toMatchObject([{ db: 'shop', outcome: 'updated' }]);
  expect(await evalOf(result)).toMatchObject({ done: 3 });
  expect(await readFile(join(result.paths.mirror, 'rows/zoo_1/attempt-1.json'), 'utf8')).toContain('zoo_1');
});

test('a manifest that cannot be read ends the fetch before anything is made', async () => {
  await using temp = await tempDir();
  const store = createMemoryStore();
  await store.create('runs/r1/manifest.json', Buffer.from('{"run_id": "r1", "instance_ids": ["../../etc"]}'));
  await expect(fetchTo(temp.dir, store)).rejects.toMatchObject({ code: 'CORRUPT' });
  expect(await readTree(temp.dir)).toEqual({});
});

function inFolder(folder: string, tree: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).map(([path, text]) => [`${folder}/${path}`, text]));
}
