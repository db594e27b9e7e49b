/** `skein fetch` and the references: its lines, its modes, its refusals, and its place in the queue for a database. */
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { uploadShard } from '../../src/reference/shard.ts';
import { openStore } from '../../src/store/open.ts';
import { runCli, startCli, type CliEnd, type RunningCli } from '../helpers/cli.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { writeKbDataset } from '../helpers/kb-dataset.ts';
import { manifestOf, putRun, row } from '../helpers/rows.ts';
import { readTree, reference, tempDir, writeSlice, writeTree, type Tree } from '../helpers/shards.ts';
import { startChild } from '../helpers/talking-child.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const BUILD = fileURLToPath(new URL('../helpers/build-child.ts', import.meta.url));
const OLD = 1_600_000_000;
const NEW = 1_700_000_000;

/** A store below `dir` with a finished run of one task. What is put into its shards is the test's business. */
async function finishedRun(dir: string): Promise<{ args: string[]; shards: string }> {
  const store = join(dir, 'store');
  await using opened = await openStore(pathToFileURL(store).href);
  await putRun(opened, manifestOf(['shop_1']), [row('shop_1')]);
  const args = ['fetch', 'r1', '--store', pathToFileURL(store).href, '--out', join(dir, 'out')];
  return { args, shards: join(store, 'runs', 'r1', 'post_run', 'slayer_models_otf') };
}

const linesOf = (end: CliEnd): string[] => end.stdout.split('\n');

describe('the merge of a fetch', () => {
  it('tells of each database, of those that were lost and why, and of shards that gave nothing, and keeps the report (L-07, M-10, M4, Codex r6 minor, Codex r7, Q-31, Q-32)', async () => {
    await using temp = await tempDir();
    const { args, shards } = await finishedRun(temp.dir);
    const root = join(temp.dir, 'warm');
    await writeSlice(shards, 'h-1', 'shop', reference('shop'));
    await writeSlice(shards, 'h-1', 'lost', reference('half'), { incomplete: true });
    await writeSlice(shards, 'h-2', 'lost', reference('half'), { incomplete: true });
    const evil = reference('evil');
    await writeSlice(shards, 'h-3', 'evil', evil, { mtimes: { '../x': 1 } });
    await writeTree(join(root, 'kept'), reference('kept'), NEW + 5);
    await writeSlice(shards, 'h-1', 'kept', reference('older'), { mtimeS: NEW });
    // A report of before that is damaged is of no account.
    await writeTree(join(temp.dir, 'out'), { 'merge_report.json': '{"cut' });
    const end = await runCli([...args, '--reference-root', root], { cwd: temp.dir });
    expect(end.code).toBe(0);
    const evilReason = '_source_mtimes.json: path "../x" is refused: it has a part ".."';
    expect(linesOf(end)).toEqual(
      expect.arrayContaining([
        'merged slayer_models_otf/kept: 0 files updated, 5 skipped (the local one is as new or newer)',
        'merged slayer_models_otf/shop: 5 files updated, 0 skipped',
        `SKIPPED slayer_models_otf/evil: ${evilReason}`,
        'SKIPPED slayer_models_otf/lost: no complete shard slice (incomplete upload)',
        `refused h-3/evil: ${evilReason}`,
        'ignored 2 incomplete shard(s): h-2, h-3',
      ]),
    );
    expect(JSON.parse(await readFile(join(temp.dir, 'out', 'merge_report.json'), 'utf8'))).toEqual({
      run_id: 'r1',
      merged_dbs: [
        { db: 'kept', files_updated: 0, files_skipped: 5, outcome: 'local-newer', shard: 'h-1' },
        { db: 'shop', files_updated: 5, files_skipped: 0, outcome: 'updated', shard: 'h-1' },
      ],
      skipped_dbs: [
        { db: 'evil', reason: evilReason },
        { db: 'lost', reason: 'no complete shard slice (incomplete upload)' },
      ],
      ignored_shards: ['h-2', 'h-3'],
      refused_slices: [{ shard: 'h-3', db: 'evil', reason: evilReason }],
    });
  });

  it('takes one whole shard, and with --merge-mode per-file the latest of each file (M-03)', async () => {
    await using temp = await tempDir();
    const { args, shards } = await finishedRun(temp.dir);
    const early: Tree = reference('early');
    const times = Object.fromEntries(Object.keys(early).map((path) => [path, NEW]));
    await writeSlice(shards, 'h-1', 'shop', early, { mtimes: { ...times, 'memories.yaml': NEW + 50 } });
    await writeSlice(shards, 'h-2', 'shop', reference('late'), { mtimeS: NEW + 10 });
    const whole = await runCliHere([...args, '--reference-root', join(temp.dir, 'whole')], { cwd: temp.dir });
    expect(whole.code).toBe(0);
    expect(await readTree(join(temp.dir, 'whole', 'shop'))).toEqual(reference('late'));
    const mixed = join(temp.dir, 'mixed');
    const end = await runCliHere([...args, '--reference-root', mixed, '--merge-mode', 'per-file'], { cwd: temp.dir });
    expect(end.code).toBe(0);
    expect(await readTree(join(mixed, 'shop'))).toEqual({ ...reference('late'), 'memories.yaml': 'memories of early' });
  });

  it('is only told of with --dry-run, as lines and as JSON, and nothing is made', async () => {
    await using temp = await tempDir();
    const { args, shards } = await finishedRun(temp.dir);
    await writeSlice(shards, 'h-1', 'shop', reference('new', { 'models/shop/more.yaml': 'm' }));
    const root = join(temp.dir, 'warm');
    await writeTree(join(root, 'shop'), reference('old', { 'models/shop/stale.yaml': 's' }), OLD);
    const before = await readTree(root);
    const dry = [...args, '--reference-root', root, '--dry-run'];
    const lines = await runCliHere(dry, { cwd: temp.dir });
    expect(lines.code).toBe(0);
    expect(linesOf(lines)).toEqual([
      'would merge slayer_models_otf/shop: 6 files updated, 0 skipped',
      '  add models/shop/more.yaml',
      '  change _reference_fp.txt',
      '  change memories.yaml',
      '  change models/shop/items.yaml',
      '  change models/shop/orders.yaml',
      '  remove models/shop/stale.yaml',
      `run r1: nothing was changed in ${root} (--dry-run)`,
      '',
    ]);
    const json = JSON.parse((await runCliHere([...dry, '--json'], { cwd: temp.dir })).stdout) as object;
    expect(json).toMatchObject({
      run_id: 'r1',
      dry_run: true,
      merge: { merged_dbs: [{ db: 'shop', outcome: 'updated', changes: { removed: ['models/shop/stale.yaml'] } }] },
      paths: { reference_root: root },
      exit_reason: 'dry-run',
      exit_code: 0,
    });
    expect(await readTree(root)).toEqual(before);
    expect((await readdir(temp.dir)).sort()).toEqual(['store', 'warm']);
  });

  it('is refused with one line, and nothing made, for a mode that there is not, for flags that exclude each other, and for a root that is a file or lies in one', async () => {
    await using temp = await tempDir();
    const { args } = await finishedRun(temp.dir);
    await writeFile(join(temp.dir, 'a-file'), '');
    for (const [flags, says] of [
      [['--merge-mode', 'newest'], '--merge-mode: "newest" is none of whole, per-file'],
      [['--merge-mode', 'per-file', '--no-merge'], '--merge-mode is about the merge'],
      [['--dry-run', '--no-merge'], '--dry-run is about the merge'],
      [['--reference-root', 'a-file'], '--reference-root'],
      [['--reference-root', 'a-file/below'], '--reference-root'],
      [['--reference-root', 'a-file', '--dry-run'], '--reference-root'],
    ] as const) {
      const end = await runCliHere([...args, ...flags], { cwd: temp.dir });
      expect(end.code, flags.join(' ')).toBe(2);
      expect(end.stderr).toMatch(/^skein: [^\n]+\n$/);
      expect(end.stderr).toContain(says);
      expect((await readdir(temp.dir)).sort()).toEqual(['a-file', 'store']);
    }
  });
});

describe('two fetches and a build of one database', () => {
  it('go one after the other: both fetches wait for the build, then one merges and the other finds it done (S-09, M5, Q-19)', async () => {
    await using temp = await tempDir();
    const { args } = await finishedRun(temp.dir);
    await writeKbDataset(join(temp.dir, 'dataset'), ['shop']);
    const root = join(temp.dir, 'references');
    // What the run built, later than anything that is built now.
    const built = join(temp.dir, 'elsewhere');
    const identity = { encoder_id: 'fake', encoder_version: '1', is_paid: false, built_at_ms: Date.now() + 60_000 };
    await writeTree(join(built, 'shop'), reference('cloud'));
    await writeTree(built, { '.skein/shop.json': JSON.stringify(identity) });
    await using store = await openStore(args[3]!);
    await uploadShard({ store, runId: 'r1', shard: 'h-1-0', database: 'shop', referenceRoot: built });

    await using build = startChild(BUILD, temp.dir, 'shop', '20');
    const opens = (): Promise<string> => readFile(join(temp.dir, 'opens'), 'utf8').catch(() => '');
    await waitUntil('the build has begun to encode', async () => (await opens()) !== '', 15_000, 1);
    // It holds the lock, and holds it until it may go on.
    build.process.kill('SIGSTOP');
    const fetches = ['a', 'b'].map((out) =>
      startCli([...args.slice(0, 4), '--out', join(temp.dir, out), '--reference-root', root, '--json'], {
        cwd: temp.dir,
      }),
    );
    try {
      await Promise.all(fetches.map((fetch) => waits(fetch, build.process.pid!)));
      const sinceMs = performance.now();
      // How long the other holds it while both wait, and not a wait for anything.
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(fetches.map(({ child }) => child.exitCode)).toEqual([null, null]);
      expect(await readTree(join(root, 'shop'))).toEqual({});
      build.process.kill('SIGCONT');
      expect(JSON.parse(await build.hear('{', 20_000))).toMatchObject({ wasBuilt: true });
      const ends = await Promise.all(fetches.map(({ end }) => end));
      expect(performance.now() - sinceMs).toBeGreaterThanOrEqual(500);
      expect(ends.map(({ code }) => code)).toEqual([0, 0]);
      const outcomes = ends.map(
        ({ stdout }) => (JSON.parse(stdout) as { merge: { merged_dbs: { outcome: string }[] } }).merge.merged_dbs[0],
      );
      expect(new Set(outcomes.map((each) => each?.outcome))).toEqual(new Set(['unchanged', 'updated']));
      expect(await readTree(join(root, 'shop'))).toEqual(reference('cloud'));
    } finally {
      build.process.kill('SIGCONT');
      for (const fetch of fetches) fetch[Symbol.dispose]();
    }
    await rm(root, { recursive: true });
  });
});

/** Until `fetch` says that it waits for the process `pid`. */
async function waits(fetch: RunningCli, pid: number): Promise<void> {
  while (!fetch.stderr().includes(`waiting for the reference of shop, held by pid ${pid}`)) {
    await Promise.race([once(fetch.child.stderr!, 'data'), fetch.end]);
    if (fetch.child.exitCode !== null) throw new Error(`the fetch ended before it waited: ${fetch.stderr()}`);
  }
}
