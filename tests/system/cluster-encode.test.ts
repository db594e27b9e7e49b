/** One encode per database and cluster: the head grants it, the others wait or do other work, and a grant outlives nobody. */
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { EXAMPLE } from '../helpers/cli.ts';
import { Cluster } from '../helpers/cluster/cluster.ts';
import { referenceDigests, wholeShards } from '../helpers/cluster/references.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const submitAll = (cluster: Cluster, run: string, name = 'here'): string[] => [
  ...['submit', '--dataset', EXAMPLE, '--all', '--run-id', run, '--quiet'],
  ...['--cache-root', join(cluster.dir, name, 'caches'), '--reference-root', join(cluster.dir, name, 'references')],
  ...['--out', join(cluster.dir, name, 'out')],
];

it('two nodes encode each database once between them, and a second run encodes nothing (P-08)', async () => {
  await using cluster = await Cluster.start(2, 3, { lostAfterS: 300 });
  await cluster.run(submitAll(cluster, 'first'));
  expect(await wholeShards(cluster.store, 'first')).toEqual({ beehives: 1, ferries: 1, glassworks: 1 });
  const first = await referenceDigests(join(cluster.dir, 'here', 'references'));
  await cluster.run(submitAll(cluster, 'second'));
  expect(await wholeShards(cluster.store, 'second')).toEqual({});
  expect(await referenceDigests(join(cluster.dir, 'here', 'references'))).toEqual(first);
});

it('the encode of a node that dies in it passes on, and each database still has one whole reference', async () => {
  await using cluster = await Cluster.create({ lostAfterS: 2 });
  await cluster.head.start();
  const doomed = await (await cluster.node('n1', 2)).start({ failPoint: 'reference.before-commit' });
  const submit = cluster.cli(submitAll(cluster, 'r1'));
  await waitUntil('the encoder is dead', () => !doomed.isRunning, 30_000);
  await (await cluster.node('n2', 2)).start();
  await submit.mustEnd(0);
  expect(await wholeShards(cluster.store, 'r1')).toEqual({ beehives: 1, ferries: 1, glassworks: 1 });
  expect(Object.keys(await referenceDigests(join(cluster.dir, 'here', 'references')))).toHaveLength(3);
});
