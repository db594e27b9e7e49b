/**
 * `submit` of 10,000 no-op tasks into a directory store, beside the same row and log objects written durably by a bare
 * loop with 16 in flight; and the memory of 10,000 tasks beside that of 1,000.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { bareLoop, IN_FLIGHT } from './bare-loop.ts';
import { makeNoopDataset } from './noop-dataset.ts';
import { runSkein } from './run-skein.ts';
import { atLeastRatio, atMostRatio, median, type BenchRow } from './row.ts';

export async function run(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'skein-bench-'));
  try {
    const submit = async (
      tasks: number,
      name: string,
    ): Promise<{ seconds: number; peakRssMb: number; root: string }> => {
      const root = join(dir, name);
      await makeNoopDataset(join(root, 'dataset'), tasks);
      const { seconds, peakRssMb } = await runSkein([
        ...['submit', '--dataset', join(root, 'dataset'), '--all', '--framework', 'noop', '--query-mode', 'raw'],
        ...['--store', `file://${join(root, 'store')}`, '--cache-root', join(root, 'cache')],
        ...['--reference-root', join(root, 'references'), '--out', join(root, 'out'), '--run-id', name, '--quiet'],
      ]);
      return { seconds, peakRssMb, root };
    };
    const ours: number[] = [];
    const bare: number[] = [];
    let largeMb = 0;
    for (let pass = 0; pass < 3; pass += 1) {
      const { seconds, peakRssMb, root } = await submit(10_000, `large-${pass}`);
      largeMb = Math.max(largeMb, peakRssMb);
      const runDir = join(root, 'store', 'runs', `large-${pass}`);
      const names = (await readdir(runDir, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile() && /\/(rows|logs)\//.test(`${entry.parentPath}/`))
        .map((entry) => join(entry.parentPath, entry.name));
      const objects = names.map((path) => [path.slice(runDir.length + 1), readFileSync(path)] as const);
      bare.push(objects.length / (await bareLoop(join(dir, `bare-${pass}`), objects)));
      ours.push(objects.length / seconds);
    }
    const small = await submit(1_000, 'small');
    return [
      atLeastRatio(
        'submit 10,000 no-op tasks, whole command',
        'objects/s',
        median(ours),
        median(bare),
        0.4,
        `${IN_FLIGHT} in flight in the bare loop`,
      ),
      atMostRatio('peak RSS, 10,000 against 1,000 tasks', 'MB', largeMb, small.peakRssMb, 1.2),
    ];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
