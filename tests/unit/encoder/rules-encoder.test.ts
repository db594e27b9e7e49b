/** The encoder on a small database of its own: where entities go, what they say, and what is put off rather than guessed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { describe, expect, test } from 'vitest';

import type { KbRow } from '../../../src/dataset/task.ts';
import { SESSION_PAGES } from '../../../src/encoder/session-file.ts';
import { encoderNamed } from '../../../src/encoder/registry.ts';
import { encodeDag } from '../../../src/reference/encode-dag.ts';
import { enrich } from '../../../src/reference/enrich.ts';
import { ingest } from '../../../src/reference/ingest.ts';
import { kbGraph } from '../../../src/reference/kb-graph.ts';
import type { Model } from '../../../src/reference/model.ts';
import { sessionsIn } from '../../helpers/setup-sessions.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const SCHEMA = `
  CREATE TABLE plant (pk TEXT PRIMARY KEY, capacity REAL, opened TEXT, grade TEXT);
  CREATE TABLE tank (tk TEXT PRIMARY KEY, plantref TEXT REFERENCES plant(pk), level INTEGER, volume INTEGER, state TEXT,
    wall_temp REAL, flag INTEGER, details TEXT, code CHAR(9), reserve INTEGER);
  CREATE TABLE twin (tk TEXT PRIMARY KEY REFERENCES tank(tk), depth INTEGER);
  CREATE TABLE reading (rk INTEGER PRIMARY KEY, tankref TEXT REFERENCES tank(tk), plantat TEXT REFERENCES plant(pk),
    amount INTEGER, spill INTEGER);
  CREATE TABLE audit (ak INTEGER PRIMARY KEY, readingref INTEGER REFERENCES reading(rk), plantref TEXT REFERENCES plant(pk),
    score INTEGER);
  CREATE TABLE gauge (gk INTEGER PRIMARY KEY, gaugetank TEXT REFERENCES tank(tk), pressure REAL);
  CREATE TABLE valve (vk INTEGER PRIMARY KEY, valvetank TEXT REFERENCES tank(tk), valveplant TEXT REFERENCES plant(pk), opening REAL);
`;
const GRADES = ['Low', 'Medium', 'High'];

function fill(database: DatabaseSync, areAuditsConsistent: boolean): void {
  database.exec(`PRAGMA foreign_keys = OFF; ${SCHEMA} BEGIN;`);
  for (let at = 0; at < 6; at += 1) {
    database.prepare('INSERT INTO plant VALUES (?, ?, ?, ?)').run(`p${at}`, at * 10, `202${at}-01-05`, GRADES[at % 3]!);
  }
  for (let at = 0; at < 120; at += 1) {
    const details = JSON.stringify({ pump: { speed: at + 1 }, mode: at % 2 ? 'Auto' : 'Manual' });
    const values = [
      `t${at}`,
      `p${at % 6}`,
      at % 7,
      at % 5,
      at % 4 ? 'Full' : 'Half',
      at / 3,
      at % 2,
      details,
      at % 2 ? 'OK   ' : 'BAD  ',
    ];
    database.prepare('INSERT INTO tank VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').run(...values, at % 3 === 0 ? null : at);
    database.prepare('INSERT INTO twin VALUES (?, ?)').run(`t${at}`, at * 2);
    database.prepare('INSERT INTO gauge VALUES (?, ?, ?)').run(at, `t${at}`, at / 4);
    database.prepare('INSERT INTO valve VALUES (?, ?, ?, ?)').run(at, `t${119 - at}`, `p${(119 - at) % 6}`, at / 8);
    const tank = at % 40;
    database
      .prepare('INSERT INTO reading VALUES (?, ?, ?, ?, ?)')
      .run(at, `t${tank}`, `p${tank % 6}`, at, at % 10 === 0 ? null : at);
    const plant = areAuditsConsistent ? tank % 6 : (tank + 1) % 6;
    database.prepare('INSERT INTO audit VALUES (?, ?, ?, ?)').run(at, at, `p${plant}`, at);
  }
  database.exec('COMMIT');
}

type Item = Partial<KbRow> & { definition: string };

/** Encodes items, numbered by their place, over the small database. */
async function encode(items: readonly Item[], { areAuditsConsistent = true } = {}) {
  const dir = await temporaryFolder();
  const databasePath = join(dir, 'works.sqlite');
  const database = new DatabaseSync(databasePath);
  fill(database, areAuditsConsistent);
  const meanings = { 'works|tank|wall_temp': "Temperature of the wall (was 'WallTemperatureC')" };
  const { models: list } = enrich(ingest(database, 'works'), meanings, database);
  database.close();
  const models = new Map(list.map((model): [string, Model] => [model.name, model]));
  const rows = items.map((item, id): KbRow => ({
    id,
    knowledge: `Item ${id}`,
    description: 'about it',
    type: 'calculation_knowledge',
    children_knowledge: -1,
    ...item,
  }));
  const kb = new Map(rows.map((row) => [row.id, row]));
  const sessionsDir = join(dir, 'sessions');
  await using session = await encoderNamed('rules').open({
    database: 'works',
    databasePath,
    models,
    meanings,
    kb,
    sessionsDir,
  });
  const results = await encodeDag(rows, kbGraph(rows), session);
  const entity = (id: number) => {
    const [{ host_model: host, name, kind }] = results[id]!.entities as [(typeof results)[number]['entities'][number]];
    const model = models.get(host!)!;
    const part =
      kind === 'measure'
        ? model.measures.find((one) => one.name === name)
        : model.columns.find((one) => one.name === name);
    return { host, name, kind, text: part && ('sql' in part ? part.sql : part.formula), part };
  };
  return { results, models, entity, sessionsDir };
}

describe('the rules encoder', () => {
  test('puts a column on the model whose rows it has one value for, and reaches others by foreign keys', async () => {
    const { entity } = await encode([
      { knowledge: 'Fill Ratio (FR)', definition: String.raw`FR = \frac{level}{volume}` },
      { knowledge: 'Plant Share (PS)', definition: String.raw`PS = \frac{\text{Level}}{\text{Capacity}} \times 100\%` },
      { knowledge: 'Deep Share', definition: String.raw`Deep Share = \frac{amount}{capacity}` },
      { knowledge: 'Twin Ratio', definition: String.raw`Twin Ratio = \frac{level}{depth + 1}` },
    ]);
    expect(entity(0)).toMatchObject({ host: 'tank', name: 'fr', text: 'CAST(level AS REAL) / NULLIF(volume, 0)' });
    expect(entity(0).part).toMatchObject({ type: 'DOUBLE', meta: { kb_id: 0 } });
    expect(entity(1)).toMatchObject({ host: 'tank', text: '(CAST(level AS REAL) / NULLIF(plant.capacity, 0)) * 100' });
    expect(entity(2)).toMatchObject({
      host: 'reading',
      name: 'deep_share',
      text: 'CAST(amount AS REAL) / NULLIF(plant.capacity, 0)',
    });
    expect(entity(3)).toMatchObject({ host: 'twin', text: 'CAST(tank.level AS REAL) / NULLIF((depth + 1), 0)' });
  });

  test('names what it depends on, and says whose knowledge is in it (R-01)', async () => {
    const { entity, results } = await encode([
      { knowledge: 'Fill Ratio (FR)', definition: String.raw`FR = \frac{level}{volume}` },
      { knowledge: 'Twice Filled', definition: 'Twice Filled = Fill Ratio × 2', children_knowledge: [0] },
      {
        knowledge: 'Very Full',
        type: 'domain_knowledge',
        definition: 'A tank where Twice Filled > 1',
        children_knowledge: [1],
      },
      { knowledge: 'Stray', definition: 'Stray = FR + 1' },
    ]);
    expect(entity(1)).toMatchObject({ host: 'tank', text: 'fr * 2' });
    expect(entity(2)).toMatchObject({
      text: 'twice_filled > 1',
      part: { type: 'BOOLEAN', meta: { kb_id: 2, kb_ids: [0, 1, 2] } },
    });
    expect(results[3]).toMatchObject({ status: 'deferred', notes: expect.stringContaining('not among the item') });
  });

  test('reads JSON leaves, former names, blends of words and lists of values', async () => {
    const { entity } = await encode([
      { knowledge: 'Pump Load', definition: 'Pump Load = details.pump.speed × 2' },
      { knowledge: 'Wall Excess', definition: 'Wall Excess = |WallTemperatureC - 20|' },
      { knowledge: 'Wall Double', definition: 'Wall Double = WallTemp × 2' },
      {
        knowledge: 'Grade Points',
        definition: 'Grade Points = grade × 2, where grade is converted to numeric (Low=1, Medium=2, High=5)',
      },
      { knowledge: 'Code Score', type: 'value_illustration', definition: "'OK' = 2, 'BAD' = 1. That is all." },
    ]);
    expect(entity(0).text).toBe('details__pump__speed * 2');
    expect(entity(1).text).toBe('ABS((wall_temp - 20))');
    expect(entity(2).text).toBe('wall_temp * 2');
    expect(entity(3)).toMatchObject({ host: 'plant', text: expect.stringContaining("WHEN (grade = 'High') THEN 5") });
    expect(entity(4).text).toBe("CASE WHEN (RTRIM(code) = 'OK') THEN 2 WHEN (RTRIM(code) = 'BAD') THEN 1 END");
  });

  test('a list of values goes to the symbol that it is said of', async () => {
    const list = 'grade is converted to numeric (Low=1, Medium=2, High=5)';
    const { entity, results } = await encode([
      { knowledge: 'Mixed', definition: `Mixed = level + grade, where level is the filling and ${list}` },
      { knowledge: 'Blurred', definition: `Blurred = grade + weight, where weight is fixed and ${list}` },
      {
        knowledge: 'Twofold',
        definition: 'Twofold = state_points + grade, where others=1 for state and others=2 for grade, Low=3',
      },
    ]);
    expect(entity(0).text).toMatch(/^level \+ \(CASE WHEN \(plant\.grade = 'Low'\) THEN 1/);
    expect(results[1]).toMatchObject({
      status: 'deferred',
      clarifying_questions: [expect.stringContaining('"weight"')],
    });
    expect(results[2]!.status).toBe('deferred');
  });

  test('totals of an entity are a column of it, totals of a table a measure', async () => {
    const sum = String.raw`For a given tank R, Total Flow = \sum_{x \in \text{reading} \mid \text{tankref = R}} amount`;
    const mean = String.raw`Mean Amount = \frac{\sum_{i \in reading} amount_i}{|reading|}`;
    const { entity, models } = await encode([
      { knowledge: 'Total Flow', definition: sum },
      { knowledge: 'Mean Amount', definition: mean },
      {
        knowledge: 'Full Share',
        definition: String.raw`Full Share = \frac{|tank \text{ with } state = Full|}{|tank|} \times 100`,
      },
      { knowledge: 'Flow Per Level', definition: 'Flow Per Level = Total Flow / level', children_knowledge: [0] },
    ]);
    expect(entity(0)).toMatchObject({ host: 'tank', kind: 'column', text: expect.stringMatching(/^\(SELECT .*SUM\(/) });
    expect(entity(1)).toMatchObject({ host: 'reading', kind: 'measure', text: 'SUM(amount) * 1.0 / count(*)' });
    expect(entity(2)).toMatchObject({ host: 'tank', kind: 'measure' });
    expect(entity(3)).toMatchObject({ host: 'tank', text: 'CAST(total_flow AS REAL) / NULLIF(level, 0)' });
    expect(models.get('tank')!.measures.map(({ name }) => name)).toEqual(['full_share']);
  });

  test('puts off what it would have to guess, with a question that names the term', async () => {
    const { results, models } = await encode([
      { definition: 'Q = level × Gravity' },
      { definition: String.raw`Q = level / \log(volume)` },
      { definition: 'Q = plantref × 2' },
      { definition: 'Q = grade × 2' },
      { definition: 'Q = level × 2, where each value is normalized on a common scale' },
      { definition: 'Q = spill + depth' },
      { definition: String.raw`Q = \frac{\sum_{i \in reading} spill_i}{|reading|}` },
      { definition: 'Q = level = volume' },
      { definition: "A tank where state = 'Overflowing'", type: 'domain_knowledge' },
      { definition: 'A tank where state > 3', type: 'domain_knowledge' },
      { definition: 'Q = tk + 1' },
      { definition: 'Q = level × 0 / (level - level)' },
      { definition: 'Low values are good.', type: 'value_illustration' },
    ]);
    expect(results.map(({ status }) => status).filter((status) => status !== 'deferred')).toEqual(['encoded']);
    expect(results[5]!.status).toBe('encoded');
    const question = (id: number): string => results[id]!.clarifying_questions.join(' ');
    expect(question(0)).toContain('"Gravity"');
    expect(question(1)).toMatch(/"log".*base.*log10/s);
    expect(question(2)).toContain('audit.plantref, tank.plantref');
    expect(question(3)).toMatch(/"grade".*texts.*Low/s);
    expect(question(4)).toContain('normalized on');
    expect(question(6)).toContain('no value');
    expect(question(7)).toContain('Which side');
    expect(question(8)).toMatch(/'Overflowing'.*Full/s);
    expect(results[11]!.notes).toContain('NULL on each');
    expect(models.get('tank')!.columns.filter(({ meta }) => meta?.['kb_id'] !== undefined)).toEqual([]);
  });

  test('ways that lead rows to different places are asked about; ways that agree are taken', async () => {
    const near = { definition: 'Q = score × level' };
    expect((await encode([near])).entity(0)).toMatchObject({ host: 'audit', text: 'score * reading.tank.level' });
    const far = { definition: 'Q = spill × capacity' };
    expect((await encode([far])).entity(0)).toMatchObject({ host: 'reading', text: 'spill * plant.capacity' });
    const twoWays = [{ definition: 'Q = score × level × depth' }, { definition: 'Q = score × grade_points' }];
    expect((await encode(twoWays, { areAuditsConsistent: false })).results[0]!.status).toBe('encoded');
  });

  test('tables that only refer to one model meet there, if each of its rows has one row of each in the data', async () => {
    const { entity, results } = await encode([
      { knowledge: 'Strain', definition: 'Strain = pressure - opening' },
      { knowledge: 'Flow Strain', definition: 'Flow Strain = amount × pressure' },
      { knowledge: 'Strain Share', definition: 'Strain Share = Strain / capacity', children_knowledge: [0] },
      { knowledge: 'Spilt Strain', definition: 'Spilt Strain = Strain × spill', children_knowledge: [0] },
    ]);
    const lookup = (column: string, table: string, key: string): string =>
      `(SELECT of_all.total FROM (SELECT r."${key}" AS id, MAX(r."${column}") AS total FROM "${table}" AS r GROUP BY r."${key}") AS of_all WHERE of_all.id = tank."tk")`;
    expect(entity(0)).toMatchObject({
      host: 'tank',
      text: `${lookup('pressure', 'gauge', 'gaugetank')} - ${lookup('opening', 'valve', 'valvetank')}`,
    });
    expect(results[1]).toMatchObject({ status: 'deferred', notes: expect.stringContaining('one row of each') });
    expect(entity(2)).toMatchObject({ host: 'tank', text: 'CAST(strain AS REAL) / NULLIF(plant.capacity, 0)' });
    expect(results[3]!.status).toBe('deferred');
  });

  test('days between a date and today are counted', async () => {
    const { entity } = await encode([
      { knowledge: 'Plant Age', definition: 'Plant Age = (Current_Date - opened) / 365.25' },
    ]);
    expect(entity(0)).toMatchObject({ host: 'plant', text: '(JULIANDAY(CURRENT_DATE) - JULIANDAY(opened)) / 365.25' });
  });

  test('no two items get one name, and none takes that of a column or a model', async () => {
    const { entity } = await encode([
      { knowledge: 'Fill Ratio (FR)', definition: String.raw`FR = \frac{level}{volume}` },
      { knowledge: 'Flow Rate (FR)', definition: 'FR = level × 2' },
      { knowledge: 'Level', definition: 'Level = volume × 2' },
      { knowledge: 'Order', definition: 'Order = volume × 3' },
      { knowledge: 'Reading', definition: 'Reading = volume × 4' },
    ]);
    expect([0, 1, 2, 3, 4].map((id) => entity(id).name)).toEqual(['fr', 'fr_kb1', 'level_kb2', 'kb_3', 'reading_kb4']);
  });

  test('a condition keeps what is unknown unknown, labels have their order', async () => {
    const { entity } = await encode([
      { knowledge: 'Spare', type: 'domain_knowledge', definition: "A tank where reserve > 10 and state = 'Full'" },
      {
        knowledge: 'Band',
        type: 'domain_knowledge',
        definition: "Categorized as 'Low' if reserve < 25 and 'High' otherwise.",
      },
    ]);
    expect(entity(0)).toMatchObject({ text: "(reserve > 10) AND (state = 'Full')", part: { type: 'BOOLEAN' } });
    expect(entity(1)).toMatchObject({
      text: "CASE WHEN (reserve < 25) THEN 'Low' WHEN reserve IS NULL THEN NULL ELSE 'High' END",
      part: { type: 'TEXT' },
    });
  });

  test('leaves a session of each item for people and machines (R-05)', async () => {
    const { sessionsDir } = await encode([
      { knowledge: 'Fill Ratio (FR)', definition: String.raw`FR = \frac{level}{volume}` },
      { definition: 'Q = Gravity' },
    ]);
    const good = sessionsIn(sessionsDir).get(0)!;
    expect(good).toMatchObject({
      kb_id: 0,
      host: 'tank',
      readings: [{ term: 'level' }, { term: 'volume' }],
      result: { status: 'encoded' },
    });
    expect(good.executed.sql).toContain('FROM "tank"');
    expect(await readFile(join(sessionsDir, SESSION_PAGES), 'utf8')).toMatch(/^# KB 1 [^]*^## Questions$/m);
  });

  test('an unknown encoder is named with the legal ones', () => {
    expect(() => encoderNamed('rule')).toThrow(/--encoder: "rule" is none of rules; did you mean rules\?/);
  });
});
