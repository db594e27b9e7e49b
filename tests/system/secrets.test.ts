/**
 * A canary in every secret of a run, on a cluster of real processes: the actor that asks for it has it, through the death of
 * head and node; nothing that is left, shown or told has it, and no other process (W-13, W-14, P-26).
 */
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { sha256 } from '../../src/kernel/digest.ts';
import { canary, CanaryHunt } from '../helpers/canary.ts';
import { Cluster } from '../helpers/cluster/cluster.ts';
import { makeNoopDataset } from '../helpers/cluster/noop-dataset.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const NAMES = ['ANTHROPIC_API_KEY', 'GEMINI_API_KEY', 'MY_TOKEN', 'FILE_KEY', 'A_NUMBER'] as const;

it('a secret is nowhere but in the environment of the actors of its run (W-13, W-14, P-26, P-27)', async () => {
  const [agentKey, userKey, token, inFile, number] = [canary(), canary(), canary(), canary(), '914376028154'];
  const hunt = new CanaryHunt([agentKey, userKey, token, inFile, number]);
  const env = { ANTHROPIC_API_KEY: agentKey, GEMINI_API_KEY: userKey, MY_TOKEN: token };
  await using cluster = await Cluster.start(1, 2, { lostAfterS: 300 });
  const shown: string[] = [];
  const typed = async (
    args: readonly string[],
    code = 0,
    own: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const end = await cluster.run(args, code, own);
    shown.push(end.stdout, end.stderr);
    return end.stdout + end.stderr;
  };

  const file = join(cluster.dir, 'my-secrets');
  await writeFile(file, JSON.stringify({ FILE_KEY: inFile, A_NUMBER: Number(number) }));
  await chmod(file, 0o600);
  const leaks = (index: number): Readonly<Record<string, unknown>> => {
    if (index === 1) return { noop_leaks: NAMES, noop_throws: '401 for key' };
    return { noop_env: NAMES, noop_leaks: NAMES, ...(index === 2 && { noop_dies: 1 }) };
  };
  // Others than the first ones take long enough to be met by the deaths below.
  const ms = (index: number): number => (index < 3 ? 0 : 600);
  const dataset = await makeNoopDataset(join(cluster.dir, 'data'), { tasks: 26, databases: 1, ms, fields: leaks });
  const other = await makeNoopDataset(join(cluster.dir, 'other'), {
    ...{ tasks: 2, databases: 1, prefix: 'o', fields: () => ({ noop_env: NAMES }) },
  });
  const common = ['--all', '--framework', 'noop', '--query-mode', 'raw', '--detach'];
  const models = ['--agent-model', 'anthropic/some', '--user-sim-model', 'gemini/some', '--secret', 'MY_TOKEN'];
  const run = ['submit', '--dataset', dataset.dir, ...common, '--run-id', 'r1', ...models, '--secrets-file', file];

  // A key that is not there: lines to copy, and no run.
  const refused = await typed(run, 2, { ANTHROPIC_API_KEY: agentKey, MY_TOKEN: token });
  expect(refused).toMatch(
    /^skein: [^\n]*GEMINI_API_KEY \(--user-sim-model gemini\/some\)[^\n]*\nexport GEMINI_API_KEY=<your-key>\n$/,
  );
  // A run that names none of them, on the same node.
  await typed(['submit', '--dataset', other.dir, ...common, '--run-id', 'r2'], 0, env);
  await typed(['wait', 'r2', '--poll', '0.2']);
  await typed(run, 0, env);
  await rm(file);
  const starts = async () => (await dataset.records()).filter(({ what }) => what === 'start').length;
  await waitUntil('some have started', async () => (await starts()) >= 5, 20_000);
  const node = await cluster.node('n1');
  for (const daemon of [cluster.head, node]) {
    expect(hunt.inProcesses(daemon.process.pid)).toMatchObject({ found: [] });
  }

  // The node outlives its head with what it has; nobody is asked again.
  const before = await starts();
  await cluster.head.kill();
  await cluster.head.start();
  await waitUntil('the run goes on', async () => (await starts()) > before, 20_000);
  // Both die: who comes next has nothing, so nothing is started, and nothing fails because of it.
  await node.kill();
  await cluster.head.kill();
  await cluster.head.start();
  await node.start();
  const reason = `needs its secrets (${[...NAMES].sort().join(', ')}): skein resume r1`;
  await waitUntil('the run waits', async () => (await typed(['status'])).includes(`run r1: ${reason}`), 20_000, 100);
  const begun = await starts();
  expect(await typed(['wait', 'r1', '--poll', '0.2'], 3)).toContain(reason);
  expect(await typed(['list'])).toContain(reason);
  expect(JSON.parse(await typed(['list', '--json'])) as unknown).toMatchObject({
    runs: expect.arrayContaining([expect.objectContaining({ run_id: 'r1', waiting_for: reason })]) as unknown,
  });
  await typed(['status', '--json']);
  await typed(['diagnose', 'r1', '--out', join(cluster.dir, 'diagnosis-waiting')]);
  await typed(['resume', 'r1', '--detach'], 2, { ANTHROPIC_API_KEY: agentKey, GEMINI_API_KEY: userKey });
  expect(await starts()).toBe(begun);

  await writeFile(file, JSON.stringify({ FILE_KEY: inFile, A_NUMBER: number, ...env }), { mode: 0o600 });
  await typed(['resume', 'r1', '--secrets-file', file, '--quiet'], 1);
  await rm(file);
  await typed(['logs', 'r1']);
  for (const id of ['d0_0', 'd0_1', 'd0_2']) await typed(['show', 'r1', id]);
  await typed(['diagnose', 'r1', '--out', join(cluster.dir, 'diagnosis')]);
  await typed(['fetch', 'r1', '--out', join(cluster.dir, 'out')], 1);
  await node.stop();
  await cluster.head.stop();

  const rowOf = async (runId: string, id: string, attempt = 1): Promise<Record<string, unknown>> =>
    JSON.parse(
      await readFile(join(cluster.dir, 'bucket', 'runs', runId, 'rows', id, `attempt-${attempt}.json`), 'utf8'),
    );
  const values = { ...env, FILE_KEY: inFile, A_NUMBER: number };
  const digests = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, sha256(value)]));
  expect((await rowOf('r1', 'd0_0'))['noop_env']).toEqual(digests);
  expect((await rowOf('r1', 'd0_2', 2))['noop_env']).toEqual(digests);
  expect((await rowOf('r2', 'o0_0'))['noop_env']).toEqual(Object.fromEntries(NAMES.map((name) => [name, null])));
  // What user code throws and prints is kept, but for the secrets in it.
  expect((await rowOf('r1', 'd0_1'))['error']).toMatch(
    /^401 for key \[secret ANTHROPIC_API_KEY\] .*\[secret A_NUMBER\]$/,
  );
  const log = await readFile(join(cluster.dir, 'bucket', 'runs', 'r1', 'logs', 'd0_0', 'attempt-1.log'), 'utf8');
  expect(log).toMatch(/noop leaks \[secret MY_TOKEN\]\nnoop leaks \S*\[secret MY_TOKEN\]/);
  const said = join(cluster.dir, 'bucket', 'runs', 'r1', 'rows', 'd0_0', 'partial_transcript.jsonl');
  expect(JSON.parse((await readFile(said, 'utf8')).split('\n', 1)[0] ?? '')).toEqual({
    ...{ role: 'tool', content: '[secret ANTHROPIC_API_KEY]' },
  });
  const errors = await Promise.all(dataset.ids.map(async (id) => (await rowOf('r1', id))['error']));
  expect(errors.filter((error) => error !== null && error !== 'actor-lost')).toHaveLength(1);

  // Datasets, bucket, data dirs of head and node, results: one folder.
  const { found, files } = hunt.below(cluster.dir);
  expect(found).toEqual([]);
  expect(files).toBeGreaterThan(60);
  expect(hunt.isIn(shown.join('\n'))).toBe(false);
}, 90_000);

it('is never sent in plain text over a network, unless somebody types that it may (W-13)', async () => {
  const value = canary();
  await using cluster = await Cluster.start(1, 1, { headFlags: ['--host', '0.0.0.0', '--insecure'] });
  const dataset = await makeNoopDataset(join(cluster.dir, 'data'), {
    tasks: 1,
    fields: () => ({ noop_env: ['A_KEY'] }),
  });
  const run = ['submit', '--dataset', dataset.dir, '--all', '--framework', 'noop', '--query-mode', 'raw', '--quiet'];
  const refused = await cluster.run([...run, '--run-id', 'r1', '--secret', 'A_KEY'], 2, { A_KEY: value });
  expect(refused.stderr).toMatch(
    /^skein: --address: [^\n]*uses no TLS, so A_KEY would travel in plain text[^\n]*--insecure[^\n]*\n$/,
  );
  expect(refused.stderr).not.toContain(value);
  await cluster.run([...run, '--run-id', 'r1', '--secret', 'A_KEY', '--insecure'], 0, { A_KEY: value });
}, 60_000);

it('is given again by a submit that is still there, when nobody else has it any more (W-13)', async () => {
  const value = canary();
  await using cluster = await Cluster.start(1, 2, { lostAfterS: 300 });
  const dataset = await makeNoopDataset(join(cluster.dir, 'data'), {
    ...{ tasks: 12, databases: 1, ms: () => 300, fields: () => ({ noop_env: ['A_KEY'] }) },
  });
  const run = ['submit', '--dataset', dataset.dir, '--all', '--framework', 'noop', '--query-mode', 'raw'];
  const submit = cluster.cli([...run, '--run-id', 'r1', '--secret', 'A_KEY'], { A_KEY: value });
  await waitUntil('some have started', async () => (await dataset.records()).length >= 3, 20_000);
  const node = await cluster.node('n1');
  await node.kill();
  await cluster.head.kill();
  await cluster.head.start();
  await node.start();
  await submit.mustEnd(0);
  expect(submit.stdout + submit.stderr).not.toContain(value);
}, 60_000);
