import { beforeEach, describe, expect, it } from 'vitest';

import { createAttemptRecord, readAttemptRecords } from '../../../src/run/attempt-record.ts';
import { readCounts } from '../../../src/run/run-counts.ts';
import { Lease } from '../../../src/run/lease.ts';
import { readManifest, type Manifest } from '../../../src/run/manifest.ts';
import { beginResubmit, planResubmit } from '../../../src/run/resubmit.ts';
import { waitForRun } from '../../../src/run/run-state.ts';
import { makeStatus, readStatus, writeStatus } from '../../../src/run/status.ts';
import { jsonBytes } from '../../../src/kernel/json.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { lateRowName, manifestName, runLeaseName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { manifestOf, putRow, putRun, row } from '../../helpers/rows.ts';
import { namesIn } from '../../helpers/store-fixtures.ts';

const IDS = ['b_2', 'a_10', 'a_1', 'a_2', 'a_3'];

let store: ObjectStore;
let manifest: Manifest;
const begin = (reason = 'quota') => beginResubmit({ store, manifest, reason, by: 'me@here' });

/** A run that ended: a_1 is good, a_2 failed, a_3 cannot be read, a_10 and b_2 have no row. */
beforeEach(async () => {
  store = createMemoryStore();
  manifest = manifestOf(IDS);
  await putRun(store, manifest, [row('a_1'), row('a_2', { error: 'boom' })]);
  await store.create('runs/r1/rows/a_3/attempt-1.json', Buffer.from('{"cut'));
  await writeStatus(
    store,
    'r1',
    makeStatus({ terminal_state: 'done', rows_done: 5, last_heartbeat_ts: 1, attempt: 1 }),
  );
});

describe('what a resubmit runs', () => {
  it('is what has no good row, in (database, id) order, as one attempt above all of them (L-11, L-15, Q-34)', async () => {
    await putRow(store, row('zz_9'), 6);
    const plan = await planResubmit(store, manifest);
    expect(plan).toEqual({
      ids: ['a_10', 'a_2', 'a_3', 'b_2'],
      attempt: 7,
      found: { no_row: 2, unreadable: 1, error: 1 },
      kept: 1,
    });
  });

  it('is an id whose latest attempt failed after an earlier success, and none whose latest one is good (L-11)', async () => {
    await putRow(store, row('a_1', { error: 'worse' }), 2);
    await putRow(store, row('a_2'), 2);
    expect((await planResubmit(store, manifest)).ids).toEqual(['a_1', 'a_10', 'a_3', 'b_2']);
  });

  it('is nothing when every id has a good row, and then nothing is written (L-11)', async () => {
    for (const id of ['a_2', 'a_3', 'a_10', 'b_2']) await putRow(store, row(id), 2);
    const before = await namesIn(store, '');
    expect((await planResubmit(store, manifest)).ids).toEqual([]);
    expect(await namesIn(store, '')).toEqual(before);
  });

  it('is a number that no attempt had, those in flight and those that were only begun counted (P-50)', async () => {
    await writeStatus(store, 'r1', makeStatus({ in_flight: [{ instance_id: 'b_2', elapsed_s: 1, attempt: 4 }] }));
    expect((await planResubmit(store, manifest)).attempt).toBe(5);
    await store.create('runs/r1/attempts/8.json', Buffer.from('{"cut'));
    await store.create('runs/r1/attempts/09.json', Buffer.from('{}'));
    await store.create('runs/r1/attempts/1e3.json', Buffer.from('{}'));
    expect((await planResubmit(store, manifest)).attempt).toBe(9);
  });
});

describe('beginning a resubmit', () => {
  it('records why, and has status and waiters forget the old end before anything runs (L-12, V-14, P-50)', async () => {
    expect(await begin()).toMatchObject({ attempt: 2, reason: 'quota', by: 'me@here' });
    expect((await readAttemptRecords(store, 'r1')).records).toMatchObject([
      { attempt: 2, ids: ['a_10', 'a_2', 'a_3', 'b_2'], reason: 'quota', found: { error: 1 } },
    ]);
    expect(await readStatus(store, 'r1')).toMatchObject({
      terminal_state: null,
      last_heartbeat_ts: null,
      attempt: 2,
      rows_done: 1,
    });
    expect(await readCounts(store, manifest)).toEqual({ expected: 5, done: 1, ok: 1, errors: 0, missing: 4 });
    const look = (more: object = {}) => waitForRun({ store, runId: 'r1', pollMs: 0, stallMs: 1e15, ...more });
    expect(await look()).toMatchObject({ kind: 'poll-once-exit', rows: 1, total: 5 });
    for (const id of ['a_2', 'a_3', 'b_2']) await putRow(store, row(id), 2);
    expect(await look({ minAttempt: 2 })).toMatchObject({ kind: 'poll-once-exit', rows: 3, total: 4 });
    await putRow(store, row('a_10', { error: 'still' }), 2);
    expect(await look()).toMatchObject({ kind: 'done', rows: 5 });
    expect(await look({ minAttempt: 2 })).toMatchObject({ kind: 'done', rows: 4 });
    expect(await planResubmit(store, manifest)).toMatchObject({ ids: ['a_10'], attempt: 3 });
  });

  it('is waited for by its own rows, and a good row that comes late is no less of one', async () => {
    await begin();
    for (const id of ['a_2', 'b_2', 'a_10']) await putRow(store, row(id), 2);
    const look = () => waitForRun({ store, runId: 'r1', pollMs: 0, stallMs: 1e15 });
    expect(await look()).toMatchObject({ kind: 'poll-once-exit', rows: 4 });
    // Of an attempt that had been given up, by a node that was cut off.
    await store.create(lateRowName('r1', 'a_3', 1), jsonBytes(row('a_3')));
    expect(await look()).toMatchObject({ kind: 'done', rows: 5 });
  });

  it('is done again as the next attempt after a death in between, and loses no id', async () => {
    const faults = new FaultPlan({ on: 'replace', name: /status\.json$/, fault: { kind: 'refuse' } });
    const weak = withFaults(store, faults);
    const dying = beginResubmit({ store: weak, manifest, reason: 'first', by: 'me', tries: 1 });
    await expect(dying).rejects.toThrow('status.json');
    // The record stands: its ids have no row that counts, and whoever looks says so.
    expect(await readCounts(store, manifest)).toMatchObject({ missing: 4 });
    expect(await begin('second')).toMatchObject({ attempt: 3, ids: ['a_10', 'a_2', 'a_3', 'b_2'] });
    const { records, floors } = await readAttemptRecords(store, 'r1');
    expect(records.map(({ attempt }) => attempt)).toEqual([2, 3]);
    expect(floors.get('a_2')).toBe(3);
  });

  it('is refused while somebody works on the run, and writes nothing', async () => {
    const owner = { headId: 'h', bootId: 'b', kind: 'embedded' } as const;
    const held = await Lease.acquire({ store, name: runLeaseName('r1'), owner, address: '127.0.0.1:1' });
    const before = await namesIn(store, '');
    await expect(begin()).rejects.toMatchObject({
      code: 'PREFLIGHT',
      message: expect.stringContaining('skein wait r1'),
    });
    expect(await namesIn(store, '')).toEqual(before);
    expect(await readStatus(store, 'r1')).toMatchObject({ terminal_state: 'done' });
    if (held.kind === 'held') await held.lease.release();
    expect(await begin()).toMatchObject({ attempt: 2 });
  });

  it('of two at once lets each id have one attempt that counts', async () => {
    const outcomes = await Promise.allSettled([begin('one'), begin('two')]);
    const begun = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(begun.length).toBeGreaterThanOrEqual(1);
    const { records, floors } = await readAttemptRecords(store, 'r1');
    expect(new Set(records.map(({ attempt }) => attempt)).size).toBe(records.length);
    expect(new Set(floors.values())).toEqual(new Set([records.at(-1)?.attempt]));
    expect((await readStatus(store, 'r1'))?.attempt).toBe(records.at(-1)?.attempt);
  });

  it("refuses an attempt that is somebody else's, and names them", async () => {
    const record = { attempt: 2, ids: ['a_2'], reason: '', found: {}, by: 'you@there', at_ms: 0, skein_version: '' };
    await createAttemptRecord(store, 'r1', record);
    await createAttemptRecord(store, 'r1', record);
    await expect(createAttemptRecord(store, 'r1', { ...record, ids: ['b_2'] })).rejects.toThrow('you@there');
  });
});

describe('the manifest of another version', () => {
  it('may lack what this one writes, and have what it does not know (P-30, L-16)', async () => {
    const old = {
      run_id: 'old',
      instance_ids: ['a_1'],
      databases: { a_1: 'a' },
      framework: 'noop',
      new_field: { x: 1 },
    };
    await store.create(manifestName('old'), jsonBytes(old));
    await putRow(store, row('a_1', { error: 'boom' }), 1, 'old');
    const read = await readManifest(store, 'old');
    const record = await beginResubmit({ store, manifest: read, reason: '', by: '' });
    expect(record).toMatchObject({ attempt: 2, ids: ['a_1'] });
    expect(await readStatus(store, 'old')).toMatchObject({ attempt: 2, terminal_state: null });
    expect((await store.read(manifestName('old')))?.bytes.toString()).toContain('new_field');
  });
});
