/** Which of the references that stand in the root of a node are a run's own to ship. */
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { createLogger } from '../../../src/kernel/log.ts';
import { Shipper } from '../../../src/node/shipper.ts';
import { UploadBack } from '../../../src/node/upload-back.ts';
import { shardsPrefix } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { reference, tempDir, writeTree } from '../../helpers/shards.ts';
import { namesIn } from '../../helpers/store-fixtures.ts';
import { encodeSettings } from '../../helpers/run-settings.ts';

test('what a peer built on the same disk is shipped, what the bucket seeded is not, whoever came first (S-08, Codex r3, Q-12)', async () => {
  await using temp = await tempDir();
  const store = createMemoryStore();
  const marker = 'runs/r1/slayer_setup/slayer_models_otf/zoo/_reference_fp.txt';
  await store.create(marker, Buffer.from('fp-seed\n'));
  // Both stand there before this actor's state begins.
  await writeTree(join(temp.dir, 'shop'), reference('peer'));
  await writeTree(join(temp.dir, 'zoo'), reference('seed'));
  const uploadBack = await UploadBack.open({
    store,
    runId: 'r1',
    shipper: new Shipper({ store, runId: 'r1', log: createLogger() }),
    log: createLogger(),
    signal: new AbortController().signal,
    placeOf: () => ({
      datasetDir: temp.dir,
      databasePath: '',
      cacheRoot: temp.dir,
      referenceRoot: temp.dir,
      reference: { kind: 'build', epoch: 0 },
    }),
    settings: encodeSettings(['shop', 'zoo']),
  });
  expect(await uploadBack.flush()).toBe(true);
  const shipped = (await namesIn(store, shardsPrefix('r1'))).filter((name) => name.endsWith('_upload_complete'));
  expect(shipped.map((name) => name.split('/').at(-2))).toEqual(['shop']);
});
