/** The rules on the real dataset: how much is encoded, and that it is right by a second, independent calculation. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openDataset } from '../../../src/dataset/dataset.ts';
import { realDataset } from '../../helpers/real-data.ts';
import { sessionsIn } from '../../helpers/setup-sessions.ts';
import { encodeDatabase, type EncodedDatabase } from './encode-database.ts';
import { calculate } from './independent-formula.ts';
import { NotCovered, Rows } from './rows-in-memory.ts';

const real = realDataset();
const SAMPLE = 60;
const TOLERANCE = 1e-9;
/** Names that no column has letter for letter: what a person takes them for who reads definition and column meanings. */
const READ: Readonly<Record<string, Record<string, string>>> = {
  alien: { M_factor: 'ModType' },
  credit: { Delta_recentbeh: 'recentbeh' },
  disaster: {
    commengage_numeric: 'commengagelvl',
    communication_factor: 'impactMetrics.communication',
    coordeffect_factor: 'coordeffectlvl',
    coordeffect_numeric: 'coordeffectlvl',
    infosharing_numeric: 'infosharingstate',
    lastmile_factor: 'lastmilestatus',
    ppe_factor: 'ppe_status',
    respphase_numeric: 'respphase',
  },
  insider: { AlertLevelMultiplier: 'alertlvl' },
  news: { statusWeight: 'substatus' },
  solar: { PowerRatedW: 'powratew', SoilingLossPct: 'soillosspct' },
};

/** Definitions in words, or with a list in another item, as a person would write them down. */
const WRITTEN: Readonly<Record<string, string>> = {
  'disaster 53': 'P = \\frac{storeavailm3}{storecapm3} \\times 100',
  'households 11': 'D = residentcount / Room_Count',
  'households 15': 'R = Bath_Count / residentcount',
  'households 17': 'C = 2 * Room_Count + Bath_Count',
  'households 44':
    "S = \\begin{cases} 4 & \\text{if Dwelling_Class = 'Brickwork house'} \\\\ 3 & \\text{if Dwelling_Class = 'Apartment'} \\\\ 1 & \\text{otherwise} \\end{cases}",
  'museum 4':
    'D = \\frac{36 * (10 - LightSensitivity) * (10 - TempSensitivity) * (10 - HumiditySensitivity)}{1000}, where of LightSensitivity, TempSensitivity, HumiditySensitivity: Low=1, Medium=5, High=10',
};

type Mean = (table: string, value: (row: Record<string, any>) => number) => number;
const inList = (list: readonly string[], value: string): number => (list.includes(value) ? 1 : 0);
/** Measures, written down by a person: points by place in a list, means over all rows of a table. */
const MEASURES: Readonly<Record<string, (mean: Mean) => number>> = {
  'mental 0': (mean) =>
    mean('assessmentsymptomsandrisk', (row) => JSON.parse(row['mental_health_scores']).depression.phq9_score),
  'mental 1': (mean) =>
    mean('assessmentsymptomsandrisk', (row) => JSON.parse(row['mental_health_scores']).anxiety.gad7_score),
  'mental 2': (mean) => mean('treatmentoutcomes', (row) => inList(['High', 'Medium'], row['txadh'])),
  'mental 3': (mean) => 100 * mean('assessmentsymptomsandrisk', (row) => inList(['High', 'Severe'], row['suicrisk'])),
  'mental 4': (mean) =>
    mean('treatmentbasics', (row) =>
      ['Non-compliant', 'Low', 'Medium', 'High'].indexOf(JSON.parse(row['therapy_details']).engagement),
    ),
  'mental 5': (mean) =>
    mean('facilities', (row) =>
      ['', 'Limited', 'Adequate', 'Comprehensive'].indexOf(
        JSON.parse(row['support_and_resources']).community_resources,
      ),
    ),
  'mental 6': (mean) =>
    mean('assessmentsocialanddiagnosis', (row) => ['', 'Mild', 'Moderate', 'Severe'].indexOf(row['funcimp'])),
  'mental 8': (mean) =>
    mean('assessmentsocialanddiagnosis', (row) => ['', 'Limited', 'Moderate', 'Strong'].indexOf(row['socsup'])) +
    mean('assessmentsocialanddiagnosis', (row) => ['Conflicted', 'Poor', 'Fair', 'Good'].indexOf(row['relqual'])),
  'mental 30': (mean) => (MEASURES['mental 0']!(mean) + MEASURES['mental 1']!(mean)) / 2,
  'mental 53': (mean) =>
    mean('treatmentoutcomes', (row) => ['', 'Minimal', 'Moderate', 'Significant'].indexOf(row['funcimpv'])) *
    MEASURES['mental 2']!(mean),
  'news 9': (mean) => mean('interactions', (row) => row['seqval']),
};

describe.skipIf(real === undefined)('the rules on the real dataset', () => {
  let dir: string;
  const encoded: EncodedDatabase[] = [];
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skein-rules-'));
    const dataset = await openDataset(real!);
    for (const database of dataset.databases) encoded.push(await encodeDatabase(dataset, database, dir));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test('at least two of five calculations end encoded', () => {
    const calculations = encoded.flatMap(({ kb, results }) =>
      results.filter(({ kb_id: id }) => kb.get(id)!.type === 'calculation_knowledge'),
    );
    const share = calculations.filter(({ status }) => status === 'encoded').length / calculations.length;
    expect(share).toBeGreaterThan(0.45);
    expect(encoded.flatMap(({ results }) => results).filter(({ status }) => status === 'error')).toEqual([]);
  });

  test('every item that is put off has a reason and a question', () => {
    const mute = encoded
      .flatMap(({ results }) => results)
      .filter((result) => {
        return result.status === 'deferred' && (result.notes === '' || result.clarifying_questions.length === 0);
      });
    expect(mute).toEqual([]);
  });

  test('every encoded calculation of a row has the values of the second reading on sampled rows', async () => {
    const wrong: string[] = [];
    const uncovered: string[] = [];
    let checked = 0;
    for (const { database, kb, results, databasePath, sessionsDir, meanings } of encoded) {
      const rows = new Rows(databasePath, meanings);
      const sessions = sessionsIn(sessionsDir);
      const sqlite = new DatabaseSync(databasePath, { readOnly: true });
      for (const { kb_id: id, status, entities } of results) {
        const definition = WRITTEN[`${database} ${id}`] ?? kb.get(id)!.definition;
        const item = { ...kb.get(id)!, definition };
        if (status !== 'encoded' || item.type !== 'calculation_knowledge' || entities[0]!.kind !== 'column') continue;
        const session = sessions.get(id)!;
        const host = entities[0]!.host_model!;
        const all = rows.tables.get(host)!;
        const values = sqlite
          .prepare(`${session.executed.sql.replace('SELECT', 'SELECT r.rowid AS at,')} ORDER BY r.rowid`)
          .all();
        const columns = Object.keys(values[0]!);
        const step = Math.max(1, Math.floor(values.length / SAMPLE));
        try {
          for (let at = 0; at < values.length; at += step) {
            const sql = values[at]![columns[1]!] as number | null;
            const own = calculate(item, { kb, rows, read: READ[database] ?? {} }, host, all[at]!) as number | null;
            const isSame =
              sql === null || own === null
                ? sql === own
                : Math.abs(sql - own) <= TOLERANCE * Math.max(1, Math.abs(sql), Math.abs(own));
            if (!isSame) wrong.push(`${database} ${id} ${item.knowledge}, row ${at}: ${sql} is not ${own}`);
          }
          checked += 1;
        } catch (error) {
          if (!(error instanceof NotCovered)) throw error;
          uncovered.push(`${database} ${id} ${item.knowledge}: ${error.message}`);
        }
      }
      sqlite.close();
    }
    expect(wrong).toEqual([]);
    expect(uncovered).toEqual([]);
    expect(checked).toBeGreaterThan(150);
  });

  test('every encoded measure has the value of the second reading', async () => {
    const found: Record<string, number> = {};
    const expected: Record<string, number> = {};
    for (const { database, results, databasePath, sessionsDir, meanings } of encoded) {
      const measures = results.filter(({ entities }) => entities[0]?.kind === 'measure');
      if (measures.length === 0) continue;
      const rows = new Rows(databasePath, meanings);
      const sessions = sessionsIn(sessionsDir);
      const mean: Mean = (table, value) => {
        const values = rows.tables.get(table)!.map(value);
        return values.reduce((a, b) => a + b, 0) / values.length;
      };
      const sqlite = new DatabaseSync(databasePath, { readOnly: true });
      for (const { kb_id: id } of measures) {
        const session = sessions.get(id)!;
        const rounded = (value: number): number => Number(value.toPrecision(12));
        found[`${database} ${id}`] = rounded(Number(sqlite.prepare(session.executed.sql).get()!['v']));
        expected[`${database} ${id}`] = rounded(MEASURES[`${database} ${id}`]?.(mean) ?? Number.NaN);
      }
      sqlite.close();
    }
    expect(found).toEqual(expected);
  });
});
