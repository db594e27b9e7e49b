/** What the bucket must hold of a run that is over: its rows, each once. */
import { expect } from 'vitest';

import { parseRowName, rowsPrefix } from '../../../src/store/layout.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { namesIn } from '../store-fixtures.ts';

/** The ids that have rows, sorted, and the names of those that are not the first row of a first attempt. */
export async function rowsOf(store: ObjectStore, runId: string): Promise<{ ids: string[]; others: string[] }> {
  const ids = new Set<string>();
  const others: string[] = [];
  for (const name of await namesIn(store, rowsPrefix(runId))) {
    const row = parseRowName(name);
    expect(row, name).toBeDefined();
    if (row === undefined) continue;
    ids.add(row.instanceId);
    if (!name.endsWith('attempt-1.json')) others.push(name);
  }
  return { ids: [...ids].toSorted((a, b) => (a < b ? -1 : 1)), others };
}
