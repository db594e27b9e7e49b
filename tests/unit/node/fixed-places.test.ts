import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { createLogger } from '../../../src/kernel/log.ts';
import { fixedPlaces } from '../../../src/node/places.ts';
import { runSettings } from '../../../src/node/run-settings.ts';
import { readManifest } from '../../../src/run/manifest.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { submitToStore } from '../../helpers/cluster-run.ts';
import { kbRow, writeKbDataset } from '../../helpers/kb-dataset.ts';
import { temporaryFolder } from '../../helpers/store-fixtures.ts';

it('opens a run of which one database lacks its required setup, and refuses that database only', async () => {
  using folder = temporaryFolder();
  const [datasetDir, store] = [join(folder.path, 'dataset'), createMemoryStore()];
  await writeKbDataset(datasetDir, ['shop', 'inn'], [kbRow(0, -1, { definition: 'price * 2' })]);
  const tasks = ['shop', 'inn'].map((database) => ({
    instance_id: `${database}_1`,
    selected_database: database,
    amb_user_query: 'How many?',
    sol_sql: ['SELECT 1'],
  }));
  await writeFile(join(datasetDir, 'mini_interact.jsonl'), tasks.map((task) => JSON.stringify(task)).join('\n'));
  const ids = tasks.map(({ instance_id: id }) => id);
  await submitToStore(store, { runId: 'r1', datasetDir, cacheRoot: join(folder.path, 'submitter'), ids });
  const marker = 'runs/r1/slayer_setup/slayer_otf_cache/shop/_cache_fp.txt';
  await store.remove(marker, (await store.stat(marker))!.generation);

  const manifest = await readManifest(store, 'r1');
  const [cacheRoot, referenceRoot] = [join(folder.path, 'cache'), join(folder.path, 'references')];
  const places = fixedPlaces({ datasetDir, cacheRoot, referenceRoot });
  await using _locks = places.locks;
  const run = await places.open({
    store,
    runId: 'r1',
    manifest,
    settings: runSettings(manifest),
    log: createLogger(),
    signal: new AbortController().signal,
  });
  const word = { grantEpoch: 1, reference: undefined };
  await expect(run.prepare({ database: 'shop', ...word })).rejects.toThrow(/slayer_otf_cache\/shop is not whole/);
  expect(await run.prepare({ database: 'inn', ...word })).toMatchObject({ kind: 'ready', place: { cacheRoot } });
});
