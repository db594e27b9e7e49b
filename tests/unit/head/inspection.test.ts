import { afterEach, describe, expect, it } from 'vitest';

import { ActorPhase } from '../../../src/gen/skein/v1/node.ts';
import { manifestOf } from '../../helpers/rows.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { ClusterScene } from './cluster-scene.ts';

let scene: ClusterScene;
afterEach(() => scene[Symbol.asyncDispose]());

const inspect = (waitMs = 2_000) => scene.client.inspect({ runId: 'r1', logLines: 10, waitMs });
const manifest = manifestOf(['a_1', 'a_2', 'b_1'], { framework: 'noop', query_mode: 'raw' });

describe('what head and nodes see of a run', () => {
  it('comes from each node itself, with the head’s own log, queue and obstacles (V-04, P-04)', async () => {
    scene = await ClusterScene.open({ recentLog: (lines) => [`the last ${lines}`] });
    const actor = { name: '0-abc', runId: 'r1', phase: ActorPhase.RUNNING, instanceId: 'a_1', attempt: 1 };
    const more = { database: 'a', runningMs: 1500, lastLines: ['hello'] };
    const node = await scene.join('n1', { sees: { actors: [{ ...actor, ...more }], log: ['{}'], spoolRows: 2 } });
    await scene.run(manifest, 2);
    await node.has('a_1', 'a_2');
    node.started('a_1');
    node.databaseFailed('r1', 'b', 'its content is damaged');
    await waitUntil('it is known to have started', async () => (await inspect()).run?.inFlight.length === 1);
    const seen = await inspect();
    expect(seen.log).toEqual(['the last 10']);
    expect(seen.nodes).toEqual([expect.objectContaining({ node: 'n1', failure: '', dataDirId: 'dir-n1' })]);
    expect(seen.nodes[0]?.answer).toMatchObject({
      actors: [{ instanceId: 'a_1', lastLines: ['hello'] }],
      spoolRows: 2,
    });
    expect(seen.run).toMatchObject({
      inFlight: [{ instanceId: 'a_1', node: 'n1' }],
      waiting: [{ database: 'b', count: 1 }],
      openAt: ['n1'],
      obstacles: [expect.stringContaining('database b')],
    });
    expect(seen.status?.nodes).toHaveLength(1);
  });

  it('names the nodes that do not answer in time, are silent, or have not come, and waits for none of them (V-04)', async () => {
    scene = await ClusterScene.open();
    await scene.join('mute');
    const cut = await scene.join('cut', { sees: {} });
    await scene.join('well', { sees: { log: ['all is well'] } });
    cut.cut();
    await scene.head.adopted();
    await waitUntil('one is silent', async () => {
      const { nodes } = await scene.status();
      return nodes.some(({ node, silentS }) => node === 'cut' && silentS > 0);
    });
    const startMs = performance.now();
    const { nodes, run } = await inspect(200);
    expect(performance.now() - startMs).toBeLessThan(1_500);
    const failures = Object.fromEntries(nodes.map(({ node, failure }) => [node, failure]));
    expect(failures).toEqual({
      mute: 'no answer within 0.2 s',
      cut: expect.stringMatching(/^silent for [\d.]+ s: not asked$/),
      well: '',
    });
    expect(run).toBeUndefined();
  });

  it('is told with every heartbeat as far as actors go: how many live, and how many never come to life (P-05)', async () => {
    scene = await ClusterScene.open();
    const node = await scene.join('n1');
    node.actors(1, 3);
    await waitUntil('the head knows', async () => (await scene.status()).nodes[0]?.actorsPending === 3);
    await scene.run(manifest);
    expect(await scene.stored()).toMatchObject({ actors: { live: 1, pending: 3 } });
  });
});
