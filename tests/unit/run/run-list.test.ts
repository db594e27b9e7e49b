import { afterEach, describe, expect, it } from 'vitest';

import { createIndex, readIndex } from '../../../src/run/run-index.ts';
import { listRuns, runDetail } from '../../../src/run/run-list.ts';
import { makeStatus, writeStatus, type RunStatusInput } from '../../../src/run/status.ts';
import { jsonBytes } from '../../../src/kernel/json.ts';
import { statusName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { openStore } from '../../../src/store/open.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { ensureLifecycle } from '../../../src/store/lifecycle.ts';
import { GcsServer } from '../../helpers/gcs-server/server.ts';
import { manifestOf, putRow, putRun, row } from '../../helpers/rows.ts';

const NOW = 1_700_000_000_000;
const SECOND = 1000;
const beat = (agoS: number, fields: RunStatusInput = {}) =>
  makeStatus({ last_heartbeat_ts: (NOW - agoS * SECOND) / 1000, ...fields });

async function put(store: ObjectStore, runId: string, status: RunStatusInput | undefined, ids = ['a_1', 'a_2']) {
  const manifest = manifestOf(ids, { run_id: runId, created_at_ms: NOW });
  await putRun(store, manifest);
  await createIndex(store, manifest);
  if (status) await writeStatus(store, runId, makeStatus(status));
}

/** Every call of `store`, as `read runs/r1/index.json`. */
function noting(store: ObjectStore, calls: string[]): ObjectStore {
  return new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (typeof key === 'string') calls.push(`${key} ${String(args[0])}`);
        return value.apply(target, args) as unknown;
      };
    },
  });
}

describe('the list of runs', () => {
  it('has one line per run, the newest first, and names those that cannot be read (L-09)', async () => {
    const store = createMemoryStore();
    await putRun(store, manifestOf(['a_1', 'a_2'], { run_id: 'old', created_at_ms: 1 }), [row('a_1'), row('a_2')]);
    await writeStatus(store, 'old', makeStatus({ terminal_state: 'done', rows_done: 2, rows_ok: 1, rows_error: 1 }));
    await put(store, 'new', beat(3, { rows_done: 1, rows_ok: 1 }));
    await store.create('runs/broken/manifest.json', Buffer.from('{'));
    await store.create('runs/broken/rows/a_1/attempt-1.json', Buffer.from('{}'));
    await store.create('runs/torn/index.json', Buffer.from('{"run_id":'));
    const { runs, unreadable } = await listRuns(store, {}, NOW);
    expect(runs).toMatchObject([
      { runId: 'new', state: 'live', done: 1, total: 2, errors: 0 },
      { runId: 'old', state: 'done', done: 2, total: 2, errors: 1, framework: 'encode', queryMode: 'slayer' },
    ]);
    expect(unreadable).toEqual(['broken', 'torn']);
  });

  it('makes two small reads a run and lists no rows, whatever the runs hold (V-12, P-39)', async () => {
    const store = createMemoryStore();
    for (let at = 0; at < 20; at += 1) {
      await put(store, `r${at}`, at % 2 ? beat(3) : { terminal_state: 'done' });
      for (let task = 0; task < 30; task += 1) await putRow(store, row(`a_${task}`), 1, `r${at}`);
    }
    const calls: string[] = [];
    expect((await listRuns(noting(store, calls), {}, NOW)).runs).toHaveLength(20);
    expect(calls.filter((call) => call.startsWith('list'))).toEqual(['list runs/']);
    expect(calls.filter((call) => /^read runs\/r\d+\/(?:index|status)\.json$/.test(call))).toHaveLength(40);
    expect(calls).toHaveLength(41);
  });

  it('tells a run that was ended from one whose head or command is simply gone (L-09, P-29)', async () => {
    const store = createMemoryStore();
    await put(store, 'live', beat(30));
    await put(store, 'orphaned', beat(90, { rows_done: 1 }));
    await put(store, 'stopped', beat(90, { stopped: true }));
    await put(store, 'complete', beat(90, { rows_done: 2 }));
    await put(store, 'error', beat(90, { terminal_state: 'error', error: 'no dataset' }));
    await put(store, 'never-begun', undefined);
    await put(store, 'resubmitted', { attempt: 2, rows_done: 1, rows_ok: 1 });
    const { runs } = await listRuns(store, {}, NOW);
    expect(Object.fromEntries(runs.map(({ runId, state }) => [runId, state]))).toEqual({
      live: 'live',
      orphaned: 'orphaned',
      stopped: 'stopped',
      complete: 'done',
      error: 'error',
      'never-begun': 'stopped',
      resubmitted: 'stopped',
    });
    expect(runs.find(({ runId }) => runId === 'never-begun')).toMatchObject({ done: 0, errors: undefined });
    expect(runs.find(({ runId }) => runId === 'resubmitted')).toMatchObject({ attempt: 2, done: 1 });
  });

  it('shows the runs of the original, which have no index and a shorter status (P-39, L-17)', async () => {
    const store = createMemoryStore();
    const theirs = { run_id: 'theirs', framework: 'pydantic_ai', query_mode: 'raw', instance_ids: ['a_1', 'a_2'] };
    await store.create('runs/theirs/manifest.json', jsonBytes(theirs));
    const status = { ray_job_id: 'job', last_heartbeat_ts: NOW / 1000, rows_done: 1, rows_total: 2, attempt: 1 };
    await store.create(statusName('theirs'), jsonBytes({ ...status, terminal_state: null }));
    expect((await listRuns(store, {}, NOW)).runs).toMatchObject([
      { runId: 'theirs', framework: 'pydantic_ai', state: 'live', done: 1, total: 2, errors: undefined },
    ]);
  });

  it("believes no index that is another run's", async () => {
    const store = createMemoryStore();
    await put(store, 'r1', undefined);
    await putRun(store, manifestOf(['a_1'], { run_id: 'r2' }));
    await store.create('runs/r2/index.json', (await store.read('runs/r1/index.json'))!.bytes);
    expect(await readIndex(store, 'r2')).toBeUndefined();
    expect((await listRuns(store, {}, NOW)).runs.find(({ runId }) => runId === 'r2')).toMatchObject({ total: 1 });
  });
});

describe('one run of it', () => {
  it('has its rows counted, and is done when they are all there, whoever was to say so (V-12)', async () => {
    const store = createMemoryStore();
    await put(store, 'r1', beat(500, { rows_done: 0 }));
    await putRow(store, row('a_1', { error: 'boom' }));
    expect(await runDetail(store, 'r1', {}, NOW)).toMatchObject({
      state: 'orphaned',
      done: 1,
      errors: 1,
      counts: { expected: 2, done: 1, missing: 1 },
    });
    await putRow(store, row('a_2'));
    expect(await runDetail(store, 'r1', {}, NOW)).toMatchObject({ state: 'done', done: 2 });
    await expect(runDetail(store, 'none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('when a run goes', () => {
  let server: GcsServer | undefined;
  afterEach(() => server?.[Symbol.asyncDispose]());

  it('is what the rule of the bucket says, and never where there is none (P-40, B-05)', async () => {
    server = await GcsServer.start({ buckets: ['bucket'] });
    await using store = await openStore('gs://bucket/p', '--store', { gcsEndpoint: server.url });
    await put(store, 'r1', undefined);
    const expiry = async () => (await listRuns(store, {}, NOW)).runs[0]?.expiresAtMs;
    expect(await expiry()).toBeUndefined();
    await ensureLifecycle(store, (text) => expect.fail(text));
    expect(await expiry()).toBe(NOW + 30 * 86_400_000);
    // Somebody's shorter rule for the whole bucket is what counts then.
    const { resource } = server.bucket('bucket');
    (resource['lifecycle'] as { rule: unknown[] }).rule.push({ action: { type: 'Delete' }, condition: { age: 7 } });
    expect(await expiry()).toBe(NOW + 7 * 86_400_000);
    server.faults.add({ on: 'bucket', fault: { kind: 'status', status: 403 } });
    expect(await expiry()).toBeUndefined();
  });
});
