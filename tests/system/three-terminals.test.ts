/**
 * The README's three terminals: a head, two nodes, and a submit of everything; a node and then the head are killed during it,
 * and both started again. What is left equals an embedded run's.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { expect, it } from 'vitest';

import { EXAMPLE, runCli } from '../helpers/cli.ts';
import { Cluster } from '../helpers/cluster/cluster.ts';
import { referenceDigests, wholeShards } from '../helpers/cluster/references.ts';
import { realDataset } from '../helpers/real-data.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { listAll } from '../../src/store/prefix.ts';
import { rowsPrefix } from '../../src/store/layout.ts';

interface Expected {
  readonly rows: number;
  readonly references: number;
}

async function countRows(cluster: Cluster, run: string): Promise<number> {
  return (await Array.fromAsync(listAll(cluster.store, rowsPrefix(run)))).length;
}

async function threeTerminals(dataset: string, { rows, references }: Expected): Promise<void> {
  await using cluster = await Cluster.start(2, 2, { lostAfterS: 300 });
  const roots = (name: string): string[] => [
    ...['--cache-root', join(cluster.dir, name, 'caches'), '--reference-root', join(cluster.dir, name, 'references')],
    ...['--out', join(cluster.dir, name, 'out')],
  ];
  const [n1] = [await cluster.node('n1'), await cluster.node('n2')];
  const submit = cluster.cli(['submit', '--dataset', dataset, '--all', '--run-id', 'all', ...roots('here')]);
  const waiter = async () => cluster.cli(['wait', 'all', '--quiet']);
  const reached = (share: number) =>
    waitUntil(
      `${share} of the rows are there`,
      async () => submit.end !== undefined || (await countRows(cluster, 'all')) >= rows * share,
      120_000,
      20,
    );
  await reached(0.1);
  const waiting = await waiter();
  await n1.kill();
  await n1.start();
  await reached(0.4);
  await cluster.head.kill();
  await cluster.head.start();
  await submit.mustEnd(0);
  await waiting.mustEnd(0);

  using results = new DatabaseSync(join(cluster.dir, 'here', 'out', 'results.db'), { readOnly: true });
  const counted = results
    .prepare('SELECT count(*) AS n, count(DISTINCT instance_id) AS ids, count(error) AS errors FROM task_results')
    .get();
  expect(counted).toEqual({ n: rows, ids: rows, errors: 0 });
  const ours = await referenceDigests(join(cluster.dir, 'here', 'references'));
  expect(Object.keys(ours)).toHaveLength(references);
  console.log(`shards that the run left: ${JSON.stringify(await wholeShards(cluster.store, 'all'))}`);

  const embedded = await runCli(
    [
      ...['submit', '--dataset', dataset, '--all', '--run-id', 'embedded', '--quiet', ...roots('embedded')],
      ...['--store', `file://${join(cluster.dir, 'embedded', 'store')}`],
    ],
    { cwd: cluster.dir },
  );
  expect(embedded.code, embedded.stderr).toBe(0);
  expect(ours).toEqual(await referenceDigests(join(cluster.dir, 'embedded', 'references')));
}

it('brings home every row and reference of the example data while a node and the head are killed (P-45)', async () => {
  await threeTerminals(EXAMPLE, { rows: 22, references: 3 });
});

const real = realDataset();
it.skipIf(real === undefined)('brings home all 137 rows and 13 references of the real dataset, too', async () => {
  await threeTerminals(real as string, { rows: 137, references: 13 });
});
