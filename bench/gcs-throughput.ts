/**
 * `submit` of 1,000 no-op tasks on 16 actors into a bucket whose every call takes 20 ms: the server of `tests/helpers/gcs-server`
 * in a process of its own, Google's client between.
 *
 * What latency and concurrency allow, by the calls that a task makes between the first row and the last (counted by the
 * server, as is the time): were each actor to wait for its task's calls, one after the other, 16 / (20 ms × calls) tasks a
 * second; by the 32 calls that a store has in flight at most, 32 / (20 ms × calls). Actors do not wait, so the second is
 * the wall; it is shown beside the first, with the same target.
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

interface Pass {
  readonly rate: number;
  readonly callsPerTask: number;
  readonly note: string;
}

async function pass(dir: string, name: string): Promise<Pass> {
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
    const { rows } = await server.traffic();
    if (rows.count !== TASKS) throw new Error(`${rows.count} rows of ${TASKS} tasks`);
    return {
      rate: ((rows.count - 1) * 1000) / rows.ms,
      callsPerTask: rows.calls / (rows.count - 1),
      note: `whole command ${seconds.toFixed(1)} s, ${peakRssMb.toFixed(0)} MB`,
    };
  } finally {
    await server.stop();
  }
}

export async function run(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'skein-bench-'));
  try {
    const passes: Pass[] = [];
    for (let turn = 0; turn < 3; turn += 1) passes.push(await pass(dir, `gcs-${turn}`));
    const rate = median(passes.map((one) => one.rate));
    const calls = median(passes.map((one) => one.callsPerTask));
    const allowed = (atOnce: number): number => (atOnce * 1000) / (LATENCY_MS * calls);
    const what = '1,000 no-op tasks, gs:// at 20 ms a call';
    const note = `${calls.toFixed(2)} calls a task`;
    return [
      atLeastRatio(`${what}, by 16 actors`, 'tasks/s', rate, allowed(ACTORS), 0.7, `${note}; ${passes[0]?.note}`),
      atLeastRatio(`${what}, by 32 calls in flight`, 'tasks/s', rate, allowed(IN_FLIGHT), 0.7, note),
    ];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
