/** A framework of the user's own on a cluster: by the store to every node, by its digest, and only where users' code may run. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { createManifest, makeManifest } from '../../src/run/manifest.ts';
import { EXAMPLE } from '../helpers/cli.ts';
import { Cluster } from '../helpers/cluster/cluster.ts';
import { wholeShards } from '../helpers/cluster/references.ts';

const AGENT = fileURLToPath(new URL('../../examples/frameworks/keyword-agent.ts', import.meta.url));

const submitAll = (cluster: Cluster, run: string): string[] => [
  ...['submit', '--dataset', EXAMPLE, '--all', '--run-id', run, '--framework', AGENT],
  ...['--cache-root', join(cluster.dir, 'here', 'caches'), '--reference-root', join(cluster.dir, 'here', 'references')],
  ...['--out', join(cluster.dir, 'here', 'out')],
];
const frameworksIn = (dir: string): Promise<string[]> => readdir(join(dir, 'frameworks')).catch(() => []);

it('every node runs the one that was submitted; the same again ships nothing', async () => {
  await using cluster = await Cluster.start(2, 2, { lostAfterS: 300 });
  const first = await cluster.run(submitAll(cluster, 'first'));
  expect(first.stdout).toContain('score: 12 of 22 passed');
  expect(first.stderr).toMatch(/framework keyword-agent\.ts: uploaded \d+ kB/);
  // Each database was encoded once, since the agents work on its reference.
  expect(await wholeShards(cluster.store, 'first')).toEqual({ beehives: 1, ferries: 1, glassworks: 1 });
  const [name] = await readdir(join(cluster.dir, 'bucket', 'frameworks'));
  expect(await frameworksIn(cluster.nodes.get('n1')!.dataDir)).toEqual([name]);
  expect(await frameworksIn(cluster.nodes.get('n2')!.dataDir)).toEqual([name]);
  const second = await cluster.run(submitAll(cluster, 'second'));
  expect(second.stdout).toContain('score: 12 of 22 passed');
  expect(second.stderr).toContain('framework keyword-agent.ts: as in the store');
});

it('nodes that run no users’ code leave it to the others, and a cluster of such nodes takes no such run', async () => {
  await using cluster = await Cluster.create({ lostAfterS: 300 });
  await cluster.head.start();
  const refusing = await (await cluster.node('n1', 2, { flags: ['--no-user-code'] })).start();
  const refused = await cluster.run(submitAll(cluster, 'none'), 2);
  expect(refused.stderr).toMatch(
    /^skein: --framework: "keyword-agent\.ts" is not run at [\d.:]+: every node was started with --no-user-code; [^\n]+\n$/,
  );
  expect(await readdir(join(cluster.dir, 'bucket'))).not.toContain('frameworks');
  await (await cluster.node('n2', 2)).start();
  const taken = await cluster.run(submitAll(cluster, 'some'));
  expect(taken.stdout).toContain('score: 12 of 22 passed');
  expect(await frameworksIn(refusing.dataDir)).toEqual([]);
});

it('a head that runs no users’ code refuses it before anything is made, and the frameworks that are built in still run', async () => {
  await using cluster = await Cluster.start(1, 2, { headFlags: ['--no-user-code'] });
  const refused = await cluster.run(submitAll(cluster, 'none'), 2);
  expect(refused.stderr).toMatch(/^skein: --framework: [^\n]*: this head was started with --no-user-code; [^\n]+\n$/);
  expect(await readdir(join(cluster.dir, 'bucket'))).not.toContain('runs');
  // One that somebody put there by another way is not started either.
  const framework_bundle = { digest: 'a'.repeat(64), file: 'mine.ts' };
  const manifest = makeManifest({
    run_id: 'smuggled',
    framework: 'mine',
    instance_ids: ['ferries_1'],
    framework_bundle,
  });
  await createManifest(cluster.store, manifest);
  using client = await cluster.headClient();
  await expect(client.startRun('smuggled', 0)).rejects.toThrow(/mine\.ts.*--no-user-code/);
  expect((await cluster.run(['resume', 'smuggled'], 2)).stderr).toMatch(
    /^skein: --framework: "mine\.ts" is not run at /,
  );
  await cluster.run([
    'submit',
    '--dataset',
    EXAMPLE,
    '--instance-ids',
    'ferries_1',
    '--mode',
    'oracle',
    '--run-id',
    'ours',
    '--out',
    join(cluster.dir, 'out'),
  ]);
});
