/** Introspection by the rules; that the bytes are the real tool's is for `tests/slayer/ingest.test.ts` to say. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { columnKind } from '../../../src/reference/declared-type.ts';
import { ingest } from '../../../src/reference/ingest.ts';
import { isPythonFloat } from '../../../src/reference/integer-probe.ts';
import { parseModel, renderModel } from '../../../src/reference/model-file.ts';
import type { Join, Model } from '../../../src/reference/model.ts';
import { fromYaml, toYaml } from '../../../src/reference/yaml-text.ts';
import { makeOddDatabase, PROBES } from '../../helpers/odd-database.ts';

describe('a database with every type, key, join and deceit', () => {
  let dir: string;
  let models: Map<string, Model>;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skein-odd-'));
    makeOddDatabase(join(dir, 'odd.sqlite'));
    using database = new DatabaseSync(join(dir, 'odd.sqlite'), { readOnly: true });
    models = new Map(ingest(database, 'odd').map((model) => [model.name, model]));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const joins = (model: string): Join[] => models.get(model)!.joins;
  const typeOf = (model: string, column: string): string =>
    models.get(model)!.columns.find(({ name }) => name === column)!.type;

  test('gives one model a table or view, sorted by name (D-03)', () => {
    expect([...models.keys()]).toEqual([...models.keys()].sort());
    expect(models.get('some_view')).toMatchObject({ source_kind: 'view', joins: [], hidden: false });
    expect(models.get('parent')).toMatchObject({ source_kind: 'table', sql_table: 'parent', data_source: 'odd' });
  });

  test('hides the tables of migration and load tools', () => {
    expect(models.get('alembic_version')).toMatchObject({ hidden: true, meta: { internal_table: 'alembic' } });
    expect(models.get('_dlt_loads')).toMatchObject({ hidden: true, meta: { internal_table: 'dlt' } });
  });

  test('believes a whole-number column only as far as its values bear it out', () => {
    for (const [index, [values, type]] of PROBES.entries()) {
      expect(`${typeOf('probes', `p${index}`)} for ${String(values)}`).toBe(`${type} for ${String(values)}`);
    }
    expect(typeOf('many_texts', 'v')).toBe('TEXT');
  });

  test('marks every member of a key, and as unique only what alone is unique over all rows', () => {
    const marks = (model: string, mark: 'primary_key' | 'unique'): string[] =>
      models
        .get(model)!
        .columns.filter((column) => column[mark])
        .map(({ name }) => name);
    expect(marks('pair', 'primary_key')).toEqual(['a', 'b']);
    expect(marks('parent', 'unique')).toEqual(['code', 'label']);
    expect(marks('no_rowid', 'unique')).toEqual(['v']);
  });

  test('joins by foreign key: clauses in their order, then inline ones; several to one model have names', () => {
    expect(joins('child')).toEqual([
      {
        target_model: 'pair',
        join_pairs: [
          ['pa', 'a'],
          ['pb', 'b'],
        ],
        join_type: 'left',
        cardinality: 'many_to_one',
      },
      {
        target_model: 'parent',
        join_pairs: [['code', 'code']],
        join_type: 'left',
        cardinality: 'many_to_one',
        name: 'code',
      },
      { target_model: 'parent', join_pairs: [['half', 'half']], join_type: 'left', name: 'half' },
      {
        target_model: 'parent',
        join_pairs: [['second_fk', 'id']],
        join_type: 'left',
        cardinality: 'many_to_one',
        name: 'second',
      },
      {
        target_model: 'parent',
        join_pairs: [['first_id', 'id']],
        join_type: 'left',
        cardinality: 'many_to_one',
        name: 'first',
      },
    ]);
  });

  test('takes the primary key where a foreign key names no column, and is one to one where both sides are keys', () => {
    expect(joins('implied_fk')).toContainEqual({
      target_model: 'parent',
      join_pairs: [['k', 'id']],
      join_type: 'left',
      cardinality: 'one_to_one',
    });
  });

  test('keeps one of two foreign keys that are each other backwards', () => {
    expect([...joins('ping'), ...joins('pong')]).toHaveLength(1);
  });

  test('leaves out columns with a dot, and renames one that would hide the count of rows', () => {
    const columns = models.get('Mixed Case')!.columns;
    expect(columns.map(({ name }) => name)).not.toContain('do.t');
    expect(columns.find(({ sql }) => sql === '_count')?.name).toBe('count_col');
  });

  test('reads its own files back as they were', () => {
    for (const model of models.values()) {
      const text = renderModel(model);
      expect(parseModel('file', text)).toEqual(model);
      expect(renderModel(parseModel('file', text))).toBe(text);
    }
  });
});

describe('a declared type', () => {
  test.each([
    ['integer(64)', { type: 'INT' }],
    ['POINT', { type: 'INT' }],
    ['nvarchar(9)', { type: 'TEXT' }],
    ['', { type: 'TEXT' }],
    ['double precision', { type: 'DOUBLE' }],
    ['real(10,2)', { type: 'DOUBLE' }],
    ['json', { type: 'UNKNOWN', dbType: 'JSON' }],
    ['numeric', { type: 'DOUBLE', dbType: 'NUMERIC' }],
    ['decimal(9, 2)', { type: 'DOUBLE', dbType: 'DECIMAL(9, 2)' }],
    ['decimal(9,0)', { type: 'INT', dbType: 'DECIMAL(9, 0)' }],
    ['decimal (9,2)', { type: 'DOUBLE', dbType: 'NUMERIC(9, 2)' }],
    ['money', { type: 'DOUBLE', dbType: 'NUMERIC' }],
    ['constructor', { type: 'DOUBLE', dbType: 'NUMERIC' }],
    ['time', { type: 'TIMESTAMP' }],
  ])('%s is what the tool makes of it', (declared, kind) => {
    expect(columnKind(declared)).toEqual(kind);
  });
});

test("a text is a number as Python's float() sees it", () => {
  for (const text of ['1', ' 1 ', '1_000', '1e3', '+.5', '1.', '-0', '\u00a01', '\x1c1', '٣'])
    expect(`${text} ${isPythonFloat(text)}`).toBe(`${text} true`);
  for (const text of ['', ' ', '0x10', 'nan', 'inf', '1e999', '1__0', '_1', '1_', '1,5', '1e', '.', '\ufeff1']) {
    expect(`${text} ${isPythonFloat(text)}`).toBe(`${text} false`);
  }
});

describe('YAML', () => {
  test('is written as PyYAML writes it, bare where a YAML 1.1 reader takes it for a text', () => {
    expect(
      toYaml({
        a: 'plain text',
        b: 'yes',
        c: '0777',
        d: 'y',
        e: "it's",
        f: 'a: b',
        g: 'é\n',
        h: '',
        i: [],
        j: {},
        k: [['x']],
        l: undefined,
        m: null,
        n: 1e21,
      }),
    ).toBe(
      "a: plain text\nb: 'yes'\nc: '0777'\nd: y\ne: it's\nf: 'a: b'\ng: \"\\xE9\\n\"\nh: ''\ni: []\nj: {}\nk:\n- - x\nm: null\nn: 1.0e+21\n",
    );
  });

  test('is read as PyYAML reads it', () => {
    const text =
      'a: y\nb: yes\nc: 0777\nd: 1e3\ne: 1.0e+3\nf: 1_000\ng: 12:30:45\nh: ~\ni: 0x1F\nj: 08\nk: 2024-01-05\nk: later\nl:\n';
    expect(fromYaml('f', text)).toEqual({
      a: 'y',
      b: true,
      c: 511,
      d: '1e3',
      e: 1000,
      f: 1000,
      g: 45_045,
      h: null,
      i: 31,
      j: '08',
      k: 'later',
      l: null,
    });
  });

  test('that is none is refused with its name', () => {
    expect(() => fromYaml('models/x.yaml', 'a: [')).toThrow(/^models\/x\.yaml is no YAML: /);
    expect(() =>
      parseModel('models/x.yaml', 'version: 15\nname: x\ndata_source: d\ncolumns:\n- {name: a, type: VARCHAR}\n'),
    ).toThrow(/^models\/x\.yaml is no model of schema 15: columns\.0\.type: /);
  });
});
