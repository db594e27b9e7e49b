/** Our introspection against the real tool's, byte for byte. `SKEIN_SLAYER_ALL=1` takes all databases of the real dataset, not three. */
import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openDataset } from '../../src/dataset/dataset.ts';
import { copySqliteFile } from '../../src/dataset/sqlite-file.ts';
import { absoluteUrl, datasourceFor, renderDatasource } from '../../src/reference/datasource-file.ts';
import { ingest } from '../../src/reference/ingest.ts';
import { renderModel } from '../../src/reference/model-file.ts';
import { makeOddDatabase } from '../helpers/odd-database.ts';
import { realDataset, realSlayer } from '../helpers/real-data.ts';

const run = promisify(execFile);
const slayer = realSlayer();
const real = slayer === undefined ? undefined : realDataset();
const EXAMPLES = new URL('../../examples/mini-interact/', import.meta.url).pathname;

/** What `slayer datasources create` and `slayer ingest` write for the file, by path in the store. */
async function asSlayerWrites(store: string, name: string, path: string): Promise<Record<string, string>> {
  const options = { env: { ...process.env, DO_NOT_TRACK: '1' } };
  await run(slayer!, ['datasources', '--storage', store, 'create', absoluteUrl(path), '--name', name, '-y'], options);
  await run(slayer!, ['ingest', '--datasource', name, '--storage', store], options);
  const files: Record<string, string> = {};
  for (const folder of ['datasources', `models/${name}`]) {
    for (const file of await readdir(join(store, folder)))
      files[`${folder}/${file}`] = await readFile(join(store, folder, file), 'utf8');
  }
  return files;
}

function asWeWrite(name: string, path: string): Record<string, string> {
  using database = new DatabaseSync(path, { readOnly: true });
  return {
    [`datasources/${name}.yaml`]: renderDatasource(datasourceFor(name, absoluteUrl(path))),
    ...Object.fromEntries(
      ingest(database, name).map((model) => [`models/${name}/${model.name}.yaml`, renderModel(model)]),
    ),
  };
}

describe.skipIf(slayer === undefined)(
  'stage-1 models before enrichment are the bytes that the real slayer writes',
  () => {
    let dir: string;
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'skein-ingest-'));
    });
    afterAll(() => rm(dir, { recursive: true, force: true }));

    const check = async (name: string, copy: (path: string) => void | Promise<void>): Promise<void> => {
      const path = join(dir, name, `${name}.sqlite`);
      await mkdir(join(dir, name), { recursive: true });
      await copy(path);
      expect(asWeWrite(name, path)).toEqual(await asSlayerWrites(join(dir, name, 'store'), name, path));
    };

    test('of a database with every type, key, join and deceit', () => check('odd', makeOddDatabase));

    test('of every example database (D-03)', async () => {
      const dataset = await openDataset(EXAMPLES);
      expect(dataset.databases.length).toBeGreaterThan(2);
      await Promise.all(dataset.databases.map((name) => check(name, (path) => dataset.copyDatabase(name, path))));
    });

    const names = process.env['SKEIN_SLAYER_ALL'] === '1' ? undefined : ['households', 'gaming', 'mental'];
    test.skipIf(real === undefined)('of the real databases, WAL files among them', async () => {
      const dataset = await openDataset(real!);
      // Two at a time: the tool's start is all CPU.
      const queue = [...(names ?? dataset.databases)];
      const work = async (): Promise<void> => {
        for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
          await check(name, (path) => copySqliteFile(dataset.databasePath(name!), path));
        }
      };
      await Promise.all([work(), work()]);
    });
  },
);
