/** `resubmit`, `list RUN`, `pin` and `wait` as a person types them, on runs inside the command. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { runCli, startCli, type CliEnd } from '../helpers/cli.ts';
import { makeNoopDataset, type NoopDataset } from '../helpers/cluster/noop-dataset.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { GcsServer } from '../helpers/gcs-server/server.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const NOOP = ['--all', '--framework', 'noop', '--query-mode', 'raw', '--run-id', 'r1', '--actors', '2'];

function jsonOf({ stdout, stderr }: CliEnd): Record<string, unknown> {
  expect(stdout.trimEnd(), stderr).toMatch(/^\{[^\n]*\}$/);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** A run whose tasks `d0_0` and `d1_1` of four failed for a reason that is mended since. */
async function failedRun(cwd: string): Promise<NoopDataset> {
  const broken = (index: number) => (index < 2 ? { noop_throws: 'quota is used up' } : {});
  const dataset = await makeNoopDataset(join(cwd, 'data'), { tasks: 4, fields: broken });
  const end = await runCli(['submit', '--dataset', dataset.dir, ...NOOP, '--json'], { cwd });
  expect([end.code, jsonOf(end)['counts']]).toEqual([1, { expected: 4, done: 4, ok: 2, errors: 2, missing: 0 }]);
  await mend(dataset);
  return dataset;
}

async function mend({ dir }: NoopDataset): Promise<void> {
  const path = join(dir, 'mini_interact.jsonl');
  await writeFile(path, (await readFile(path, 'utf8')).replaceAll('"noop_throws"', '"was_broken"'));
}

describe('resubmit', () => {
  it('runs the errors once more as the next attempt, says why, and brings everything home (L-11, P-50)', async () => {
    const cwd = await temporaryFolder();
    const dataset = await failedRun(cwd);
    const waited = await runCliHere(['wait', 'r1'], { cwd });
    expect([waited.code, waited.stderr]).toEqual([1, expect.stringContaining('skein resubmit r1')]);

    const end = await runCli(['resubmit', 'r1', '--reason', 'quota', '--json'], { cwd });
    expect([end.code, jsonOf(end)]).toMatchObject([
      0,
      { counts: { expected: 4, ok: 4, errors: 0 }, exit_reason: 'done' },
    ]);
    expect(end.stderr).toContain('2 ids run again as attempt 2: 2 with an error, 0 unreadable, 0 without a row');
    const starts = (await dataset.records()).filter(({ what }) => what === 'start');
    const second = starts.filter(({ attempt }) => attempt === 2).map((start) => start.instance_id);
    expect([starts.length, second.sort()]).toEqual([6, ['d0_0', 'd1_1']]);
    const rows = join(cwd, 'skein-data', 'store', 'runs', 'r1', 'rows');
    expect(await readdir(join(rows, 'd0_0'))).toEqual(['attempt-1.json', 'attempt-2.json']);
    expect(await readdir(join(rows, 'd2_2'))).toEqual(['attempt-1.json']);

    const shown = await runCliHere(['list', 'r1'], { cwd });
    expect(shown.stdout).toMatch(/^rows +4 of 4: 4 ok, 0 errors, 0 missing$/m);
    expect(shown.stdout).toMatch(/^attempt 2 +2 ids, by \S+@\S+: quota$/m);
    expect((await runCliHere(['wait', 'r1', '--min-attempt', '2'], { cwd })).code).toBe(0);
    expect((await runCliHere(['fetch', 'r1', '--json'], { cwd })).code).toBe(0);
  });

  it('has nothing to do for a run that is good, touches nothing and ends with 0 (L-11)', async () => {
    const cwd = await temporaryFolder();
    const dataset = await makeNoopDataset(join(cwd, 'data'), { tasks: 2 });
    expect((await runCli(['submit', '--dataset', dataset.dir, ...NOOP, '--quiet'], { cwd })).code).toBe(0);
    const listed = async () => (await readdir(join(cwd, 'skein-data'), { recursive: true })).sort();
    const before = await listed();
    const end = await runCliHere(['resubmit', 'r1'], { cwd });
    expect([end.code, end.stdout, end.stderr]).toEqual([0, expect.stringContaining('nothing is run again'), '']);
    const json = jsonOf(await runCliHere(['resubmit', 'r1', '--json'], { cwd }));
    expect(json).toMatchObject({ exit_reason: 'nothing-to-do', counts: { ok: 2 }, exit_code: 0 });
    expect(await listed()).toEqual(before);
  });

  it('that is killed in the midst is finished by resume, as the same attempt (L-12)', async () => {
    const cwd = await temporaryFolder();
    const dataset = await failedRun(cwd);
    for (const failPoint of ['head.run-leased', 'row.before-write']) {
      const env = { SKEIN_FAILPOINT: failPoint };
      const dead = await runCli(['resubmit', 'r1', '--quiet'], { cwd, env });
      expect(dead.signal, failPoint).toBe('SIGKILL');
      const fetched = await runCliHere(['fetch', 'r1'], { cwd });
      expect([failPoint, fetched.code]).toEqual([failPoint, 3]);
    }
    const listed = jsonOf(await runCliHere(['list', '--json'], { cwd }));
    expect(listed['runs']).toMatchObject([{ run_id: 'r1', done: 2, total: 4, attempt: 3 }]);
    const end = await runCli(['resume', 'r1', '--json'], { cwd });
    expect([end.code, jsonOf(end)]).toMatchObject([0, { counts: { expected: 4, ok: 4 } }]);
    const attempts = (await dataset.records()).map(({ attempt }) => attempt);
    expect(Math.max(...attempts)).toBe(3);
  });

  it('is refused while the run is worked on, and without what it needs, in one line each (L-08)', async () => {
    const cwd = await temporaryFolder();
    const dataset = await makeNoopDataset(join(cwd, 'data'), { tasks: 2, ms: () => 60_000 });
    using running = startCli(['submit', '--dataset', dataset.dir, ...NOOP, '--grace', '0'], { cwd });
    await waitUntil('tasks run', async () => (await dataset.records()).length === 2, 20_000);
    for (const command of ['resubmit', 'resume', 'kill']) {
      const end = await runCliHere([command, 'r1'], { cwd });
      expect([command, end.code]).toEqual([command, 2]);
      expect(end.stderr).toMatch(/^skein: run r1: a skein command [^\n]* works on it; [^\n]*skein wait r1[^\n]*\n$/);
    }
    const looked = await runCliHere(['wait', 'r1', '--poll', '0', '--json'], { cwd });
    expect(jsonOf(looked)).toMatchObject({ exit_reason: 'poll-once-exit', exit_code: 3 });
    running.child.kill('SIGINT');
    expect((await running.end).code).toBe(130);
    const stopped = await runCliHere(['wait', 'r1', '--json'], { cwd });
    expect(jsonOf(stopped)).toMatchObject({
      exit_reason: 'headless',
      hint: expect.stringContaining('skein resume r1'),
    });
    for (const times of [1, 2]) {
      const end = await runCliHere(['kill', 'r1'], { cwd });
      expect([times, end.code, end.stdout]).toEqual([times, 0, expect.stringContaining('run r1: stopped')]);
    }
    const none = await runCliHere(['resubmit', 'r2'], { cwd });
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/^skein: run r2: no such run[^\n]*\n$/)]);
    const alone = await runCliHere(['resubmit', 'r1', '--detach'], { cwd });
    expect([alone.code, alone.stderr]).toEqual([
      2,
      expect.stringMatching(/^skein: --detach: [^\n]*--address[^\n]*\n$/),
    ]);
  });
});

describe('pin', () => {
  it('keeps a run in its bucket for good, what a resubmit of it brings later too, and is shown (P-40, B-05)', async () => {
    const cwd = await temporaryFolder();
    await using server = await GcsServer.start({ buckets: ['bucket'] });
    const env = { SKEIN_GCS_ENDPOINT: server.url, SKEIN_STORE: 'gs://bucket/team' };
    const fields = (index: number) => (index === 0 ? { noop_throws: 'quota is used up' } : {});
    const dataset = await makeNoopDataset(join(cwd, 'data'), { tasks: 2, fields });
    expect((await runCli(['submit', '--dataset', dataset.dir, ...NOOP, '--quiet'], { cwd, env })).code).toBe(1);
    const runs = async () => jsonOf(await runCli(['list', '--json'], { cwd, env }))['runs'];
    const day = 86_400_000;
    expect(await runs()).toMatchObject([{ run_id: 'r1', pinned: null, expires_at_ms: expect.any(Number) }]);
    expect((await runCli(['list'], { cwd, env })).stdout).toMatch(/^r1 .* in (?:29|30) d$/m);

    const pinned = await runCli(['pin', 'r1'], { cwd, env });
    expect([pinned.code, pinned.stdout]).toEqual([0, expect.stringMatching(/^run r1 is pinned; \d+ objects held$/m)]);
    await mend(dataset);
    expect((await runCli(['resubmit', 'r1', '--quiet'], { cwd, env })).code).toBe(0);
    server.bucket('bucket').clearUp(Date.now() + 31 * day);
    // The status went, since nobody may hold what is written over; the rows tell how far the run is.
    expect(await runs()).toMatchObject([
      { run_id: 'r1', state: 'done', done: 2, total: 2, pinned: { by: expect.any(String) }, expires_at_ms: null },
    ]);
    const fetched = await runCli(['fetch', 'r1', '--out', 'later', '--json'], { cwd, env });
    expect(jsonOf(fetched)).toMatchObject({ counts: { expected: 2, ok: 2, missing: 0 }, exit_code: 0 });

    expect((await runCli(['unpin', 'r1'], { cwd, env })).stdout).toContain('run r1 is pinned no more');
    server.bucket('bucket').clearUp(Date.now() + 62 * day);
    expect(server.bucket('bucket').size).toBe(0);
  });

  it('is shown by list, where nothing ever expires, and taken back by unpin (P-40)', async () => {
    const cwd = await temporaryFolder();
    const dataset = await makeNoopDataset(join(cwd, 'data'), { tasks: 1 });
    await runCli(['submit', '--dataset', dataset.dir, ...NOOP, '--quiet'], { cwd });
    const list = async () => (await runCliHere(['list'], { cwd })).stdout;
    expect(await list()).toMatch(/^r1 +noop\/raw\/a-interact +done +1\/1 +0 +.* ago +never$/m);
    expect((await runCliHere(['pin', 'r1'], { cwd })).stdout).toContain('run r1 is pinned; file:');
    expect((await runCliHere(['pin', 'r1'], { cwd })).stdout).toContain('run r1 is pinned already');
    expect(await list()).toMatch(/^r1 .* pinned$/m);
    expect(jsonOf(await runCliHere(['unpin', 'r1', '--json'], { cwd }))).toMatchObject({ was_pinned: true });
    expect(await list()).toMatch(/^r1 .* never$/m);
    expect((await runCliHere(['pin', 'r2'], { cwd })).code).toBe(2);
  });
});
