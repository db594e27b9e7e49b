/** Heads that die, lose their disk, or meet another: the bucket is the truth, and one head acts. */
import { rm } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { Cluster } from '../helpers/cluster/cluster.ts';
import { freePort } from '../helpers/cluster/link.ts';
import { NoopRun } from '../helpers/cluster/noop-run.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a head that is killed', () => {
  it('goes on where it was when it is started again: a waiter notices a pause, and nothing runs twice (X-05)', async () => {
    await using cluster = await Cluster.start(2, 2, { lostAfterS: 300 });
    const run = await NoopRun.submit(cluster, { tasks: 40, ms: () => 300 });
    const waiter = cluster.cli(['wait', run.runId, '--quiet']);
    for (const started of [5, 15, 25]) {
      await run.started(started);
      await cluster.head.kill();
      await cluster.head.start();
    }
    expect(await run.end(60_000)).toMatchObject({ starts: 40, wasted: 0, synthetic: 0, late: 0 });
    await waiter.mustEnd(0);
  });

  it('leaves nodes that end what they have, and takes what they bring when it is back', async () => {
    await using cluster = await Cluster.start(2, 2, { lostAfterS: 300 });
    const run = await NoopRun.submit(cluster, { tasks: 16, ms: () => 400 });
    await run.started(4);
    await cluster.head.kill();
    const ended = async () => (await run.dataset.records()).filter(({ what }) => what === 'end').length;
    await run.until('nodes went on without it', async () => (await ended()) >= 4);
    await cluster.head.start();
    expect(await run.end()).toMatchObject({ starts: 16, wasted: 0, synthetic: 0 });
  });

  it('is built again from the bucket alone when its disk is gone (X-05)', async () => {
    await using cluster = await Cluster.start(1, 2, { lostAfterS: 300 });
    const run = await NoopRun.submit(cluster, { tasks: 20, ms: () => 300 });
    await run.started(6);
    await cluster.head.kill();
    await rm(cluster.head.dataDir, { recursive: true });
    await cluster.head.start();
    // The token is a new one: the node has to be told.
    const node = await cluster.node('n1');
    await node.kill();
    await node.start();
    const report = await run.end(60_000);
    expect(report).toMatchObject({ synthetic: 0, restarted: [] });
    await cluster.run(['wait', run.runId, '--quiet']);
  });
});

describe('a head that is frozen', () => {
  it('is waited for by a node that starts meanwhile', async () => {
    await using cluster = await Cluster.start(0, 1, { lostAfterS: 300 });
    const run = await NoopRun.submit(cluster, { tasks: 4 });
    cluster.head.freeze();
    const node = await (await cluster.node('n1', 2)).start({ untilReady: false });
    // Longer than the deadline of a single call.
    await pause(11_000);
    expect(node.isRunning).toBe(true);
    cluster.head.thaw();
    await node.ready();
    expect(await run.end()).toMatchObject({ starts: 4, wasted: 0 });
  });
});

describe('a second head on the same bucket', () => {
  it('is refused while the first lives, with its address', async () => {
    await using cluster = await Cluster.start(0, 1);
    const other = cluster.anotherHead('other', await freePort());
    await other.start({ untilReady: false });
    const end = await other.process.mustEnd(2);
    expect(end.stderr).toContain(cluster.address);
    expect(end.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('takes over from one that is frozen, which hands out nothing when it thaws', async () => {
    await using cluster = await Cluster.start(1, 2, { lostAfterS: 300 });
    const run = await NoopRun.submit(cluster, { tasks: 30, ms: () => 400 });
    await run.started(4);
    cluster.head.freeze();
    const port = await freePort();
    const other = cluster.anotherHead('other', port);
    // Frozen is not dead: it waits for as long as a lease may stand unchanged.
    await other.start();
    const node = await cluster.node('n1');
    await node.kill();
    cluster.pointTo(other, port);
    await node.start();
    await run.until('the other head hands out tasks', async () => (await run.starts()).length >= 10, 40_000);
    cluster.head.thaw();
    await run.until('the first says that it lost its lease', async () => {
      const lines = await cluster.head.log();
      return lines.some(({ msg }) => /lease/.test(msg) && /lost/.test(msg));
    });
    const report = await run.end(60_000);
    expect(report).toMatchObject({ synthetic: 0, restarted: [] });
  });
});
