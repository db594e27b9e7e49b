/** Nodes that die, fall silent and come back: what is proof of death, what is not, and what becomes of their work. */
import { describe, expect, it } from 'vitest';

import { groupRowPaths } from '../../src/run/canonical-row.ts';
import { rowName, rowsPrefix } from '../../src/store/layout.ts';
import { listAll } from '../../src/store/prefix.ts';
import { Cluster } from '../helpers/cluster/cluster.ts';
import { NoopRun } from '../helpers/cluster/noop-run.ts';

async function rowOf(cluster: Cluster, run: NoopRun, id: string, attempt: number): Promise<Record<string, unknown>> {
  const stored = await cluster.store.read(rowName(run.runId, id, attempt));
  if (!stored) return {};
  return JSON.parse(Buffer.from(stored.bytes).toString()) as Record<string, unknown>;
}

async function rowFiles(cluster: Cluster, { runId }: NoopRun): Promise<string[]> {
  const prefix = rowsPrefix(runId);
  const paths = await Array.fromAsync(listAll(cluster.store, prefix), ({ name }) => name.slice(prefix.length));
  return [...groupRowPaths(paths).values()].flat().map(({ path }) => path);
}

describe('a node that is killed and started again on its data dir', () => {
  it('proves that what it ran is lost: rows at once, long before silence would say so, and new attempts (X-04)', async () => {
    await using cluster = await Cluster.start(1, 2, { lostAfterS: 300 });
    // The first two take for ever, once.
    const run = await NoopRun.submit(cluster, { tasks: 6, databases: 1, ms: (index) => (index < 2 ? 4_000 : 50) });
    await run.started(2);
    const [first, second] = (await run.starts()).map(({ instance_id }) => instance_id);
    const node = await cluster.node('n1');
    await node.kill();
    await node.start();
    const report = await run.end();
    for (const id of [first as string, second as string]) {
      expect(await rowOf(cluster, run, id, 1)).toMatchObject({
        error: 'actor-lost',
        synthetic: { reason: 'actor-lost' },
      });
      expect(await rowOf(cluster, run, id, 2)).toMatchObject({ error: null });
    }
    expect(report).toMatchObject({ starts: 8, wasted: 2, restarted: [], synthetic: 0, late: 0, duplicates: 0 });
    await cluster.run(['wait', run.runId, '--quiet']);
  });

  it('ships the rows that its earlier life had made and not stored, and runs none of them again (X-04)', async () => {
    await using cluster = await Cluster.create({ lostAfterS: 300 });
    await cluster.head.start();
    // One actor: what it ended first is what the node was about to store.
    const node = await (await cluster.node('n1', 1)).start({ failPoint: 'row.before-write' });
    const run = await NoopRun.submit(cluster, { tasks: 6, databases: 1, ms: () => 20 });
    await run.until('the node died where it was told to', () => !node.isRunning);
    const before = (await run.dataset.records())
      .filter(({ what }) => what === 'end')
      .map(({ instance_id }) => instance_id);
    expect(before.length).toBeGreaterThan(0);
    await node.start();
    const report = await run.end();
    // What had ended before the death is a real row of its first attempt.
    const [ended] = before;
    expect(await rowOf(cluster, run, ended as string, 1)).toMatchObject({ error: null });
    expect(report).toMatchObject({ synthetic: 0, duplicates: 0, restarted: [] });
  });
});

describe('a node that is frozen', () => {
  it('keeps its work while it is silent for less than --lost-after', async () => {
    await using cluster = await Cluster.start(2, 2, { lostAfterS: 60 });
    const run = await NoopRun.submit(cluster, { tasks: 12, ms: () => 700 });
    await run.started(3);
    const node = await cluster.node('n1');
    node.freeze();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    node.thaw();
    expect(await run.end()).toMatchObject({ starts: 12, wasted: 0, late: 0, synthetic: 0 });
  });

  it('loses its work after that, and what it brings when it thaws lies beside', async () => {
    await using cluster = await Cluster.start(2, 2, { lostAfterS: 2 });
    const run = await NoopRun.submit(cluster, { tasks: 8, databases: 2, ms: () => 1_500 });
    await run.started(4);
    const node = await cluster.node('n1');
    const held = (await run.starts())
      .filter(({ pid }) => pid === node.process.pid)
      .map(({ instance_id }) => instance_id);
    expect(held.length).toBeGreaterThan(0);
    node.freeze();
    await run.until('all of it ran elsewhere', () => run.checker.isAllDone, 40_000);
    node.thaw();
    // Its timers have long run out: it ends what it ran, and finds other rows in its place.
    await run.until(
      'its rows lie beside',
      async () => (await rowFiles(cluster, run)).some((path) => path.endsWith('.late.json')),
      20_000,
    );
    const report = await run.end();
    expect(report).toMatchObject({ synthetic: 0, restarted: [] });
    for (const id of held) expect(await rowOf(cluster, run, id, 2)).toMatchObject({ error: null });
    expect(report.wasted).toBe(held.length);
    await cluster.run(['wait', run.runId, '--quiet']);
  });
});

describe('an actor that dies', () => {
  it('leaves its row at once and its task is started again; with --retry-lost 0 the row stands (P-49, X-02)', async () => {
    await using cluster = await Cluster.start(1, 2);
    const dies = { tasks: 4, fields: (index: number) => (index === 1 ? { noop_dies: 1 } : {}) };
    const again = await NoopRun.submit(cluster, { ...dies, runId: 'again' });
    const id = again.dataset.ids[1] as string;
    expect(await again.end()).toMatchObject({ starts: 5, wasted: 1, synthetic: 0 });
    expect(await rowOf(cluster, again, id, 1)).toMatchObject({ error: 'actor-lost' });
    const once = await NoopRun.submit(cluster, { ...dies, runId: 'once', flags: ['--retry-lost', '0'] });
    expect(await once.end()).toMatchObject({ starts: 4, wasted: 0, synthetic: 1 });
    await cluster.run(['wait', 'once', '--quiet'], 1);
  });
});
