import { describe, expect, it } from 'vitest';

import { runSettings } from '../../../src/node/run-settings.ts';
import {
  createManifest,
  databaseOf,
  makeManifest,
  manifestDifferences,
  parseManifest,
  readManifest,
  sameManifest,
} from '../../../src/run/manifest.ts';
import { freshStatus, makeStatus, readStatus, writeStatus } from '../../../src/run/status.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';

const manifest = makeManifest({
  run_id: 'r1',
  instance_ids: ['b_1', 'a_1'],
  databases: { a_1: 'a', b_1: 'b' },
  created_at_ms: 5,
});

describe('a manifest', () => {
  it('reads a document of an older writer with the defaults, and keeps what it does not know (L-16, L-18, P-30)', () => {
    const read = parseManifest('manifest.json', '{"run_id":"r1","instance_ids":["a_1"],"future":{"x":1}}');
    expect(read).toMatchObject({
      patience: 3,
      strict: false,
      prompt_cache: true,
      render_inputs: { workers: 1, zone: null },
      encoder: 'rules',
      future: { x: 1 },
    });
  });

  it('is the same run when the file of its framework lay elsewhere, another when the framework is another', () => {
    const own = { digest: 'a'.repeat(64), file: 'mine.ts', path: '/here/mine.ts' };
    const stored = makeManifest({ ...manifest, framework: 'mine', framework_bundle: own });
    const moved = makeManifest({ ...stored, framework_bundle: { ...own, path: '/there/mine.ts' } });
    expect(sameManifest(stored, moved)).toBe(true);
    const changed = makeManifest({ ...stored, framework_bundle: { ...own, digest: 'b'.repeat(64) } });
    expect(manifestDifferences(stored, changed)).toMatchObject([{ field: 'framework_bundle' }]);
    expect(manifestDifferences(manifest, stored).map(({ field }) => field)).toEqual(['framework', 'framework_bundle']);
    expect(() => makeManifest({ ...manifest, framework_bundle: { ...own, digest: '../../x' } })).toThrow(/no SHA-256/);
  });

  it('has its tasks snapshotted every 10 s unless it says otherwise, and is no other run for that (N-13)', () => {
    expect(manifest.snapshot_every_ms).toBe(10_000);
    const often = makeManifest({ ...manifest, snapshot_every_ms: 500 });
    expect(runSettings(often).snapshotEveryMs).toBe(500);
    expect(sameManifest(manifest, often)).toBe(true);
    expect(() => makeManifest({ ...manifest, snapshot_every_ms: -1 })).toThrow(/snapshot_every_ms/);
  });

  it('names the field that cannot be used', () => {
    expect(() => parseManifest('manifest.json', '{"run_id":"r1","instance_ids":["../x"]}')).toThrow(
      'manifest.json: instance_ids.0',
    );
    expect(() => parseManifest('manifest.json', '{"run_id":"r1","instance_ids":[]}')).toThrow('instance_ids');
    expect(() => parseManifest('manifest.json', '{"run_id":"r1"')).toThrow('manifest.json');
  });

  it('gives no database for an id that is named like a part of every object', () => {
    expect(databaseOf(manifest, 'constructor')).toBe('');
    expect(databaseOf(manifest, 'a_1')).toBe('a');
  });

  it('is the same run whatever the order of its ids, its time and its number of actors', () => {
    const again = makeManifest({
      ...manifest,
      instance_ids: ['a_1', 'b_1'],
      created_at_ms: 9,
      render_inputs: { actors_per_worker: 7 },
    });
    expect(sameManifest(manifest, again)).toBe(true);
    expect(manifestDifferences(manifest, makeManifest({ ...manifest, encoder: 'agent', strict: true }))).toEqual([
      { field: 'encoder', stored: '"rules"', asked: '"agent"' },
      { field: 'strict', stored: 'false', asked: 'true' },
    ]);
  });

  it('is created once: the same again attaches, another is refused with what differs (L-16)', async () => {
    const store = createMemoryStore();
    expect((await createManifest(store, manifest)).kind).toBe('created');
    const attached = await createManifest(store, { ...manifest, created_at_ms: 99 });
    expect(attached).toMatchObject({ kind: 'attached', manifest: { created_at_ms: 5 } });
    const refused = await createManifest(store, { ...manifest, mode: 'oracle' });
    expect(refused).toMatchObject({ kind: 'refused', differences: [{ field: 'mode' }] });
    expect(await readManifest(store, 'r1')).toEqual(manifest);
  });

  it('counts as created when only the answer was lost', async () => {
    const plan = new FaultPlan({ fault: { kind: 'lose-answer' }, on: 'create', count: 1 });
    const store = withFaults(createMemoryStore(), plan);
    expect((await createManifest(store, manifest)).kind).toBe('created');
    expect(plan.fired).toHaveLength(1);
  });

  it('that is absent, or of another run, is an error that says so', async () => {
    const store = createMemoryStore();
    await expect(readManifest(store, 'r2')).rejects.toThrow('run r2: no such run');
    await store.create('runs/r2/manifest.json', Buffer.from(JSON.stringify(manifest)));
    await expect(readManifest(store, 'r2')).rejects.toThrow('it is the manifest of run "r1"');
    await expect(readManifest(store, '../r2')).rejects.toThrow('legal run id');
  });
});

describe('a status', () => {
  it('comes back as it was written, the oldest task in flight first (V-01)', async () => {
    const store = createMemoryStore();
    const status = makeStatus({
      last_heartbeat_ts: 12.5,
      rows_total: 3,
      in_flight: [
        { instance_id: 'a_1', elapsed_s: 1 },
        { instance_id: 'a_2', elapsed_s: 9 },
      ],
    });
    await writeStatus(store, 'r1', freshStatus(3, 1));
    await writeStatus(store, 'r1', status);
    const read = await readStatus(store, 'r1');
    expect(read).toEqual(status);
    expect(read?.in_flight.map(({ instance_id }) => instance_id)).toEqual(['a_2', 'a_1']);
  });

  it('that is missing or unreadable reads as none yet (L-17)', async () => {
    const store = createMemoryStore();
    expect(await readStatus(store, 'r1')).toBeUndefined();
    await store.create('runs/r1/status.json', Buffer.from('{"rows_do'));
    expect(await readStatus(store, 'r1')).toBeUndefined();
    await store.create('runs/r2/status.json', Buffer.from('{"terminal_state": "lost"}'));
    expect(await readStatus(store, 'r2')).toBeUndefined();
  });
});
