/** Disks that fill up: work stops and says why, nothing that was done is lost, and it goes on by itself. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { Cluster } from '../helpers/cluster/cluster.ts';
import { NoopRun } from '../helpers/cluster/noop-run.ts';
import { canMount, SmallDisk } from '../helpers/cluster/small-disk.ts';

describe.skipIf(!canMount())('disks', () => {
  it('a node whose disk is full takes nothing new and says so; another does the work, and it comes back', async () => {
    await using cluster = await Cluster.create({ lostAfterS: 300 });
    await cluster.head.start();
    await using disk = await SmallDisk.mount(join(cluster.dir, 'small'), 128);
    const full = await (await cluster.node('full', 2, { dataDir: join(disk.dir, 'data') })).start();
    const run = await NoopRun.submit(cluster, { tasks: 30, ms: () => 200 });
    await run.started(4);
    await disk.fill();
    using client = await cluster.headClient();
    const trouble = async () => (await client.status()).nodes.find(({ node }) => node === 'full')?.trouble ?? '';
    await run.until('the head knows of the trouble', async () => (await trouble()).startsWith('disk full'));
    await (await cluster.node('other', 2)).start();
    const report = await run.end(60_000);
    expect(report).toMatchObject({ synthetic: 0 });
    expect(full.isRunning).toBe(true);
    await disk.free();
    await run.until('the trouble is over', async () => (await trouble()) === '');
    const next = await NoopRun.submit(cluster, { tasks: 12, runId: 'r2', ms: () => 100 });
    await next.end();
    const pids = new Set((await next.starts()).map(({ pid }) => pid));
    expect(pids).toContain(full.process.pid);
  });

  it('rows that a full store refuses are kept, and stored when it takes them again', async () => {
    await using cluster = await Cluster.create({ lostAfterS: 300 });
    const bucket = join(cluster.dir, 'bucket');
    await mkdir(bucket);
    await using disk = await SmallDisk.mount(bucket, 64);
    await cluster.head.start();
    await (await cluster.node('n1', 2)).start();
    const run = await NoopRun.submit(cluster, { tasks: 16, ms: () => 200 });
    await run.started(4);
    await disk.fill();
    const ended = async () => (await run.dataset.records()).filter(({ what }) => what === 'end').length;
    const before = await ended();
    await run.until('tasks end all the same', async () => (await ended()) > before + 1);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await disk.free();
    const report = await run.end(60_000);
    expect(report).toMatchObject({ starts: 16, wasted: 0, synthetic: 0 });
  });
});
