import { expect, test } from 'vitest';

import { adoptRun } from '../../../src/head/adopt.ts';
import { createLogger } from '../../../src/kernel/log.ts';
import { readManifest } from '../../../src/run/manifest.ts';
import { readStoredStatus } from '../../../src/run/status.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { manifestOf, putRow, putRun, row } from '../../helpers/rows.ts';

test('a run hands its tasks out by database and id, also what is left of it; the manifest keeps the order of the user (L-15, Q-34)', async () => {
  const store = createMemoryStore();
  const ids = ['zoo_2', 'shop_10', 'zoo_1', 'shop_2', 'shop_1', 'z_o_o_1'];
  const databases = { zoo_2: 'zoo', zoo_1: 'zoo', shop_10: 'shop', shop_2: 'shop', shop_1: 'shop', z_o_o_1: 'a_zoo' };
  await putRun(store, manifestOf(ids, { databases }));
  const manifest = await readManifest(store, 'r1');
  expect(manifest.instance_ids).toEqual(ids);
  const handedOut = async (): Promise<string[]> => {
    const status = await readStoredStatus(store, 'r1');
    const { ledger } = await adoptRun({ store, log: createLogger(), manifest, status, isCluster: true });
    return ['a_zoo', 'shop', 'zoo'].flatMap((database) =>
      ledger.take(database, 10, 'n1').map(({ instanceId }) => instanceId),
    );
  };
  expect(await handedOut()).toEqual(['z_o_o_1', 'shop_1', 'shop_10', 'shop_2', 'zoo_1', 'zoo_2']);
  await putRow(store, row('shop_10'));
  expect(await handedOut()).toEqual(['z_o_o_1', 'shop_1', 'shop_2', 'zoo_1', 'zoo_2']);
});
