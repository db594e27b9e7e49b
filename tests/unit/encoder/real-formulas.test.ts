/** The rules on the real dataset: how much is encoded, and that it is right by a second, independent calculation. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openDataset } from '../../../src/dataset/dataset.ts';
import { realDataset } from '../../helpers/real-data.ts';
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
    coordeffect_numeric: 'coordeffectlvl',
    infosharing_numeric: 'infosharingstate',
    lastmile_factor: 'lastmilestatus',
  },
  insider: { AlertLevelMultiplier: 'alertlvl' },
  news: { statusWeight: 'substatus' },
  solar: { PowerRatedW: 'powratew' },
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

  test('every encoded calculation that the second reading covers has the same values on sampled rows', async () => {
    const wrong: string[] = [];
    let checked = 0;
    for (const { database, kb, results, databasePath, sessionsDir, meanings } of encoded) {
      const rows = new Rows(databasePath, meanings);
      const sqlite = new DatabaseSync(databasePath, { readOnly: true });
      for (const { kb_id: id, status, entities } of results) {
        const item = kb.get(id)!;
        if (status !== 'encoded' || item.type !== 'calculation_knowledge' || entities[0]!.kind !== 'column') continue;
        const session = JSON.parse(await readFile(join(sessionsDir, `${id}.json`), 'utf8'));
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
        }
      }
      sqlite.close();
    }
    expect(wrong).toEqual([]);
    expect(checked).toBeGreaterThan(150);
  });
});
