/**
 * The main job over the real dataset (`SKEIN_DATASET`) from nothing, beside the time that the real SLayer takes for ingest
 * alone (`SKEIN_SLAYER`); the second run over the same roots; and the start of the embedded default.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { runSkein } from './run-skein.ts';
import { atMost, atMostRatio, median, type BenchRow } from './row.ts';

const EXAMPLE = fileURLToPath(new URL('../examples/mini-interact', import.meta.url));

async function ingestSeconds(dataset: string, slayer: string, dir: string): Promise<number> {
  const entries = await readdir(dataset, { withFileTypes: true });
  const run = promisify(execFile);
  const options = { env: { ...process.env, DO_NOT_TRACK: '1' } };
  let seconds = 0;
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const store = join(dir, name);
    await mkdir(store, { recursive: true });
    const begin = performance.now();
    const url = `sqlite:///file:${join(dataset, name, `${name}.sqlite`)}?mode=ro&immutable=1&uri=true`;
    await run(
      join(slayer, 'slayer'),
      ['datasources', '--storage', store, 'create', url, '--name', name, '-y'],
      options,
    );
    await run(join(slayer, 'slayer'), ['ingest', '--datasource', name, '--storage', store], options);
    seconds += (performance.now() - begin) / 1000;
  }
  return seconds;
}

/** Milliseconds from the command's start to the first row object in its store: an upper bound of start to first task. */
async function startToFirstRowMs(dir: string): Promise<number> {
  const startedMs = Date.now();
  const store = join(dir, 'store');
  await runSkein([
    'submit',
    '--dataset',
    EXAMPLE,
    '--all',
    '--mode',
    'oracle',
    '--store',
    `file://${store}`,
    '--out',
    join(dir, 'out'),
    '--run-id',
    'first',
    '--quiet',
  ]);
  const rows = join(store, 'runs', 'first', 'rows');
  const files = (await readdir(rows, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const times = await Promise.all(files.map(async (entry) => (await stat(join(entry.parentPath, entry.name))).mtimeMs));
  return Math.min(...times) - startedMs;
}

export async function run(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'skein-bench-'));
  const rows: BenchRow[] = [];
  try {
    const starts: number[] = [];
    for (let i = 0; i < 5; i += 1) starts.push(await startToFirstRowMs(join(dir, `start-${i}`)));
    rows.push(
      atMost(
        'start to first row stored, embedded, oracle',
        'ms',
        median(starts),
        600,
        'bounds start to first task from above',
      ),
    );

    const dataset = process.env['SKEIN_DATASET'];
    if (!dataset) {
      console.error('bench main-job: SKEIN_DATASET is not set: the real dataset is left out');
      return rows;
    }
    const roots = ['--cache-root', join(dir, 'cache'), '--reference-root', join(dir, 'references')];
    const submit = (run: string) =>
      runSkein([
        'submit',
        '--dataset',
        dataset,
        '--all',
        ...roots,
        '--store',
        `file://${join(dir, 'store')}`,
        '--out',
        join(dir, run),
        '--run-id',
        run,
        '--actors',
        '2',
        '--quiet',
      ]);
    const first = await submit('first');
    const rest = await runSkein(['encode', '--dataset', dataset, '--all', ...roots, '--actors', '2', '--quiet']);
    const second = await submit('second');
    const whole = first.seconds + rest.seconds;
    const slayer = process.env['SKEIN_SLAYER'];
    if (slayer) {
      const peer = await ingestSeconds(dataset, slayer, join(dir, 'ingest'));
      rows.push(
        atMostRatio(
          'submit of all tasks + encode --all, from nothing',
          's',
          whole,
          peer,
          0.5,
          'peer: real SLayer ingest alone',
        ),
      );
    } else {
      console.error('bench main-job: SKEIN_SLAYER is not set: no peer for the main job');
    }
    rows.push(
      atMost('peak RSS of the main process, 2 actors', 'MB', first.peakRssMb, 400),
      atMost(
        'second run over the same roots',
        's',
        second.seconds,
        Math.max(3, 0.2 * first.seconds),
        `first run ${first.seconds.toFixed(1)} s`,
      ),
    );
    return rows;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
