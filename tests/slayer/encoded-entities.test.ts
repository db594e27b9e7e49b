/** What the rules encode, in the real SLayer: every entity answers, in rows and in totals, with the values that SQL has. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openDataset } from '../../src/dataset/dataset.ts';
import { absoluteUrl, datasourceFor, renderDatasource } from '../../src/reference/datasource-file.ts';
import { writeModels } from '../../src/reference/model-folder.ts';
import { realDataset, realSlayer } from '../helpers/real-data.ts';
import { sessionsIn } from '../helpers/setup-sessions.ts';
import { encodeDatabase, type EncodedDatabase } from '../unit/encoder/encode-database.ts';

const run = promisify(execFile);
const slayer = realSlayer();
const real = slayer === undefined ? undefined : realDataset();
const EXAMPLES = new URL('../../examples/mini-interact', import.meta.url).pathname;
const ASK = new URL('./ask-entities.py', import.meta.url).pathname;

interface Asked {
  readonly answered: readonly string[];
  readonly failed: readonly string[];
  readonly values: Readonly<Record<string, readonly unknown[]>>;
}

describe.skipIf(slayer === undefined)('encoded entities in the real slayer', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skein-entities-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test('those of the example databases answer', () => check(EXAMPLES), 120_000);
  test.skipIf(real === undefined)('those of the real databases answer', () => check(real!), 240_000);

  async function check(datasetDir: string): Promise<void> {
    const dataset = await openDataset(datasetDir);
    const encoded: EncodedDatabase[] = [];
    for (const database of dataset.databases) encoded.push(await encodeDatabase(dataset, database, dir));
    const args: string[] = [];
    for (const one of encoded) {
      const store = join(dir, 'stores', one.database);
      await cp(one.cacheDir, store, { recursive: true });
      await writeModels(store, one.database, one.models, one.before);
      const url = absoluteUrl(one.databasePath);
      await writeFile(
        join(store, 'datasources', `${one.database}.yaml`),
        renderDatasource(datasourceFor(one.database, url)),
      );
      args.push(store, one.database);
    }
    const options = { env: { ...process.env, DO_NOT_TRACK: '1' }, maxBuffer: 1 << 26 };
    const { stdout } = await run(join(dirname(slayer!), 'python'), [ASK, ...args], options);
    const asked = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, Asked>;
    for (const one of encoded) {
      const { answered, failed, values } = asked[one.database]!;
      const entities = one.results.flatMap((result) =>
        result.entities.map(({ host_model: host, name }) => `${host}.${name}`),
      );
      expect(failed).toEqual([]);
      expect([...answered].sort()).toEqual(entities.sort());
      await compare(one, values);
    }
  }

  /** Greatest value of every column, and the value of every measure, against SQL of our own: compiling costs the time. */
  async function compare(one: EncodedDatabase, values: Asked['values']): Promise<void> {
    const database = new DatabaseSync(one.databasePath, { readOnly: true });
    const sessions = sessionsIn(one.sessionsDir);
    const different: string[] = [];
    for (const { kb_id: id, status, entities } of one.results) {
      if (status !== 'encoded') continue;
      const { executed } = sessions.get(id)!;
      const { kind, host_model: host, name } = entities[0]!;
      const sql = kind === 'measure' ? executed.sql : `SELECT MAX(v) FROM (${executed.sql})`;
      const own = Object.values(database.prepare(sql).get()!);
      values[`${host}.${name}`]!.forEach((value, at) => {
        if (!isClose(value, own[at]))
          different.push(`${one.database}.${host}.${name}: ${String(value)} is not ${String(own[at])}`);
      });
    }
    database.close();
    expect(different).toEqual([]);
  }
});

function isClose(a: unknown, b: unknown): boolean {
  const [one, other] = [Number(a), Number(b)];
  if (a === null || b === null || Number.isNaN(one) || Number.isNaN(other)) return a === b;
  return Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one));
}
