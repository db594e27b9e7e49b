/**
 * `submit` of 1,000 no-op tasks on 16 actors into a bucket whose every call takes 20 ms: the server of `tests/helpers/gcs-server`
 * in a process of its own, Google's client between.
 *
 * What is allowed: a store has 32 calls in flight, and a task does not wait for its objects, so the latency allows
 * 32 / (20 ms × calls a task) tasks a second. Calls are counted by the server between the first row and the last, and so is
 * the time.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { makeNoopDataset } from './noop-dataset.ts';
import { atLeastRatio, median, type BenchRow } from './row.ts';
import { runSkein } from './run-skein.ts';

const TASKS = 1_000;
const ACTORS = 16;
const LATENCY_MS = 20;
/** Of one store: `src/store/gcs.ts`. */
const IN_FLIGHT = 32;

interface Traffic {
  readonly counts: Readonly<Record<string, number>>;
  /** Between the first row and the last: milliseconds, and calls that were answered meanwhile. */
  readonly rows: { readonly count: number; readonly ms: number; readonly calls: number };
}

async function startServer(): Promise<{ url: string; traffic(): Promise<Traffic>; stop(): Promise<void> }> {
  const entry = fileURLToPath(new URL('../tests/helpers/gcs-server/main.ts', import.meta.url));
  const child = spawn(process.execPath, [entry, '--latency-ms', String(LATENCY_MS)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const [url] = (await once(lines, 'line')) as [string];
  return {
    url,
    traffic: async () => {
      child.stdin.write('traffic\n');
      const [line] = (await once(lines, 'line')) as [string];
      return JSON.parse(line) as Traffic;
    },
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'close');
    },
  };
}

async function pass(dir: string, name: string): Promise<{ rate: number; allowed: number; note: string }> {
  const server = await startServer();
  try {
    const root = join(dir, name);
    await makeNoopDataset(join(root, 'dataset'), TASKS);
    const { seconds, peakRssMb } = await runSkein(
      [
        ...['submit', '--dataset', join(root, 'dataset'), '--all', '--framework', 'noop', '--query-mode', 'raw'],
        ...['--store', 'gs://skein-test/bench', '--actors', String(ACTORS), '--cache-root', join(root, 'cache')],
        ...['--reference-root', join(root, 'references'), '--out', join(root, 'out'), '--run-id', name, '--quiet'],
      ],
      { env: { SKEIN_GCS_ENDPOINT: server.url } },
    );
    const { rows, counts } = await server.traffic();
    if (rows.count !== TASKS) throw new Error(`${rows.count} rows of ${TASKS} tasks`);
    const callsPerTask = rows.calls / (rows.count - 1);
    const rate = ((rows.count - 1) * 1000) / rows.ms;
    const allowed = (IN_FLIGHT * 1000) / (LATENCY_MS * callsPerTask);
    const note = `${callsPerTask.toFixed(2)} calls a task; whole command ${seconds.toFixed(1)} s, ${peakRssMb.toFixed(0)} MB, ${JSON.stringify(counts)}`;
    return { rate, allowed, note };
  } finally {
    await server.stop();
  }
}

export async function run(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'skein-bench-'));
  try {
    const passes = [];
    for (let turn = 0; turn < 3; turn += 1) passes.push(await pass(dir, `gcs-${turn}`));
    return [
      atLeastRatio(
        `1,000 no-op tasks on 16 actors, gs:// with 20 ms a call`,
        'tasks/s',
        median(passes.map(({ rate }) => rate)),
        median(passes.map(({ allowed }) => allowed)),
        0.7,
        `peer: what 32 calls in flight allow; ${passes[0]?.note}`,
      ),
    ];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
