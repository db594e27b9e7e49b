/** Real partitions: a node in a network of its own whose packets are dropped, in one direction or both. */
import { describe, expect, it } from 'vitest';

import { Cluster } from '../helpers/cluster/cluster.ts';
import { canMakeNamespaces, NetworkNamespace } from '../helpers/cluster/network-namespace.ts';
import { NoopRun } from '../helpers/cluster/noop-run.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(!canMakeNamespaces())('a node behind a network that drops its packets', () => {
  it('keeps its work over short cuts of either direction, and nothing runs twice', async () => {
    await using far = await NetworkNamespace.create();
    await using cluster = await Cluster.create({
      lostAfterS: 60,
      headFlags: ['--host', '0.0.0.0', '--insecure'],
    });
    await cluster.head.start();
    const address = cluster.address.replace('127.0.0.1', far.hostAddress);
    await (await cluster.node('far', 2, { address, prefix: far.prefix })).start();
    await (await cluster.node('near', 2)).start();
    const run = await NoopRun.submit(cluster, { tasks: 40, ms: () => 500 });
    for (const chains of [['INPUT'], ['OUTPUT'], ['INPUT', 'OUTPUT']] as const) {
      await run.started((await run.starts()).length + 2);
      await far.drop(chains);
      await pause(1_200);
      await far.heal();
    }
    expect(await run.end(60_000)).toMatchObject({ starts: 40, wasted: 0, synthetic: 0, late: 0 });
  });

  it('loses its work to others when the cut outlives --lost-after, and brings it late', async () => {
    await using far = await NetworkNamespace.create();
    await using cluster = await Cluster.create({
      lostAfterS: 2,
      headFlags: ['--host', '0.0.0.0', '--insecure'],
    });
    await cluster.head.start();
    const address = cluster.address.replace('127.0.0.1', far.hostAddress);
    const node = await (await cluster.node('far', 2, { address, prefix: far.prefix })).start();
    const run = await NoopRun.submit(cluster, { tasks: 10, databases: 2, ms: () => 2_000 });
    await run.started(2);
    await far.drop();
    await (await cluster.node('near', 2)).start();
    await run.until('it ran elsewhere', () => run.checker.isAllDone, 60_000);
    await far.heal();
    const report = await run.end();
    // What had not started when the cut began is handed out as the same attempt, with a reason; the far node may run it, too.
    expect(report).toMatchObject({ synthetic: 0 });
    expect(node.isRunning).toBe(true);
  });
});
