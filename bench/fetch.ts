/**
 * `fetch` of a run of 10,000 rows and 24 references: mirrored, collated and merged. From a directory store, beside `cp -r` of the
 * same bytes and as many bare SQLite inserts; from a bucket whose every call takes 20 ms, beside what 32 calls in flight allow;
 * and once more, when nothing has changed. Each fetch is a process of its own, whose peak memory is its own too.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { atLeastRatio, atMost, atMostRatio, median, type BenchRow } from './row.ts';
import { benchRow, DATABASES, ROWS, RUN, writeFetchRun } from './fetch-run.ts';

const LATENCY_MS = 20;
/** Of one store: `src/store/gcs-store.ts`. */
const IN_FLIGHT = 32;
const TURNS = 3;

/** What `fetch-child.ts` prints. */
interface Fetched {
  readonly ms: number;
  readonly peakRssMb: number;
  readonly downloaded: number;
  readonly merged: number;
}

async function nodeLine(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
  return text;
}

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

async function fetched(store: string, dir: string, endpoint = ''): Promise<Fetched> {
  const args = [fileOf('./fetch-child.ts'), store, join(dir, 'out'), join(dir, 'references'), endpoint];
  return JSON.parse(await nodeLine(args)) as Fetched;
}

/** Milliseconds of `cp -r`, and of as many inserts as there are rows, in one transaction. */
async function peerMs(bucket: string, dir: string): Promise<number> {
  const values = Array.from({ length: ROWS }, (_, at) => Object.values(benchRow(at)).map(sqlValue));
  const begin = performance.now();
  const copy = spawn('cp', ['-r', join(bucket, 'runs', RUN), join(dir, 'copy')]);
  await once(copy, 'close');
  const copied = performance.now();
  const holes = values[0]!.map(() => '?').join(', ');
  using database = new DatabaseSync(join(dir, 'bare.db'));
  database.exec(`CREATE TABLE t (${values[0]!.map((_, at) => `c${at}`).join(', ')}); BEGIN`);
  const insert = database.prepare(`INSERT INTO t VALUES (${holes})`);
  for (const each of values) insert.run(...each);
  database.exec('COMMIT');
  const ended = performance.now();
  console.error(`  cp ${(copied - begin).toFixed(0)} ms, inserts ${(ended - copied).toFixed(0)} ms`);
  return ended - begin;
}

function sqlValue(value: unknown): string | number | null {
  if (value === null || typeof value === 'number' || typeof value === 'string') return value;
  return typeof value === 'boolean' ? Number(value) : JSON.stringify(value);
}

async function fromDirectory(dir: string): Promise<BenchRow[]> {
  const bucket = join(dir, 'bucket');
  await writeFetchRun(bucket);
  const store = pathToFileURL(bucket).href;
  const [first, second, peer, memory]: number[][] = [[], [], [], []] as const;
  for (let turn = 0; turn < TURNS; turn += 1) {
    const place = join(dir, `turn-${turn}`);
    await mkdir(place);
    peer!.push(await peerMs(bucket, place));
    const one = await fetched(store, place);
    if (one.downloaded < ROWS || one.merged !== DATABASES) throw new Error(`fetched ${JSON.stringify(one)}`);
    const two = await fetched(store, place);
    if (two.downloaded !== 0) throw new Error(`fetched again ${JSON.stringify(two)}`);
    first!.push(one.ms);
    second!.push(two.ms);
    memory!.push(one.peakRssMb);
    await rm(place, { recursive: true });
  }
  const what = `fetch of ${ROWS} rows, ${DATABASES} databases from a folder`;
  return [
    atMostRatio(what, 'ms', median(first!), median(peer!), 2, 'peer: cp -r and bare SQLite inserts'),
    atMostRatio(`${what}, again, unchanged`, 'ms', median(second!), median(first!), 0.1, 'peer: the first fetch'),
    atMost(`${what}, peak memory`, 'MB', Math.max(...memory!), 200),
  ];
}

/** The server of `tests/helpers/gcs-server` as a process: without latency to be filled, then with it. */
async function server(
  save: string,
  latencyMs: number,
): Promise<{ url: string; calls(): Promise<number>; stop(): Promise<void> }> {
  const entry = fileOf('../tests/helpers/gcs-server/main.ts');
  const child = spawn(process.execPath, [entry, '--latency-ms', String(latencyMs), '--save', save], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const [url] = (await once(lines, 'line')) as [string];
  return {
    url,
    calls: async () => {
      child.stdin.write('traffic\n');
      const [line] = (await once(lines, 'line')) as [string];
      const { counts } = JSON.parse(line) as { counts: Readonly<Record<string, number>> };
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'close');
    },
  };
}

async function fromBucket(dir: string): Promise<BenchRow[]> {
  const save = join(dir, 'state');
  const filling = await server(save, 0);
  await nodeLine([fileOf('./fetch-fill.ts'), join(dir, 'bucket'), filling.url]);
  await filling.stop();
  const slow = await server(save, LATENCY_MS);
  try {
    const begun = await slow.calls();
    const one = await fetched('gs://skein-test/bench', dir, slow.url);
    const calls = (await slow.calls()) - begun;
    const two = await fetched('gs://skein-test/bench', dir, slow.url);
    const allowed = (IN_FLIGHT * 1000) / LATENCY_MS;
    const what = `fetch of ${ROWS} rows, ${DATABASES} databases from gs:// at 20 ms a call`;
    const note = `${calls} calls in ${one.ms.toFixed(0)} ms`;
    return [
      atLeastRatio(`${what}, by 32 in flight`, 'calls/s', (calls * 1000) / one.ms, allowed, 0.7, note),
      atMostRatio(`${what}, again, unchanged`, 'ms', two.ms, one.ms, 0.1, 'peer: the first fetch'),
      atMost(`${what}, peak memory`, 'MB', one.peakRssMb, 200),
    ];
  } finally {
    await slow.stop();
  }
}

export async function run(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'skein-bench-'));
  try {
    return [...(await fromDirectory(dir)), ...(await fromBucket(dir))];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
