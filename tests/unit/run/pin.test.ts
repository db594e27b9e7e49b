/** Pinned runs, in a bucket that clears up by its own rule and keeps what is held. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { keepPinned, pinRun, unpinRun } from '../../../src/run/pin.ts';
import type { Manifest } from '../../../src/run/manifest.ts';
import { createIndex, readIndex } from '../../../src/run/run-index.ts';
import { listRuns } from '../../../src/run/run-list.ts';
import { makeStatus, writeStatus } from '../../../src/run/status.ts';
import { ensureLifecycle } from '../../../src/store/lifecycle.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { openStore } from '../../../src/store/open.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { GcsServer } from '../../helpers/gcs-server/server.ts';
import { manifestOf, putRow, putRun, row } from '../../helpers/rows.ts';
import { bytesOf, namesIn } from '../../helpers/store-fixtures.ts';

const DAY_MS = 86_400_000;
const PIN = { by: 'me@here', at_ms: 1_700_000_000_000 };

let server: GcsServer;
let store: ObjectStore;
/** The bucket's clearing up, so many days from now. */
const clearUp = (days: number): void => server.bucket('bucket').clearUp(Date.now() + days * DAY_MS);
const made = async (runId: string, ended: boolean): Promise<Manifest> => {
  const manifest = manifestOf(['a_1', 'a_2'], { run_id: runId, created_at_ms: Date.now() });
  await putRun(store, manifest, [row('a_1')]);
  await createIndex(store, manifest);
  await store.create(`runs/${runId}/logs/a_1/attempt-1.log`, bytesOf('log'));
  await store.create(`runs/${runId}/rows/a_1/partial_transcript.jsonl`, bytesOf('{}\n'));
  await writeStatus(store, runId, makeStatus({ terminal_state: ended ? 'done' : null, last_heartbeat_ts: 1 }));
  return manifest;
};

beforeEach(async () => {
  server = await GcsServer.start({ buckets: ['bucket'] });
  store = await openStore('gs://bucket/p', '--store', { gcsEndpoint: server.url });
  await ensureLifecycle(store, (text) => expect.fail(text));
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

describe('a pinned run', () => {
  it('outlives the rule that clears all others away after 30 days, until it is let go (P-40, B-05, N-07)', async () => {
    const manifest = await made('kept', true);
    await made('gone', true);
    expect(await pinRun(store, manifest, PIN)).toMatchObject({ before: null, held: 4, free: 2, isHolding: true });
    clearUp(29);
    expect((await namesIn(store, 'runs/gone/')).length).toBe(6);
    clearUp(31);
    expect(await namesIn(store, 'runs/gone/')).toEqual([]);
    // What is written over and over is not held; without it the run is told from what is.
    expect(await namesIn(store, 'runs/kept/')).toEqual([
      'runs/kept/index.json',
      'runs/kept/logs/a_1/attempt-1.log',
      'runs/kept/manifest.json',
      'runs/kept/rows/a_1/attempt-1.json',
    ]);
    expect((await listRuns(store)).runs).toMatchObject([{ runId: 'kept', pinned: PIN, expiresAtMs: undefined }]);

    expect(await unpinRun(store, manifest)).toMatchObject({ before: PIN });
    expect((await readIndex(store, 'kept'))?.pinned).toBeNull();
    expect((await listRuns(store)).runs[0]?.expiresAtMs).toBe(manifest.created_at_ms + 30 * DAY_MS);
    clearUp(62);
    expect(await namesIn(store, 'runs/')).toEqual([]);
  });

  it('keeps what came after the pin once it is pinned again or fetched; the same twice changes nothing (P-40)', async () => {
    const manifest = await made('r1', true);
    await pinRun(store, manifest, PIN);
    await putRow(store, row('a_2'));
    await keepPinned(store, 'r1');
    const later = { by: 'other', at_ms: 1 };
    expect(await pinRun(store, manifest, later)).toMatchObject({ before: PIN, held: 5 });
    expect((await readIndex(store, 'r1'))?.pinned).toEqual(PIN);
    clearUp(31);
    expect(await namesIn(store, 'runs/r1/rows/')).toEqual([
      'runs/r1/rows/a_1/attempt-1.json',
      'runs/r1/rows/a_2/attempt-1.json',
    ]);
  });

  it('that goes on is not disturbed: status and what may still be replaced are free, rows are held', async () => {
    const manifest = await made('r1', false);
    await pinRun(store, manifest, PIN);
    await writeStatus(store, 'r1', makeStatus({ last_heartbeat_ts: 2 }));
    await putRow(store, row('a_2'));
    const log = await store.stat('runs/r1/logs/a_1/attempt-1.log');
    expect(log?.isHeld).toBeUndefined();
    await store.replace('runs/r1/logs/a_1/attempt-1.log', bytesOf('more'), log!.generation);
    const held = await store.stat('runs/r1/rows/a_1/attempt-1.json');
    expect(held?.isHeld).toBe(true);
    const replaced = store.replace(held!.name, bytesOf('x'), held!.generation);
    await expect(replaced).rejects.toThrow(/hold.*skein unpin/);
    await expect(store.remove(held!.name, held!.generation)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('is not called so when its objects could not be held, and pinning again goes on', async () => {
    const manifest = await made('r1', true);
    server.faults.add({ on: 'patch', fault: { kind: 'status', status: 403 }, skip: 1 });
    await expect(pinRun(store, manifest, PIN)).rejects.toThrow('holding runs/r1/');
    expect((await readIndex(store, 'r1'))?.pinned).toBeNull();
    server.faults.clear();
    expect(await pinRun(store, manifest, PIN)).toMatchObject({ held: 4 });
  });

  it('of another version has no index until it is pinned, and then one from its manifest', async () => {
    const manifest = manifestOf(['a_1'], { run_id: 'old' });
    await putRun(store, manifest);
    await pinRun(store, manifest, PIN);
    expect(await readIndex(store, 'old')).toMatchObject({ run_id: 'old', total: 1, pinned: PIN });
  });
});

it('in a store that clears nothing away a pin is a word in the list', async () => {
  const memory = createMemoryStore();
  const manifest = manifestOf(['a_1']);
  await putRun(memory, manifest);
  expect(await unpinRun(memory, manifest)).toMatchObject({ before: null });
  expect(await namesIn(memory, '')).toEqual(['runs/r1/manifest.json']);
  expect(await pinRun(memory, manifest, PIN)).toMatchObject({ held: 0, isHolding: false });
  expect((await listRuns(memory)).runs).toMatchObject([{ pinned: PIN }]);
});
