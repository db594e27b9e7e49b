/** Writes over a bad line, on each store: `createOrConfirm`, `overwrite` and checked reads under injected faults. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { createOrConfirm, overwrite, readChecked, readPatiently } from '../../src/store/create-or-confirm.ts';
import { FaultPlan, withFaults } from '../../src/store/faults.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { bytesOf, mustCreate, namesIn, STORE_KINDS, textOf, type StoreFixture } from '../helpers/store-fixtures.ts';

describe.each(STORE_KINDS)('writes over a bad line: $kind', ({ make }) => {
  let fixture: StoreFixture;
  let plan: FaultPlan;
  let store: ObjectStore;
  let waitsMs: number[];
  const fast = () => ({ sleep: async (ms: number) => void waitsMs.push(ms), random: () => 1, callTimeoutMs: 5_000 });

  beforeEach(async () => {
    fixture = await make();
    plan = new FaultPlan();
    store = withFaults(fixture.store, plan);
    waitsMs = [];
  });
  afterEach(() => fixture[Symbol.asyncDispose]());

  test('a plain create is created, a repeated one confirmed, another one a conflict that shows what stands', async () => {
    const created = await createOrConfirm(store, 'a', bytesOf('row'));
    expect(created.kind).toBe('created');
    expect(await createOrConfirm(store, 'a', bytesOf('row'))).toMatchObject({ ...created, kind: 'confirmed' });
    const conflict = await createOrConfirm(store, 'a', bytesOf('other'));
    expect(conflict).toMatchObject({ kind: 'conflict', standing: { name: 'a', sizeBytes: 3 } });
    expect(await textOf(store, 'a')).toBe('row');
  });

  test('a lost answer after the write is confirmed by reading back, without a second write', async () => {
    plan.add({ on: 'create', fault: { kind: 'lose-answer' }, count: 1 });
    expect((await createOrConfirm(store, 'a', bytesOf('row'), fast())).kind).toBe('confirmed');
    expect(plan.fired).toEqual(['create a lose-answer']);
    expect(waitsMs).toEqual([]);
  });

  test('a lost answer over somebody else’s bytes is their conflict', async () => {
    await mustCreate(store, 'a', 'theirs');
    plan.add({ on: 'create', fault: { kind: 'lose-answer' } });
    expect((await createOrConfirm(store, 'a', bytesOf('ours'), fast())).kind).toBe('conflict');
    expect(await textOf(store, 'a')).toBe('theirs');
  });

  test('a cut upload, of which nothing stands, is written again', async () => {
    plan.add({ on: 'create', fault: { kind: 'truncate' }, count: 2 });
    expect((await createOrConfirm(store, 'a', bytesOf('row'), fast())).kind).toBe('created');
    expect(waitsMs).toEqual([200, 400]);
    expect(await textOf(store, 'a')).toBe('row');
  });

  test('a store that refuses is tried for about a minute with growing waits, then its error is thrown', async () => {
    plan.add({ on: 'create', fault: { kind: 'refuse' } });
    const failure = createOrConfirm(store, 'a', bytesOf('row'), fast());
    await expect(failure).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(waitsMs.slice(0, 7)).toEqual([200, 400, 800, 1600, 3200, 6400, 8000]);
    // These are the upper bounds; half of it is what to expect.
    expect(waitsMs.reduce((sum, ms) => sum + ms, 0) / 2).toBeGreaterThan(45_000);
    expect(plan.fired).toHaveLength(waitsMs.length + 1);
    expect(await namesIn(store, '')).toEqual([]);
  });

  test('a store that comes back after ten refusals has the object (X-06)', async () => {
    plan.add({ on: 'create', fault: { kind: 'refuse' }, count: 10 });
    expect((await createOrConfirm(store, 'a', bytesOf('row'), fast())).kind).toBe('created');
  });

  test('a call that hangs is given up at its deadline, and the next one succeeds', async () => {
    plan.add({ on: 'create', fault: { kind: 'hang' }, count: 1 });
    const result = await createOrConfirm(store, 'a', bytesOf('row'), { ...fast(), callTimeoutMs: 300 });
    // On a slow disk the second one may be late itself, and be found by reading back.
    expect(result.kind).not.toBe('conflict');
    expect(plan.fired).toHaveLength(1);
    expect(await textOf(store, 'a')).toBe('row');
  });

  test('a call that hangs after it did its work is confirmed by reading back', async () => {
    plan.add({ on: 'create', fault: { kind: 'hang', afterDoing: true }, count: 1 });
    const result = await createOrConfirm(store, 'a', bytesOf('row'), { ...fast(), callTimeoutMs: 500 });
    expect(result.kind).toBe('confirmed');
  });

  test('a hang ends with the caller’s signal', async () => {
    plan.add({ on: 'create', fault: { kind: 'hang' } });
    const stop = new AbortController();
    const writing = createOrConfirm(store, 'a', bytesOf('row'), { ...fast(), signal: stop.signal });
    stop.abort();
    await expect(writing).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('a read-back that is cut never confirms', async () => {
    await mustCreate(store, 'a', 'row and more');
    plan.add({ on: 'read', fault: { kind: 'truncate', keepBytes: 3 } });
    const failure = createOrConfirm(store, 'a', bytesOf('row'), fast());
    await expect(failure).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  test('a cut download is an error, and read again it is whole', async () => {
    await mustCreate(store, 'a', 'whole');
    plan.add({ on: 'read', fault: { kind: 'truncate' }, count: 2 });
    await expect(readChecked(store, 'a')).rejects.toMatchObject({ code: 'CORRUPT' });
    expect((await readPatiently(store, 'a', fast()))?.bytes.toString()).toBe('whole');
  });

  test('bad names are not tried again', async () => {
    const bad = createOrConfirm(store, '../a', bytesOf('x'), fast());
    await expect(bad).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(waitsMs).toEqual([]);
  });

  test('overwrite makes, replaces, and follows its own generation', async () => {
    const first = await overwrite(store, 'status', bytesOf('1'));
    const second = await overwrite(store, 'status', bytesOf('2'), { generation: first });
    expect((await store.stat('status'))?.generation).toBe(second);
    // A stale generation, and none at all, cost one more call and no failure.
    await overwrite(store, 'status', bytesOf('3'), { generation: first });
    await overwrite(store, 'status', bytesOf('4'));
    expect(await textOf(store, 'status')).toBe('4');
  });

  test('overwrite survives lost answers, refusals and a removal in between', async () => {
    const generation = await overwrite(store, 'status', bytesOf('1'));
    plan.add({ on: 'replace', fault: { kind: 'lose-answer' }, count: 1 });
    const second = await overwrite(store, 'status', bytesOf('2'), { ...fast(), generation });
    expect((await store.stat('status'))?.generation).toBe(second);
    plan.add({ on: 'replace', fault: { kind: 'refuse' }, count: 3 });
    const third = await overwrite(store, 'status', bytesOf('3'), { ...fast(), generation: second });
    await store.remove('status', third);
    await overwrite(store, 'status', bytesOf('4'), { ...fast(), generation: third });
    expect(await textOf(store, 'status')).toBe('4');
  });
});
