/** What the rows of a run come to, read one by one: counts, what stands in those that are errors, what cannot be read. */
import pLimit from 'p-limit';

import { canonicalRow } from '../../run/canonical-row.ts';
import { readFloors } from '../../run/attempt-record.ts';
import { idStateOf, retryLostOf, rulesOf } from '../../run/id-state.ts';
import type { Manifest } from '../../run/manifest.ts';
import { storeRows } from '../../run/row-source.ts';
import type { RunStatus } from '../../run/status.ts';
import type { ObjectStore } from '../../store/port.ts';
import { plural } from '../progress-text.ts';
import type { Findings } from './section.ts';

/** What is named of a long list. */
const MOST_NAMED = 20;
const READS_AT_ONCE = 32;

/** What the rows come to, and what stands in those that are errors. */
export async function rowFindings(
  store: ObjectStore,
  manifest: Manifest,
  status: RunStatus | undefined,
  signal: AbortSignal,
): Promise<Findings> {
  const source = storeRows(store, manifest.run_id, { signal });
  const files = await source.list();
  const floors = await readFloors(store, manifest.run_id, { signal });
  const rules = rulesOf(retryLostOf(manifest, status), floors);
  const limit = pLimit(READS_AT_ONCE);
  const errors = new Map<string, string[]>();
  const open = new Map<string, string[]>();
  const problems: string[] = [];
  let ok = 0;
  const name = (map: Map<string, string[]>, key: string, id: string): void => {
    const known = map.get(key);
    if (known) known.push(id);
    else map.set(key, [id]);
  };
  await Promise.all(
    [...new Set(manifest.instance_ids)].map((id) =>
      limit(async () => {
        signal.throwIfAborted();
        const row = await canonicalRow(files.get(id) ?? [], (file) => source.read(file));
        if (row.kind !== 'missing') problems.push(...row.problems.map(({ path, reason }) => `rows/${path}: ${reason}`));
        const state = idStateOf(row, rules(id));
        if (state.kind === 'open') return name(open, state.why, id);
        if (!state.isError || row.kind !== 'row') return void (ok += 1);
        name(errors, String(row.row['error']).split('\n', 1)[0]?.slice(0, 200) ?? '', id);
      }),
    ),
  );
  const count = (map: Map<string, string[]>): number => [...map.values()].reduce((sum, ids) => sum + ids.length, 0);
  const grouped = (map: Map<string, string[]>): string[] =>
    [...map]
      .sort(([, a], [, b]) => b.length - a.length)
      .slice(0, MOST_NAMED)
      .map(([text, ids]) => `  ${ids.length} × ${text}: ${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ' …' : ''}`);
  const lines = [
    `${ok} without error, ${count(errors)} with one, ${count(open)} without a row that counts`,
    ...(errors.size > 0 ? ['errors:', ...grouped(errors)] : []),
    ...(open.size > 0 ? ['open:', ...grouped(open)] : []),
    ...problems.slice(0, MOST_NAMED),
  ];
  return { lines, alerts: problems.length > 0 ? [`${plural(problems.length, 'row')} cannot be read`] : [] };
}
