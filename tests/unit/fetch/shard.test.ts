import { mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { mergeShards } from '../../../src/reference/merge.ts';
import { shouldShip, uploadSetupSessions, uploadShard, type ShipQuestion } from '../../../src/reference/shard.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { shardsPrefix } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { downloadTree, listAll } from '../../../src/store/prefix.ts';
import { readTree, reference, tempDir, writeTree } from '../../helpers/shards.ts';

const PREFIX = 'runs/r1/post_run/slayer_models_otf/host-1-0/shop/';
const MTIME = 1_700_000_000.5;

async function names(store: ObjectStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of listAll(store, '')) found.push(name);
  return found;
}

/** `store` with every change noted as `create <name below the slice>`. */
function noting(store: ObjectStore, notes: string[]): ObjectStore {
  const note = (what: string, name: string): void => void notes.push(`${what} ${name.slice(PREFIX.length)}`);
  return {
    url: store.url,
    create: (name, bytes, options) => (note('create', name), store.create(name, bytes, options)),
    replace: (name, bytes, generation, options) => (
      note('replace', name),
      store.replace(name, bytes, generation, options)
    ),
    remove: (name, generation, options) => (note('remove', name), store.remove(name, generation, options)),
    read: (name, options) => store.read(name, options),
    stat: (name, options) => store.stat(name, options),
    list: (prefix, options) => store.list(prefix, options),
    checkWritable: () => store.checkWritable(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const upload = (store: ObjectStore, referenceRoot: string) => ({
  store,
  runId: 'r1',
  shard: 'host-1-0',
  database: 'shop',
  referenceRoot,
  tries: 1,
});

describe('what is shipped', () => {
  const question: ShipQuestion = {
    database: 'shop',
    fingerprint: 'fp-1',
    isShipped: false,
    isSeed: false,
    run: { queryMode: 'slayer', framework: 'encode', slayerSetup: 'on-the-fly' },
  };

  it('a new reference of an encoding run, also under the name of the original framework (U-03, Q-06)', () => {
    expect(shouldShip(question)).toBe(true);
    expect(shouldShip({ ...question, run: { ...question.run, framework: 'pydantic_ai_otf_encode' } })).toBe(true);
  });

  it('neither without marker, nor shipped before, nor as it was seeded, nor in any other kind of run (U-03, U-05, CR-2, U-07, Q-04, Q-05, Q-09)', () => {
    for (const change of [
      { fingerprint: undefined },
      { isShipped: true },
      { isSeed: true },
      { database: '.fp.tmp-1' },
      { run: { ...question.run, queryMode: 'raw' } },
      { run: { ...question.run, slayerSetup: 'pre-encoded' } },
      { run: { ...question.run, framework: 'pydantic_ai_recursive' } },
    ]) {
      expect(shouldShip({ ...question, ...change }), JSON.stringify(change)).toBe(false);
    }
  });
});

describe('a shard', () => {
  it('is complete only when everything else is stored: content, side-cars, then the marker (U-04, U-07, N-10, Q-01, Q-02, Q-03)', async () => {
    await using temp = await tempDir();
    await writeTree(join(temp.dir, 'shop'), reference('x', { 'embeddings.db': '\0\u0001' }), MTIME);
    await writeTree(temp.dir, { '.fp.tmp-1/_reference_fp.txt': 'scrap', 'shop/.x.yaml.merge-1-1': 'scrap' });
    const notes: string[] = [];
    const store = createMemoryStore();
    expect(await uploadShard(upload(noting(store, notes), temp.dir))).toMatchObject({ kind: 'uploaded', files: 6 });
    expect(notes.slice(-3)).toEqual([
      'create _skein_shard.json',
      'create _source_mtimes.json',
      'create _upload_complete',
    ]);
    expect(notes).toHaveLength(9);
    expect((await store.read(`${PREFIX}_upload_complete`))?.bytes.toString()).toBe('ok');
    const mtimes = JSON.parse((await store.read(`${PREFIX}_source_mtimes.json`))!.bytes.toString()) as object;
    expect(Object.keys(mtimes).sort()).toEqual(Object.keys(reference('x', { 'embeddings.db': '' })).sort());
    expect(new Set(Object.values(mtimes))).toEqual(new Set([MTIME]));
  });

  it('that failed on the way is incomplete, and whole after the next try (U-05, H2, M6, X-10, Q-07)', async () => {
    await using temp = await tempDir();
    await writeTree(join(temp.dir, 'shop'), reference('x'));
    const store = createMemoryStore();
    const plan = new FaultPlan({ fault: { kind: 'refuse' }, on: 'create', name: `${PREFIX}models/`, count: 1 });
    await expect(uploadShard(upload(withFaults(store, plan), temp.dir))).rejects.toThrow('refused');
    expect(await names(store)).not.toContain(`${PREFIX}_upload_complete`);
    expect(await uploadShard(upload(withFaults(store, plan), temp.dir))).toMatchObject({ kind: 'uploaded' });
    expect(await names(store)).toContain(`${PREFIX}_upload_complete`);
  });

  it('that is there already is left alone; another build under its name first takes the marker off (U-04)', async () => {
    await using temp = await tempDir();
    await writeTree(join(temp.dir, 'shop'), reference('x'), MTIME);
    const notes: string[] = [];
    const store = noting(createMemoryStore(), notes);
    await uploadShard(upload(store, temp.dir));
    notes.length = 0;
    expect(await uploadShard(upload(store, temp.dir))).toMatchObject({ kind: 'unchanged' });
    expect(notes).toEqual([]);
    await writeTree(join(temp.dir, 'shop'), reference('y'), MTIME + 1);
    expect(await uploadShard(upload(store, temp.dir))).toMatchObject({ kind: 'uploaded' });
    expect(notes[0]).toBe('remove _upload_complete');
    expect(notes.at(-1)).toBe('create _upload_complete');
  });

  it('of a folder without marker is none', async () => {
    await using temp = await tempDir();
    await writeTree(join(temp.dir, 'shop'), { 'memories.yaml': 'scrap' });
    const store = createMemoryStore();
    expect(await uploadShard(upload(store, temp.dir))).toEqual({ kind: 'absent' });
    expect(await names(store)).toEqual([]);
  });

  it('comes back from the bucket as the same reference, identity record and times included (M-07)', async () => {
    await using temp = await tempDir();
    const [built, mirror, root] = ['built', 'mirror', 'root'].map((name) => join(temp.dir, name)) as [
      string,
      string,
      string,
    ];
    const identity = { encoder_id: 'rules', encoder_version: '1', built_at_ms: 1_700_000_000_500, epoch: 3 };
    await writeTree(join(built, 'shop'), reference('x'), MTIME);
    await writeTree(built, { '.skein/shop.json': JSON.stringify(identity) });
    const store = createMemoryStore();
    await uploadShard(upload(store, built));
    await downloadTree(store, shardsPrefix('r1'), mirror);
    const withLock = <T>(_database: string, work: () => Promise<T>): Promise<T> => work();
    const report = await mergeShards({ shardsDir: mirror, referenceRoot: root, withLock });
    expect(report).toMatchObject({ merged_dbs: [{ outcome: 'updated' }], refused_slices: [] });
    expect(await readTree(join(root, 'shop'))).toEqual(reference('x'));
    expect(JSON.parse((await readTree(root))['.skein/shop.json'] ?? '')).toEqual(identity);
    const again = await mergeShards({ shardsDir: mirror, referenceRoot: built, withLock });
    expect(again.merged_dbs).toMatchObject([{ outcome: 'unchanged' }]);
  });

  it('brings home what the encode cost, where its encoder says so beside the models (V-18)', async () => {
    await using temp = await tempDir();
    const usage = { '_setup_usage.json': '{"cost_usd":1.25,"n_calls":7}' };
    const [built, mirror, root] = ['built', 'mirror', 'root'].map((name) => join(temp.dir, name)) as [
      string,
      string,
      string,
    ];
    await writeTree(join(built, 'shop'), reference('x', usage), MTIME);
    const store = createMemoryStore();
    await uploadShard(upload(store, built));
    await downloadTree(store, shardsPrefix('r1'), mirror);
    const withLock = <T>(_database: string, work: () => Promise<T>): Promise<T> => work();
    await mergeShards({ shardsDir: mirror, referenceRoot: root, withLock });
    expect(await readTree(join(root, 'shop'))).toMatchObject(usage);
  });
});

describe('bundles', () => {
  it('only the setup sessions that changed since the task began go, each whole (U-02)', async () => {
    await using temp = await tempDir();
    const store = createMemoryStore();
    await writeTree(temp.dir, { 'old/kb_1.json': '1', 'new/kb_1.json': '1', 'new/kb_2.json': '2' }, 1_000);
    await utimes(join(temp.dir, 'new', 'kb_2.json'), 2_000, 2_000);
    await mkdir(join(temp.dir, 'empty'));
    const bucket = { store, runId: 'r1' };
    expect(await uploadSetupSessions(bucket, { root: temp.dir, sinceMs: 2_000_000 })).toEqual(['new']);
    expect(await names(store)).toEqual([
      'runs/r1/sessions/_setup_sessions/new/kb_1.json',
      'runs/r1/sessions/_setup_sessions/new/kb_2.json',
    ]);
    expect(await uploadSetupSessions(bucket, { root: join(temp.dir, 'nowhere'), sinceMs: 0 })).toEqual([]);
  });
});
