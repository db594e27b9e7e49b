/** The stage-1 cache: what it holds, when it is built anew, and what builders do to each other. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { openDataset } from '../../../src/dataset/dataset.ts';
import type { KbRow } from '../../../src/dataset/task.ts';
import { CacheBuilder } from '../../../src/reference/cache-actor.ts';
import {
  absoluteUrl,
  databaseFileOf,
  datasourceFor,
  parseDatasource,
  portableUrl,
} from '../../../src/reference/datasource-file.ts';
import { enrich } from '../../../src/reference/enrich.ts';
import { ingest } from '../../../src/reference/ingest.ts';
import { memoriesFor, parseMemories, renderMemories } from '../../../src/reference/memory-file.ts';
import { parseModel, renderModel } from '../../../src/reference/model-file.ts';
import { cacheFingerprint, ensureCache, isCacheFresh } from '../../../src/reference/stage1.ts';

const SHIPPED = new URL('../../../examples/mini-interact', import.meta.url).pathname;

let root: string;
let cacheRoot: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skein-stage1-'));
  cacheRoot = join(root, 'cache');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const shipped = { dir: SHIPPED };
async function copyOfExamples(name = 'data'): Promise<{ dir: string }> {
  const dir = join(root, name);
  await cp(SHIPPED, dir, { recursive: true });
  return { dir };
}

/** Every file below `dir` with its content. */
async function tree(dir: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files[path.slice(dir.length + 1)] = await readFile(path, 'utf8');
  }
  return files;
}

describe('a cache', () => {
  test('holds the datasource, the models, the memories, the KB rows and the marker (D-02, D-03, D-04, D-06, D-07, N-08)', async () => {
    const { dir, fingerprint, wasBuilt, notes } = await ensureCache({
      dataset: shipped,
      database: 'ferries',
      cacheRoot,
    });
    expect(wasBuilt).toBe(true);
    expect(notes).toEqual({
      modelCount: 6,
      columnCount: 36,
      leafCount: 7,
      unmatchedMeanings: ['ferries|ports|harbourmaster'],
      undescribed: [],
      unknownChildren: [],
    });
    const files = await tree(dir);
    expect(Object.keys(files).sort()).toEqual([
      '_cache_fp.txt',
      '_kb_rows.json',
      'datasources/ferries.yaml',
      'memories.yaml',
      ...['certificates', 'fares', 'ports', 'routes', 'sailings', 'vessels'].map(
        (name) => `models/ferries/${name}.yaml`,
      ),
    ]);
    expect(files['_cache_fp.txt']).toBe(`${fingerprint}\n`);
    expect(fingerprint).toMatch(/^[0-9a-f]{16}$/);
    expect(parseDatasource('d', files['datasources/ferries.yaml']!).connection_string).toBe(
      `sqlite:///${SHIPPED}/ferries/ferries.sqlite`,
    );
    expect(JSON.parse(files['_kb_rows.json']!)).toEqual(await (await openDataset(SHIPPED)).kb('ferries'));
    expect(parseMemories('m', files['memories.yaml']!)).toHaveLength(20);
    expect(await readdir(cacheRoot)).toEqual(['ferries']);
  });

  test('is reused while its inputs stay the same, and built anew when one of them changes (D-09, P-13)', async () => {
    const dataset = await copyOfExamples();
    const request = { dataset, database: 'beehives', cacheRoot };
    const first = await ensureCache(request);
    expect(await ensureCache(request)).toEqual({ dir: first.dir, fingerprint: first.fingerprint, wasBuilt: false });

    const seen = new Set([first.fingerprint]);
    const changes: readonly (() => Promise<void>)[] = [
      () => writeFile(join(dataset.dir, 'beehives', 'beehives_kb.jsonl'), '{"id": 0, "knowledge": "K"}\n'),
      () => writeFile(join(dataset.dir, 'beehives', 'beehives_column_meaning_base.json'), '{}'),
      async () => {
        using database = new DatabaseSync(join(dataset.dir, 'beehives', 'beehives.sqlite'));
        database.exec('UPDATE hives SET queenage = queenage + 1');
      },
    ];
    for (const change of changes) {
      await change();
      expect(await isCacheFresh(request)).toBe(false);
      const { fingerprint, wasBuilt } = await ensureCache(request);
      expect(wasBuilt).toBe(true);
      expect(await isCacheFresh(request)).toBe(true);
      seen.add(fingerprint);
    }
    expect(seen.size).toBe(4);
  });

  test('has a fingerprint of content only: neither the place of the dataset nor the times of its files count (D-08, P-12)', async () => {
    const dataset = await copyOfExamples('elsewhere');
    await utimes(join(dataset.dir, 'ferries', 'ferries.sqlite'), 1, 1);
    const here = await ensureCache({ dataset: shipped, database: 'ferries', cacheRoot });
    const there = await ensureCache({ dataset, database: 'ferries', cacheRoot: join(root, 'other') });
    expect(there.fingerprint).toBe(here.fingerprint);
    const [a, b] = await Promise.all([tree(here.dir), tree(there.dir)]);
    delete a['datasources/ferries.yaml'];
    delete b['datasources/ferries.yaml'];
    expect(b).toEqual(a);
  });

  test('tells two databases with the same content apart', async () => {
    const dataset = await copyOfExamples();
    await mkdir(join(dataset.dir, 'twin'));
    for (const ending of ['.sqlite', '_kb.jsonl', '_column_meaning_base.json']) {
      await cp(join(SHIPPED, 'ferries', `ferries${ending}`), join(dataset.dir, 'twin', `twin${ending}`));
    }
    const [one, two] = await Promise.all(
      ['ferries', 'twin'].map((database) => ensureCache({ dataset, database, cacheRoot })),
    );
    expect(two!.fingerprint).not.toBe(one!.fingerprint);
  });

  test('is built anew when that is asked for, and then holds the same (D-12)', async () => {
    const request = { dataset: shipped, database: 'glassworks', cacheRoot };
    const before = await tree((await ensureCache(request)).dir);
    expect(
      (await new CacheBuilder().build({ datasetDir: SHIPPED, database: 'glassworks', cacheRoot, force: true }))
        .wasBuilt,
    ).toBe(true);
    expect(await tree(join(cacheRoot, 'glassworks'))).toEqual(before);
    expect((await readdir(cacheRoot)).sort()).toEqual(['.stage1.lock', 'glassworks']);
  });

  test('without marker is scrap: whatever lies in its place is taken away (D-10)', async () => {
    const dir = join(cacheRoot, 'ferries');
    await mkdir(join(dir, 'old-layout'), { recursive: true });
    await writeFile(join(dir, 'old-layout', '_cache_fp.txt'), 'x');
    expect(await cacheFingerprint(dir)).toBeUndefined();
    expect((await ensureCache({ dataset: shipped, database: 'ferries', cacheRoot })).wasBuilt).toBe(true);
    expect(Object.keys(await tree(dir))).not.toContain('old-layout/_cache_fp.txt');
  });

  test('is built by several at once and committed by one of them (D-10, D-11)', async () => {
    const request = { dataset: shipped, database: 'ferries', cacheRoot };
    const caches = await Promise.all(Array.from({ length: 6 }, () => ensureCache(request)));
    expect(new Set(caches.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    expect(caches.filter(({ wasBuilt }) => wasBuilt)).toHaveLength(1);
    expect(await readdir(cacheRoot)).toEqual(['ferries']);
  });

  test('is not made of bad input, and nothing else is made either (D-01)', async () => {
    const dataset = await copyOfExamples();
    await writeFile(join(dataset.dir, 'ferries', 'ferries_kb.jsonl'), '{');
    await writeFile(join(dataset.dir, 'beehives', 'beehives.sqlite'), Buffer.alloc(100));
    await rm(join(dataset.dir, 'glassworks', 'glassworks_column_meaning_base.json'));
    const refused = (database: string): Promise<unknown> =>
      ensureCache({ dataset, database, cacheRoot }).catch((error: unknown) => error);
    expect(await refused('ferries')).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('ferries_kb.jsonl line 1'),
    });
    expect(await refused('beehives')).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('no SQLite file'),
    });
    expect(await refused('glassworks')).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('there is no such file'),
    });
    expect(await refused('../x')).toMatchObject({ code: 'INVALID_INPUT' });
    expect(await readdir(root)).toEqual(['data']);
  });

  test('is not made of a database that SQLite cannot read, and leaves no temporary folder', async () => {
    const dataset = await copyOfExamples();
    const path = join(dataset.dir, 'beehives', 'beehives.sqlite');
    await writeFile(path, (await readFile(path)).fill(0x55, 4096));
    await expect(ensureCache({ dataset, database: 'beehives', cacheRoot })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('SQLite cannot read it'),
    });
    expect(await readdir(cacheRoot)).toEqual([]);
  });

  test('of a builder that died is swept by the next one; that of a living one is not (N-12)', async () => {
    const dead = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
    await once(dead, 'exit');
    const names = [`.ferries.tmp-${dead.pid}-aa`, `.ferries.tmp-${process.ppid}-bb`, `.beehives.tmp-${dead.pid}-cc`];
    for (const name of names) await mkdir(join(cacheRoot, name, 'models'), { recursive: true });
    await ensureCache({ dataset: shipped, database: 'ferries', cacheRoot });
    expect(new Set(await readdir(cacheRoot))).toEqual(new Set([names[2], names[1], 'ferries']));
  });
});

describe('enriched models', () => {
  async function modelsOf(database: string): Promise<Map<string, ReturnType<typeof parseModel>>> {
    const { dir } = await ensureCache({ dataset: shipped, database, cacheRoot });
    const folder = join(dir, 'models', database);
    const names = await readdir(folder);
    return new Map(
      await Promise.all(
        names.map(
          async (name) =>
            [name.replace('.yaml', ''), parseModel(name, await readFile(join(folder, name), 'utf8'))] as const,
        ),
      ),
    );
  }

  test('have the ingested columns, keys and joins unchanged and in their places', async () => {
    const dataset = await openDataset(SHIPPED);
    for (const name of dataset.databases) {
      const path = join(root, `${name}.sqlite`);
      await dataset.copyDatabase(name, path);
      using database = new DatabaseSync(path, { readOnly: true });
      const before = ingest(database, name);
      const after = await modelsOf(name);
      for (const model of before) {
        const { columns, ...rest } = after.get(model.name)!;
        const bare = columns.filter((column) => column.meta?.['derived_from'] === undefined);
        for (const column of bare) {
          delete column.description;
          delete column.meta;
        }
        expect(renderModel({ ...rest, columns: bare })).toBe(renderModel(model));
        expect(columns.slice(0, bare.length)).toEqual(bare);
      }
    }
  });

  test('describe columns whatever the case of the meanings, and JSON leaves level by level (D-03)', async () => {
    const hives = (await modelsOf('beehives')).get('hives')!;
    const column = (name: string): object => hives.columns.find((each) => each.name === name)!;
    expect(column('hivetag')).toMatchObject({ description: 'Primary key: the tag nailed to the hive. Ex. HV001' });
    expect(column('hivebuild')).toMatchObject({ type: 'TEXT', meta: { jsonb: true } });
    expect(column('hivebuild__insulation__Wall_Mm')).toEqual({
      name: 'hivebuild__insulation__Wall_Mm',
      sql: "JSON_EXTRACT(hivebuild, '$.insulation.Wall_Mm')",
      type: 'DOUBLE',
      primary_key: false,
      unique: false,
      description: 'Thickness of the walls in millimetres.',
      hidden: false,
      format: { type: 'float' },
      meta: { derived_from: 'hivebuild', json_path: '$.insulation.Wall_Mm' },
    });
  });

  test('judge the type of a leaf by all of its values (D-03)', () => {
    using database = new DatabaseSync(':memory:');
    database.exec('CREATE TABLE t (a TEXT, "A b" TEXT, broken TEXT, j JSON, text TEXT, empty TEXT, "a__i" INTEGER)');
    const row = database.prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)');
    const values = [
      '{"i": 1, "d": 1, "s": "1", "z": "007", "m": 1, "n": null, "b": true, "l": [1], "o": {"x y": 1, "q\\"t": 2, "1st": 3}, "r": 3.0, "e": {}}',
      '{"i": 2, "d": 1.5, "s": "2.5", "z": "008", "m": "one", "n": null, "b": false, "l": [], "o": {"x y": null}, "r": 4, "O": 5}',
    ];
    for (const value of values) row.run(value, value, `${value}`, '{"k": 1}', 'x', null, 1);
    row.run(null, null, 'no json', null, null, null, null);
    const [model] = enrich(ingest(database, 'd'), {}, database).models;
    const leaves = model!.columns.slice(7);
    const types = Object.fromEntries(
      leaves.filter(({ meta }) => meta?.['derived_from'] === 'a').map(({ name, type }) => [name, type]),
    );
    expect(types).toEqual({
      a__i_2: 'INT',
      a__d: 'DOUBLE',
      a__s: 'DOUBLE',
      a__z: 'TEXT',
      a__m: 'TEXT',
      a__n: 'TEXT',
      a__b: 'BOOLEAN',
      a__l: 'TEXT',
      a__o__x_y: 'INT',
      a__o__q_t: 'INT',
      a__o___1st: 'INT',
      a__r: 'DOUBLE',
      a__O: 'INT',
    });
    expect(new Set(leaves.map(({ meta }) => meta?.['derived_from']))).toEqual(new Set(['a', 'A b', 'j']));
    expect(leaves.find(({ name }) => name === 'a__l')?.meta).toEqual({
      derived_from: 'a',
      json_path: '$.l',
      json_list: true,
    });
    expect(model!.columns.find(({ name }) => name === 'j')).toMatchObject({ type: 'UNKNOWN', meta: { jsonb: true } });
    // Every expression is answered by SQLite, odd keys too.
    for (const { sql } of leaves) database.prepare(`SELECT ${sql} FROM t`).all();
    expect(
      database.prepare(`SELECT ${leaves.find(({ name }) => name === 'a__o__x_y')!.sql} AS v FROM t LIMIT 1`).get(),
    ).toEqual({ v: 1 });
  });

  test('gain nothing when they are enriched again (D-03)', () => {
    using database = new DatabaseSync(':memory:');
    database.exec(`CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('{"x": 1}')`);
    const once = enrich(
      ingest(database, 'd'),
      { 'd|T|A': { column_meaning: 'm', fields_meaning: { X: 'the x' } } },
      database,
    ).models;
    expect(once[0]!.columns[1]!.description).toBe('the x');
    expect(enrich(once, {}, database).models.map((model) => model.columns.length)).toEqual([2]);
  });
});

describe('memories', () => {
  const row = (id: number, children: KbRow['children_knowledge'], more: object = {}): KbRow => ({
    id,
    knowledge: `Item ${id}`,
    description: `about ${id}`,
    definition: 'X = \\frac{a}{b} – ≥ 2²',
    type: 'calculation_knowledge',
    children_knowledge: children,
    ...more,
  });

  test('are the same bytes every time, and tell title, source and the row as it stands (D-04, T-01)', () => {
    const rows = [row(3, [1, 2]), row(1, -1), row(2, 1, { extra: [1] })];
    const memories = memoriesFor('db', rows);
    expect(memories.map(({ id }) => id)).toEqual(['db_kb_3', 'db_kb_1', 'db_kb_2']);
    expect(memories[0]).toMatchObject({
      version: 1,
      description: 'about 3',
      entities: ['db', 'memory:db_kb_1', 'memory:db_kb_2'],
      query: null,
      created_at: '1970-01-01T00:00:00Z',
    });
    expect(memories[0]!.learning).toMatch(/^KB 3 — Item 3\n\nFrom db_kb\.jsonl:\n\{/);
    expect(memories[2]!.learning).toContain('"extra"');
    const text = renderMemories(memories);
    expect(text).toMatch(/^[\x20-\x7e\n]*$/);
    expect(renderMemories(parseMemories('m', text))).toBe(text);
    expect(parseMemories('m', text)).toEqual(memories);
  });

  test('leave out what is deleted without a word, and unknown children with one (T-01)', () => {
    const unknown: string[] = [];
    const memories = memoriesFor('db', [row(0, [1, 2, 9]), row(1, null), row(2, null)], {
      deleted: [1],
      onUnknownChild: (id, child) => unknown.push(`${id}:${child}`),
    });
    expect(memories.map(({ id, entities }) => [id, entities])).toEqual([
      ['db_kb_0', ['db', 'memory:db_kb_2']],
      ['db_kb_2', ['db']],
    ]);
    expect(unknown).toEqual(['0:9']);
  });

  test('have a description of at most 500 characters', () => {
    const [memory] = memoriesFor('db', [row(0, null, { description: '😀'.repeat(600) })]);
    expect(Array.from(memory!.description)).toHaveLength(500);
  });
});

test('a datasource is re-anchored in the dataset of the machine that uses it (D-02, T-02)', () => {
  expect(databaseFileOf(datasourceFor('a', absoluteUrl('/far/away/a.sqlite')), '/here')).toBe('/here/a/a.sqlite');
  expect(databaseFileOf(datasourceFor('a', portableUrl('a')), '/here')).toBe('/here/a/a.sqlite');
  expect(() => databaseFileOf(datasourceFor('a', 'postgres://x'), '/here')).toThrow('is no URL of an SQLite file');
});

test('builders that meet at a stale cache end with one whole cache of the new inputs, and none is taken away again (D-10)', async () => {
  const dataset = await copyOfExamples();
  const request = { dataset, database: 'ferries', cacheRoot };
  for (let round = 0; round < 3; round += 1) {
    await writeFile(join(dataset.dir, 'ferries', 'ferries_kb.jsonl'), `{"id": ${round}, "knowledge": "K"}\n`);
    const caches = await Promise.all(Array.from({ length: 5 }, () => ensureCache(request)));
    expect(caches.filter(({ wasBuilt }) => wasBuilt)).toHaveLength(1);
    expect(await cacheFingerprint(join(cacheRoot, 'ferries'))).toBe(caches[0]!.fingerprint);
    expect((await readdir(cacheRoot)).filter((name) => name !== '.stage1.lock')).toEqual(['ferries']);
  }
});
