/**
 * SIGKILL of the head, and of a node, at every fail point that it meets, once each; then it is started again, and what is left
 * equals an undisturbed run's: same rows, same references.
 */
import { join } from 'node:path';

import { beforeAll, describe, expect, it, type ExpectStatic } from 'vitest';

import { FAIL_POINTS, HEAD_FAIL_POINTS, NODE_FAIL_POINTS, type FailPoint } from '../../src/kernel/failpoint.ts';
import { groupRowPaths } from '../../src/run/canonical-row.ts';
import { rowsPrefix } from '../../src/store/layout.ts';
import { listAll } from '../../src/store/prefix.ts';
import { EXAMPLE } from '../helpers/cli.ts';
import { Cluster } from '../helpers/cluster/cluster.ts';
import { referenceDigests, wholeShards } from '../helpers/cluster/references.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** Points of a command's own head and node that a head daemon meets, too. */
const SHARED_HEAD = FAIL_POINTS.filter((point) => /^(?:head|status)\./.test(point));
/** The same of a node. Those of commands are `tests/crash`'s. */
const SHARED_NODE = FAIL_POINTS.filter((point) => /^(?:row|log|shard|reference)\./.test(point));
/** Only a node beside another one meets it: `tests/crash`. */
const OF_PEERS = new Set<FailPoint>(['peer-reference.before-commit']);
/** Only a head with a lost node meets them. */
const OF_LOSSES = new Set<FailPoint>(['head.before-lost-row', 'head.after-lost-row']);

const IDS = ['beehives_1', 'beehives_2', 'ferries_1'];

const submitArgs = (cluster: Cluster): string[] => [
  ...['submit', '--dataset', EXAMPLE, '--instance-ids', IDS.join(','), '--run-id', 'r1', '--quiet'],
  ...['--cache-root', join(cluster.dir, 'caches'), '--reference-root', join(cluster.dir, 'references')],
  ...['--out', join(cluster.dir, 'out'), '--retry-lost', '3'],
];

/** What must be the same whatever died: the ids that have a row, and the references. */
async function outcomeOf(cluster: Cluster): Promise<{ ids: string[]; references: Record<string, string> }> {
  const prefix = rowsPrefix('r1');
  const paths = await Array.fromAsync(listAll(cluster.store, prefix), ({ name }) => name.slice(prefix.length));
  return {
    ids: [...groupRowPaths(paths).keys()].sort(),
    references: await referenceDigests(join(cluster.dir, 'references')),
  };
}

describe('a daemon that is killed at a fail point', () => {
  let calm: Awaited<ReturnType<typeof outcomeOf>>;
  beforeAll(async () => {
    await using cluster = await Cluster.start(1, 2);
    await cluster.run(submitArgs(cluster));
    calm = await outcomeOf(cluster);
    expect(calm.ids).toEqual(IDS);
    expect(Object.keys(calm.references)).toHaveLength(2);
  });

  async function killAt(point: FailPoint, victim: 'head' | 'n1', its: ExpectStatic): Promise<void> {
    // Every death here is proven by a restart; on a busy machine that takes longer than a short silence may last, and a run
    // does not wait for what a node that is lost for good had built.
    await using cluster = await Cluster.create({ lostAfterS: 60 });
    const armed = { failPoint: point, untilReady: false };
    await cluster.head.start(victim === 'head' ? armed : {});
    const node = await cluster.node('n1', 2);
    const daemon = victim === 'head' ? cluster.head : node;
    const isDead = () => !daemon.isRunning;
    // A head may die before it is ready; whatever it was, it is started again as an operator would.
    if (victim === 'head') {
      await Promise.race([cluster.head.ready().catch(() => {}), cluster.head.process.ended]);
      if (isDead()) await cluster.head.start();
    }
    // A task that was begun and left no result is what a head writes a row for.
    const nodePoint = victim === 'n1' ? point : OF_LOSSES.has(point) ? 'spool.after-start' : undefined;
    await node.start(nodePoint === undefined ? { untilReady: false } : { failPoint: nodePoint, untilReady: false });
    const submit = cluster.cli(submitArgs(cluster));
    if (OF_LOSSES.has(point)) {
      await node.process.ended;
      await node.start();
    }
    await waitUntil(`${victim} dies at ${point}`, () => isDead() || submit.end !== undefined, 60_000).catch(() => {});
    its(daemon.lives[0]?.end?.signal, `${point} was reached\n${cluster.diary()}`).toBe('SIGKILL');
    if (isDead()) await daemon.start();
    await submit.mustEnd(0);
    its(await outcomeOf(cluster)).toEqual(calm);
    its(Object.keys(await wholeShards(cluster.store, 'r1')).sort()).toEqual(Object.keys(calm.references));
  }

  it.concurrent.for([...SHARED_HEAD, ...HEAD_FAIL_POINTS])('the head, at %s', (point, { expect: its }) =>
    killAt(point, 'head', its),
  );
  const ofNodes = [...SHARED_NODE, ...NODE_FAIL_POINTS].filter((point) => !OF_PEERS.has(point));
  it.concurrent.for(ofNodes)('a node, at %s', (point, { expect: its }) => killAt(point, 'n1', its));
});
