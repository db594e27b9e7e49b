/** Whole runs through the product's own command on the example data, as a user types them. */
import { spawn } from 'node:child_process';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { describe, it } from 'vitest';

import { BIN, EXAMPLE_DATASET, skein } from '../helpers/skein.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const RUNAWAY = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n';

interface Summary {
  readonly run_id: string;
  readonly counts: {
    readonly expected: number;
    readonly done: number;
    readonly errors: number;
    readonly missing: number;
  };
  readonly score: { readonly phase1: number };
  readonly databases: readonly {
    readonly database: string;
    readonly reused: boolean;
    readonly encoded: number;
    readonly deferred: number;
  }[];
  readonly exit_reason: string;
  readonly exit_code: number;
}

function common(dir: string, actors = 2): string[] {
  return [
    ...['--store', `file://${join(dir, 'store')}`, '--cache-root', join(dir, 'cache')],
    ...['--reference-root', join(dir, 'references'), '--actors', String(actors), '--json'],
  ];
}

/** Databases whose reference this run shipped: those that it encoded itself. */
async function encodedBy(dir: string, run: string): Promise<string[]> {
  const shards = join(dir, 'store', 'runs', run, 'post_run', 'slayer_models_otf');
  if (!existsSync(shards)) return [];
  const slices = await Promise.all((await readdir(shards)).map((shard) => readdir(join(shards, shard))));
  return slices.flat().sort();
}

/** The example data with the gold SQL of one task replaced by a statement that never ends. */
async function withRunaway(dir: string, instanceId: string): Promise<string> {
  const dataset = join(dir, 'dataset');
  await cp(EXAMPLE_DATASET, dataset, { recursive: true });
  const path = join(dataset, 'mini_interact.jsonl');
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  const changed = lines.map((line) => {
    const task = JSON.parse(line) as { instance_id: string };
    return task.instance_id === instanceId ? JSON.stringify({ ...task, sol_sql: [RUNAWAY] }) : line;
  });
  await writeFile(path, `${changed.join('\n')}\n`);
  return dataset;
}

describe.concurrent('a run', () => {
  it('builds caches and references, and the second time reuses every one and encodes nothing (V-06, W-17)', async ({
    expect: its,
    onTestFinished,
  }) => {
    const dir = await temporaryFolder(onTestFinished);
    const submit = (run: string) =>
      skein([
        'submit',
        '--dataset',
        EXAMPLE_DATASET,
        '--all',
        '--run-id',
        run,
        '--out',
        join(dir, run),
        ...common(dir),
      ]);
    const first = await submit('first');
    its(first.code, first.stderr).toBe(0);
    for (const { database, reused, encoded, deferred } of (JSON.parse(first.stdout) as Summary).databases) {
      its(reused).toBe(false);
      its(encoded + deferred).toBeGreaterThan(0);
      its(existsSync(join(dir, 'references', database, '_reference_fp.txt'))).toBe(true);
      its(existsSync(join(dir, 'cache', database, '_cache_fp.txt'))).toBe(true);
    }
    const second = await submit('second');
    its(second.code, second.stderr).toBe(0);
    its(second.stderr).not.toContain('built');
    its(await encodedBy(dir, 'first')).toEqual(['beehives', 'ferries', 'glassworks']);
    its(await encodedBy(dir, 'second')).toEqual([]);
    const { counts, databases } = JSON.parse(second.stdout) as Summary;
    its(counts).toMatchObject({ expected: 22, done: 22, errors: 0, missing: 0 });
    its(databases.every(({ reused }) => reused)).toBe(true);
  });

  it('encodes each database once when two start at the same time on the same roots and store (H4)', async ({
    expect: its,
    onTestFinished,
  }) => {
    const dir = await temporaryFolder(onTestFinished);
    const runs = ['left', 'right'];
    const ends = await Promise.all(
      runs.map((run) =>
        skein([
          'submit',
          '--dataset',
          EXAMPLE_DATASET,
          '--all',
          '--run-id',
          run,
          '--out',
          join(dir, run),
          ...common(dir),
        ]),
      ),
    );
    for (const { code, stderr } of ends) its(code, stderr).toBe(0);
    const builders = await Promise.all(
      ['beehives', 'ferries', 'glassworks'].map(
        async (database) =>
          JSON.parse(await readFile(join(dir, 'references', '.skein', `${database}.json`), 'utf8')) as {
            run_id: string;
          },
      ),
    );
    its(builders.map(({ run_id }) => runs.includes(run_id))).toEqual([true, true, true]);
    const sessions = await Promise.all(
      runs.map(async (run) => {
        const path = join(dir, 'store', 'runs', run, 'sessions', '_setup_sessions');
        return existsSync(path) ? readdir(path) : [];
      }),
    );
    its(sessions.flat().sort(), 'the encoder was at work once per database').toEqual([
      'beehives',
      'ferries',
      'glassworks',
    ]);
  });

  it('gives a statement that never ends an error row soon after its deadline, and scores the others', async ({
    expect: its,
    onTestFinished,
  }) => {
    const dir = await temporaryFolder(onTestFinished);
    const dataset = await withRunaway(dir, 'beehives_1');
    const end = await skein([
      ...[
        'submit',
        '--dataset',
        dataset,
        '--all',
        '--mode',
        'oracle',
        '--run-id',
        'runaway',
        '--sql-timeout-ms',
        '400',
      ],
      ...['--out', join(dir, 'out'), ...common(dir)],
    ]);
    its(end.code, end.stderr).toBe(1);
    its(JSON.parse(end.stdout)).toMatchObject({
      counts: { expected: 22, done: 22, ok: 21, errors: 1, missing: 0 },
      score: { phase1: 21 },
      exit_reason: 'errors',
      exit_code: 1,
    });
    const row = JSON.parse(
      await readFile(join(dir, 'store', 'runs', 'runaway', 'rows', 'beehives_1', 'attempt-1.json'), 'utf8'),
    ) as { error: string; duration_s: number };
    its(row.error).toMatch(/400 ms/);
    its(row.duration_s).toBeGreaterThan(0.4);
  });

  it('stops on Ctrl-C after the grace with 130 and says how to go on, and resume finishes it (L-13, X-07)', async ({
    expect: its,
    onTestFinished,
  }) => {
    const dir = await temporaryFolder(onTestFinished);
    const dataset = await withRunaway(dir, 'beehives_2');
    const out = ['--out', join(dir, 'out')];
    // One ends, one never does, and one is still waiting.
    const ids = 'beehives_1,beehives_2,ferries_1';
    const child = spawn(
      process.execPath,
      [
        ...[BIN, 'submit', '--dataset', dataset, '--instance-ids', ids, '--mode', 'oracle'],
        ...['--run-id', 'stopped', '--sql-timeout-ms', '3000', '--grace', '0.3', ...out],
        ...common(dir, 1),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    const rows = join(dir, 'store', 'runs', 'stopped', 'rows');
    await waitUntil('the first task has its row', () => existsSync(join(rows, 'beehives_1')), 15_000);
    child.kill('SIGINT');
    its(await closed, stderr).toBe(130);
    its(stderr).toContain('Ctrl-C again leaves at once');
    its(stderr).toContain('go on with: skein resume stopped');
    its(JSON.parse(stdout)).toMatchObject({ counts: { missing: 2 }, exit_reason: 'interrupted', exit_code: 130 });
    its(existsSync(join(rows, 'beehives_2'))).toBe(false);

    const store = ['--store', `file://${join(dir, 'store')}`];
    const resumed = await skein(['resume', 'stopped', '--json', ...store, ...out]);
    its(resumed.code, resumed.stderr).toBe(1);
    its((JSON.parse(resumed.stdout) as Summary).counts).toMatchObject({ expected: 3, done: 3, errors: 1, missing: 0 });
    // Nothing was started twice as another attempt.
    for (const id of await readdir(rows)) its(await readdir(join(rows, id))).toEqual(['attempt-1.json']);

    its((await skein(['wait', 'stopped', ...store])).code).toBe(1);
    its((await skein(['fetch', 'stopped', ...store, ...out, '--reference-root', join(dir, 'references')])).code).toBe(
      1,
    );
  });
});
