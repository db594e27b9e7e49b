/**
 * `npm run bench [NAME …]`: runs the benches (all, or those named) one after the other and prints one table. Ratios compare with
 * a real peer in the same run on the same machine; nothing here is a test.
 */
import Table from 'cli-table3';

import type { BenchRow } from './row.ts';

const BENCHES: Readonly<Record<string, () => Promise<{ run(): Promise<BenchRow[]> }>>> = {
  'actor-calls': () => import('./actor-calls.ts'),
  'sql-executor': () => import('./sql-executor.ts'),
  'wire-stream': () => import('./wire-stream.ts'),
  'run-throughput': () => import('./run-throughput.ts'),
  'gcs-throughput': () => import('./gcs-throughput.ts'),
  fetch: () => import('./fetch.ts'),
  snapshots: () => import('./snapshots.ts'),
  'main-job': () => import('./main-job.ts'),
  'list-runs': () => import('./list-runs.ts'),
  cluster: () => import('./cluster.ts'),
};

const named = process.argv.slice(2);
const unknown = named.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`bench: no such bench: ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  process.exitCode = 2;
} else {
  const rows: BenchRow[] = [];
  for (const [name, load] of Object.entries(BENCHES)) {
    if (named.length > 0 && !named.includes(name)) continue;
    console.error(`bench ${name} …`);
    rows.push(...(await (await load()).run()));
  }
  const number = (value: number | undefined): string =>
    value === undefined ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
  const table = new Table({
    head: ['row', 'ours', 'peer', 'ratio', 'unit', 'target', 'met', 'note'],
    style: { head: [] },
  });
  for (const row of rows) {
    const { name, ours, peer, ratio, unit, target, isMet, note } = row;
    table.push([name, number(ours), number(peer), number(ratio), unit, target, isMet ? 'yes' : 'NO', note ?? '']);
  }
  console.log(table.toString());
}
