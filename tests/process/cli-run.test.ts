/** The commands as a person types them, on the data that the repository ships: what they print, leave and end with. */
import { cp, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { copyExample, countingSql, EXAMPLE, runCli, setGoldSql, startCli, type CliEnd } from '../helpers/cli.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const ORACLE = ['submit', '--dataset', EXAMPLE, '--mode', 'oracle'];
const ALL = [...ORACLE, '--all'];
const FEW = [...ORACLE, '--instance-ids', 'beehives_1,ferries_1'];

/** The one object on stdout. */
function jsonOf({ stdout }: CliEnd): Record<string, unknown> {
  expect(stdout.trimEnd()).not.toContain('\n');
  return JSON.parse(stdout) as Record<string, unknown>;
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

describe('submit', () => {
  it('runs the gold SQL of every task and puts the results in ./skein-data, all by default (L-14, W-17, V-15, N-08)', async () => {
    const cwd = await temporaryFolder();
    const end = await runCli([...ALL, '--json'], { cwd });
    expect(end.code).toBe(0);
    const data = join(cwd, 'skein-data');
    const summary = jsonOf(end);
    expect(summary).toMatchObject({
      counts: { expected: 22, done: 22, ok: 22, errors: 0, missing: 0 },
      score: { phase1: 22 },
      databases: [{ database: 'beehives', tasks: 8, done: 8, errors: 0 }, {}, {}],
      paths: {
        store: join(data, 'store'),
        out: join(data, 'out'),
        results_db: join(data, 'out', 'results.db'),
        eval: join(data, 'out', 'eval.json'),
        merge_report: join(data, 'out', 'merge_report.json'),
      },
      exit_reason: 'done',
      exit_code: 0,
    });
    const runId = summary['run_id'] as string;
    expect(runId).toMatch(/^\d{8}t\d{4}-oracle-raw-[0-9a-f]{6}$/);
    expect(await isThere(join(data, 'out', runId, 'manifest.json'))).toBe(true);
    using results = new DatabaseSync(join(data, 'out', 'results.db'), { readOnly: true });
    expect(results.prepare('SELECT count(*) AS n FROM task_results WHERE phase1_passed = 1').get()).toEqual({ n: 22 });
    // Progress is on stderr, as lines: nobody draws over a pipe.
    expect(end.stderr).toContain('22 of 22 done');
    expect(end.stderr).not.toContain('\u001B');
  });

  it('prints a table, a score line and the paths; the same again attaches, other ids are refused', async () => {
    const cwd = await temporaryFolder();
    const loud = await runCli([...FEW, '--run-id', 'same'], { cwd });
    expect(loud.code).toBe(0);
    expect(loud.stdout).toMatch(/^database +tasks +done +errors\nbeehives +1 +1 +0\nferries +1 +1 +0\n/);
    expect(loud.stdout).toContain('score: 2 of 2 passed (100.0 %)');
    expect(loud.stdout).toMatch(new RegExp(`^results +${join(cwd, 'skein-data', 'out', 'results.db')}$`, 'm'));

    const rows = join(cwd, 'skein-data', 'store', 'runs', 'same', 'rows', 'beehives_1');
    const before = await stat(join(rows, 'attempt-1.json'));
    const turned = [...ORACLE, '--instance-ids', 'ferries_1,beehives_1', '--run-id', 'same'];
    const quiet = await runCli([...turned, '--actors', '1', '--quiet'], { cwd });
    expect(quiet.code).toBe(0);
    expect(quiet.stderr).toBe('');
    expect(quiet.stdout).toMatch(/^results +\//);
    expect(quiet.stdout).not.toContain('beehives');
    expect((await stat(join(rows, 'attempt-1.json'))).mtimeMs).toBe(before.mtimeMs);
    expect(await readdir(rows)).toEqual(['attempt-1.json']);

    const other = await runCli([...ORACLE, '--instance-ids', 'beehives_1', '--run-id', 'same'], { cwd });
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/^skein: [^\n]*same[^\n]*instance_ids[^\n]*\n$/);
  });
});

describe('a run and the other commands', () => {
  /** Where run `r1` was submitted from: two tasks, encoded, done. */
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'skein-test-'));
    const dataset = await copyExample(join(home, 'data'));
    const few = ['--instance-ids', 'beehives_1,ferries_1'];
    await runCli(['submit', '--dataset', dataset, ...few, '--run-id', 'r1', '--quiet'], { cwd: home });
    await rename(dataset, join(home, 'moved'));
  });
  afterAll(() => rm(home, { recursive: true, force: true }));
  const storeOf = (dir: string): string => join(dir, 'skein-data', 'store', 'runs', 'r1');

  it('is listed (also in the store of SKEIN_STORE), waited for, fetched, and its logs are shown (L-01, L-09, P-01, W-16, P-14)', async () => {
    const list = await runCli(['list'], { cwd: home });
    expect(list.stdout).toMatch(/^r1 +encode\/slayer\/a-interact +done +2\/2 +0/m);
    const env = { SKEIN_STORE: `file://${join(home, 'skein-data', 'store')}` };
    const elsewhere = await runCli(['list', '--json'], { cwd: await temporaryFolder(), env });
    expect(jsonOf(elsewhere)).toMatchObject({ runs: [{ run_id: 'r1', state: 'done', done: 2, total: 2, errors: 0 }] });

    const wait = await runCli(['wait', 'r1', '--json'], { cwd: home });
    expect(wait.code).toBe(0);
    expect(jsonOf(wait)).toMatchObject({ run_id: 'r1', exit_reason: 'done', counts: { ok: 2 } });

    const fetched = await runCli(['fetch', 'r1', '--out', 'other'], { cwd: home });
    expect(fetched.code).toBe(0);
    expect(fetched.stdout).toContain('merged slayer_models_otf/beehives: 0 files updated');
    expect(await readdir(join(home, 'other'))).toEqual(
      expect.arrayContaining(['eval.json', 'merge_report.json', 'r1', 'results.db']),
    );

    const all = await runCli(['logs', 'r1', '-f'], { cwd: home });
    expect(all.code).toBe(0);
    expect(all.stdout).toContain('==> beehives_1, attempt 1');
    const one = await runCli(['logs', 'r1', 'beehives_1'], { cwd: home });
    expect(one.stdout).not.toContain('==>');
  });

  it('fetch and wait exit 3 while ids have no row, and resume goes on, here with other folders (L-06, P-02)', async () => {
    const cwd = await temporaryFolder();
    // The run as it stands after a kill: a row short, and no end.
    await copyHalf(storeOf(home), join(cwd, 'half', 'runs', 'r1'));
    const url = `file://${join(cwd, 'half')}`;
    const fetched = await runCli(['fetch', 'r1', '--store', url, '--out', 'out', '--json'], { cwd });
    expect(fetched.code).toBe(3);
    expect(jsonOf(fetched)).toMatchObject({ counts: { expected: 2, done: 1, missing: 1 }, exit_reason: 'partial' });
    expect(fetched.stderr).toContain(`skein resume r1 --store ${url} --out out`);
    expect(await isThere(join(cwd, 'out', 'results.db'))).toBe(true);
    expect((await runCli(['wait', 'r1', '--store', url, '--poll', '0'], { cwd })).code).toBe(3);

    const resume = ['resume', 'r1', '--store', url, '--json'];
    const lost = await runCli(resume, { cwd });
    expect([lost.code, lost.stderr]).toEqual([2, expect.stringContaining(`dataset_dir "${join(home, 'data')}"`)]);
    const others = ['--dataset', join(home, 'moved'), '--cache-root', 'caches', '--reference-root', 'references'];
    const end = await runCli([...resume, ...others], { cwd });
    expect(end.code).toBe(0);
    expect(end.stderr).toContain('1 of 2 ids have no row; they are started again as the same attempt');
    expect(jsonOf(end)).toMatchObject({
      counts: { expected: 2, ok: 2 },
      paths: { cache_root: join(cwd, 'caches'), reference_root: join(cwd, 'references') },
      exit_reason: 'done',
    });
    expect(await isThere(join(cwd, 'references', 'ferries', '_reference_fp.txt'))).toBe(true);
  });

  it('encodes references without tasks, and says what it found there (V-28)', async () => {
    const cwd = await temporaryFolder();
    const args = ['encode', '--dataset', EXAMPLE, '--databases', 'glassworks', '--json'];
    const first = await runCli(args, { cwd });
    expect(first.code).toBe(0);
    expect(jsonOf(first)).toMatchObject({ databases: [{ database: 'glassworks', reused: false }], exit_code: 0 });
    const second = await runCli(args, { cwd });
    expect(jsonOf(second)).toMatchObject({ databases: [{ database: 'glassworks', reused: true }] });
    expect(await isThere(join(cwd, 'skein-data', 'store'))).toBe(false);
  });
});

describe('Ctrl-C', () => {
  it('the second leaves at once, whatever is running (L-13)', async () => {
    const cwd = await temporaryFolder();
    const dataset = await copyExample(join(cwd, 'data'));
    await setGoldSql(dataset, countingSql(1_000_000_000), 2);
    const args = ['submit', '--dataset', dataset, '--all', '--mode', 'oracle', '--run-id', 'r1', '--grace', '600'];
    using running = startCli([...args, '--sql-timeout-ms', '600000'], { cwd });
    const { child, end, stderr } = running;
    await waitUntil('a started task', () => /[1-9]\d* in flight/.test(stderr()), 20_000);
    child.kill('SIGINT');
    await waitUntil('the word that it stops', () => stderr().includes('stopping'));
    child.kill('SIGINT');
    expect((await end).code).toBe(130);
  });
});

async function copyHalf(from: string, to: string): Promise<void> {
  await cp(join(from, 'rows', 'beehives_1'), join(to, 'rows', 'beehives_1'), { recursive: true });
  await cp(join(from, 'manifest.json'), join(to, 'manifest.json'));
}
