/**
 * What snapshots cost: the same run of tasks that take seconds, hold 50 KB of scratch and talk, with snapshots at the default
 * interval, with one every second and with none, one after the other and in turn.
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
const ROUNDS = 3;
/** Seconds: the default, ten times as often, none. */
const INTERVALS = [10, 1, 0] as const;

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
    const rates = new Map<number, number[]>(INTERVALS.map((everyS) => [everyS, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      // Whoever comes later finds another machine: the order turns.
      for (let at = 0; at < INTERVALS.length; at += 1) {
        const everyS = INTERVALS[(at + round) % INTERVALS.length]!;
        rates.get(everyS)!.push(await tasksPerSecond(`every-${everyS}-${round}`, everyS));
      }
    }
    const note = `${TASKS} tasks of ${TASK_MS / 1000} s, ${ACTORS} at a time; the peer is the same run with --snapshot-every 0`;
    const none = median(rates.get(0)!);
    return INTERVALS.filter((everyS) => everyS > 0).map((everyS) =>
      atLeastRatio(`snapshots every ${everyS} s`, 'tasks/s', median(rates.get(everyS)!), none, 0.97, note),
    );
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
