/** The checker sees what it is there to see: each defect that it must find is planted once. */
import { expect, it } from 'vitest';

import type { NoopRecord } from '../../src/frameworks/noop.ts';
import { makeStatus, writeStatus } from '../../src/run/status.ts';
import { jsonBytes } from '../../src/kernel/json.ts';
import { lateRowName, rowName } from '../../src/store/layout.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { Checker } from '../helpers/cluster/checker.ts';

const RUN = 'r1';
const REAL = { error: null };
const LOST = { error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'killed' } };

async function put(store: ObjectStore, id: string, attempt: number, fields: object, name = rowName): Promise<void> {
  await store.create(name(RUN, id, attempt), jsonBytes({ instance_id: id, ...fields }));
}

function watched(ids: readonly string[]): { store: ObjectStore; checker: Checker } {
  const store = createMemoryStore();
  const checker = new Checker(store);
  checker.acknowledged(RUN, ids);
  return { store, checker };
}

it('counts a whole run, with a lost attempt, its late row and its second start', async () => {
  const { store, checker } = watched(['a_1', 'a_2']);
  await put(store, 'a_1', 1, REAL);
  await put(store, 'a_2', 1, LOST);
  await checker.look();
  await put(store, 'a_2', 2, REAL);
  await put(store, 'a_2', 1, REAL, lateRowName);
  await writeStatus(store, RUN, makeStatus({ rows_total: 2, terminal_state: 'done' }));
  const start = (instance_id: string, attempt: number): NoopRecord => ({
    ...{ what: 'start', run_id: RUN, instance_id, attempt, pid: 1, at_ms: 1 },
  });
  const records = [start('a_1', 1), start('a_1', 1), start('a_2', 1), start('a_2', 2)];
  const report = await checker.report(records);
  expect(checker.isAllDone).toBe(true);
  expect(report).toMatchObject({ submitted: 2, rows: 2, lost: [], doubled: [], late: 1, synthetic: 0 });
  expect(report).toMatchObject({ starts: 4, wasted: 2, restarted: ['r1/a_1#1'], unexplained: ['r1/a_1#1 ×2'] });
  const reason = {
    time: new Date(0).toISOString(),
    msg: 'not started there: waits again',
    run: RUN,
    instance: 'a_1',
    attempt: 1,
  };
  expect((await checker.report(records, [reason])).unexplained).toEqual([]);
});

it('reports an id without a row as lost', async () => {
  const { store, checker } = watched(['a_1', 'a_2']);
  await put(store, 'a_1', 1, REAL);
  expect((await checker.report([])).lost).toEqual(['r1/a_2']);
});

it('fails at once when a row goes away or changes', async () => {
  for (const isReplaced of [true, false]) {
    const { store, checker } = watched(['a_1']);
    await put(store, 'a_1', 1, REAL);
    await checker.look();
    const name = rowName(RUN, 'a_1', 1);
    const generation = (await store.stat(name))?.generation ?? '';
    if (isReplaced) await store.replace(name, jsonBytes({ instance_id: 'a_1', total_reward: 1 }), generation);
    else await store.remove(name, generation);
    await expect(checker.look()).rejects.toThrow(isReplaced ? /written again/ : /is gone/);
  }
});

it('fails at once when two effects of one id count', async () => {
  const { store, checker } = watched(['a_1']);
  await put(store, 'a_1', 1, REAL);
  await put(store, 'a_1', 2, REAL);
  await expect(checker.look()).rejects.toThrow(/two effects count for a_1/);
});

it('fails at once on a row that nobody asked for, and on an end that comes too early', async () => {
  const stray = watched(['a_1']);
  await put(stray.store, 'b_1', 1, REAL);
  await expect(stray.checker.look()).rejects.toThrow(/b_1, which nobody submitted/);
  const early = watched(['a_1']);
  await writeStatus(early.store, RUN, makeStatus({ rows_total: 1, terminal_state: 'done' }));
  await expect(early.checker.look()).rejects.toThrow(/says that it is done, without rows of a_1/);
});
