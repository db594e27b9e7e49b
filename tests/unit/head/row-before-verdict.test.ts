import { expect, test } from 'vitest';

import { RunState } from '../../../src/gen/skein/v1/run.ts';
import { jsonBytes } from '../../../src/kernel/json.ts';
import { rowName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { manifestOf, row } from '../../helpers/rows.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { ClusterScene } from './cluster-scene.ts';

test('a row that reaches the store just before the verdict on its attempt speaks for the id, and nothing is started again (X-04)', async () => {
  const store = createMemoryStore();
  const create = store.create.bind(store);
  const name = rowName('r1', 'a_1', 1);
  // What the dying node had sent arrives while the head writes.
  store.create = async (asked, ...rest) => {
    if (asked === name) await create(name, jsonBytes(row('a_1')));
    return create(asked, ...rest);
  };
  await using scene = await ClusterScene.open({}, store);
  const node = await scene.join('n1', { dataDirId: 'd1', bootId: 'b1' });
  await scene.run(manifestOf(['a_1'], { framework: 'noop', query_mode: 'raw' }));
  await node.has('a_1');
  node.started('a_1');
  await waitUntil('the head knows', async () => (await scene.progress()).inFlight.length === 1);
  await node[Symbol.asyncDispose]();
  const next = await scene.join('n1', { dataDirId: 'd1', bootId: 'b2' });
  expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1, rowsError: 0, retried: 0 });
  expect(next.given).toEqual([]);
});
