import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { LockKeeper } from '../../src/node/lock-keeper.ts';
import { downloadSetup } from '../../src/node/setup-download.ts';
import { setupDatabasePrefix } from '../../src/store/layout.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { sleep } from '../../src/kernel/retry.ts';
import { readTree, reference, tempDir } from '../helpers/shards.ts';
import { startChild } from '../helpers/talking-child.ts';

const CHILD = fileURLToPath(new URL('./lock-child.ts', import.meta.url));

it('a seed waits for the lock that another process holds, and is brought then (S-09, M5, Q-19)', async () => {
  await using temp = await tempDir();
  await using locks = new LockKeeper();
  const store = createMemoryStore();
  const prefix = setupDatabasePrefix('r1', 'slayer_models_otf', 'shop');
  for (const [path, text] of Object.entries(reference('seed'))) await store.create(prefix + path, Buffer.from(text));
  await using child = startChild(CHILD, temp.dir, 'shop');
  child.tell('take');
  await child.hear('held');
  let isDone = false;
  const download = downloadSetup({
    store,
    runId: 'r1',
    combo: { queryMode: 'slayer', slayerSetup: 'on-the-fly', framework: 'encode' },
    artifacts: ['slayer_models_otf'],
    roots: { slayer_models_otf: temp.dir },
    databases: ['shop'],
    locks,
  }).then((reports) => {
    isDone = true;
    return reports;
  });
  await sleep(600);
  expect(isDone).toBe(false);
  expect(await readTree(join(temp.dir, 'shop'))).toEqual({});
  child.tell('release');
  expect(await download).toMatchObject([{ kind: 'downloaded' }]);
  expect(await readTree(join(temp.dir, 'shop'))).toEqual(reference('seed'));
});
