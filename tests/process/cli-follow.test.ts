/** A task is followed while it runs: what it prints and says is shown before it ends, and nothing of it twice. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { startCli } from '../helpers/cli.ts';
import { makeNoopDataset } from '../helpers/cluster/noop-dataset.ts';
import { startCliHere } from '../helpers/command-line.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

it('logs -f shows a running task its log and its messages, as they are snapshotted (V-02, P-06)', async () => {
  const cwd = await temporaryFolder();
  const fields = () => ({ noop_message_ms: 200 });
  const { dir } = await makeNoopDataset(join(cwd, 'data'), { tasks: 1, databases: 1, ms: () => 2_000, fields });
  const submit = ['submit', '--dataset', dir, '--all', '--framework', 'noop', '--query-mode', 'raw', '--run-id', 'r1'];
  using run = startCli([...submit, '--snapshot-every', '0.2'], { cwd });
  const rows = join(cwd, 'skein-data', 'store', 'runs', 'r1', 'rows', 'd0_0');
  const names = (): Promise<string[]> => readdir(rows).catch(() => []);
  await waitUntil('the task has said something', async () => (await names()).length > 0, 15_000);
  using following = startCliHere(['logs', 'r1', 'd0_0', '-f'], { cwd });
  await waitUntil('it is shown', () => /noop: d0_0[^]*transcript: noop:/.test(following.stdout()), 10_000);
  expect(await names()).toEqual(['partial_transcript.jsonl']);

  const [ended, followed] = await Promise.all([run.end, following.end]);
  expect([ended.code, followed.code, followed.stderr]).toEqual([0, 0, '']);
  expect(followed.stdout.match(/^noop: d0_0$/gm)).toHaveLength(1);
  expect(followed.stdout).toMatch(/^\[timing\] task done/m);
  expect(new Set(followed.stdout.match(/^transcript: .*$/gm)).size).toBeGreaterThan(1);
  expect(await readdir(join(rows, '..', '..', 'logs', 'd0_0'))).toEqual(['attempt-1.log']);
});
