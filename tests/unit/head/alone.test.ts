import { expect, test } from 'vitest';

import { RunState } from '../../../src/gen/skein/v1/run.ts';
import { manifestOf } from '../../helpers/rows.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { ClusterScene } from './cluster-scene.ts';

test('a head runs no task itself: without nodes a run waits, and says that nothing of it is out (P-05, P-21)', async () => {
  await using scene = await ClusterScene.open();
  await scene.run(manifestOf(['a_1', 'a_2'], { framework: 'noop', query_mode: 'raw' }));
  await waitUntil('a beat', async () => typeof (await scene.stored())?.last_heartbeat_ts === 'number');
  expect(await scene.stored()).toMatchObject({
    rows_total: 2,
    rows_done: 0,
    in_flight: [],
    actors: { live: 0, pending: 0 },
  });
  expect(await scene.status()).toMatchObject({ nodes: [], runs: [{ state: RunState.RUNNING, total: 2, out: 0 }] });
  await scene.join('n1', { isEager: true });
  expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 2 });
});
