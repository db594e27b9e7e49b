/**
 * What snapshots cost: the same run of tasks that take seconds, hold 50 KB of scratch and talk, with a snapshot every second
 * and with none, one after the other and in turn.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { makeNoopDataset } from './noop-dataset.ts';
import { runSkein } from './run-skein.ts';
import { atLeastRatio, median, type BenchRow } from './row.ts';

const TASKS = 192;
const ACTORS = 32;
const TASK_MS = 2_500;
const PAIRS = 3;

export async function run(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'skein-bench-'));
  try {
    const dataset = join(dir, 'dataset');
    await makeNoopDataset(dataset, TASKS);
    await makeThemTalk(join(dataset, 'mini_interact.jsonl'));
    const tasksPerSecond = async (name: string, everyS: number): Promise<number> => {
      const root = join(dir, name);
      const { seconds } = await runSkein([
        ...['submit', '--dataset', dataset, '--all', '--framework', 'noop', '--query-mode', 'raw'],
        ...['--store', `file://${join(root, 'store')}`, '--cache-root', join(root, 'cache')],
        ...['--reference-root', join(root, 'references'), '--out', join(root, 'out'), '--run-id', name, '--quiet'],
        ...['--actors', String(ACTORS), '--snapshot-every', String(everyS)],
      ]);
      await rm(root, { recursive: true, force: true });
      return TASKS / seconds;
    };
    const [ours, peer]: [number[], number[]] = [[], []];
    for (let pair = 0; pair < PAIRS; pair += 1) {
      // Whoever comes second finds the machine warmer: each does once in turn.
      const both = [() => tasksPerSecond(`with-${pair}`, 1), () => tasksPerSecond(`none-${pair}`, 0)];
      const order = pair % 2 === 0 ? [0, 1] : [1, 0];
      for (const which of order) (which === 0 ? ours : peer).push(await both[which]!());
    }
    const note = `${TASKS} tasks of ${TASK_MS / 1000} s, ${ACTORS} at a time; the peer is the same run with --snapshot-every 0`;
    return [atLeastRatio('a snapshot of every task every second', 'tasks/s', median(ours), median(peer), 0.97, note)];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function makeThemTalk(path: string): Promise<void> {
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  const talking = lines.map((line) => {
    const task = JSON.parse(line) as object;
    return JSON.stringify({ ...task, noop_ms: TASK_MS, noop_message_ms: 200, noop_scratch_bytes: 50_000 });
  });
  await writeFile(path, `${talking.join('\n')}\n`);
}
