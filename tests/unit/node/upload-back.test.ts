/** The end of a run at a node: references that the store does not take at once. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { SkeinError } from '../../../src/kernel/errors.ts';
import { createLogger } from '../../../src/kernel/log.ts';
import { Shipper } from '../../../src/node/shipper.ts';
import { UploadBack } from '../../../src/node/upload-back.ts';
import { contentDigest } from '../../../src/reference/shard-slice.ts';
import { shardsPrefix } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { taskOf } from '../../helpers/task-of.ts';
import { reference, tempDir, writeTree } from '../../helpers/shards.ts';
import { namesIn } from '../../helpers/store-fixtures.ts';
import { encodeSettings } from '../../helpers/run-settings.ts';

/** A store that takes no shard before the `refusals`-th try of it is over. */
function reluctant(store: ObjectStore, refusals: number): ObjectStore {
  let refused = 0;
  return new Proxy(store, {
    get: (target, key) => {
      const verb = Reflect.get(target, key, target) as unknown;
      if (key !== 'create' || typeof verb !== 'function') return typeof verb === 'function' ? verb.bind(target) : verb;
      return async (name: string, ...rest: unknown[]) => {
        if (name.endsWith('_skein_shard.json') && refused < refusals) {
          refused += 1;
          // Not tried again by itself.
          throw new SkeinError('DISK_FULL', `${name}: no space`);
        }
        return (verb as (...args: unknown[]) => unknown).call(target, name, ...rest);
      };
    },
  });
}

async function openUploadBack(store: ObjectStore, referenceRoot: string, more: object): Promise<UploadBack> {
  return await UploadBack.open({
    store,
    runId: 'r1',
    shipper: new Shipper({ store, runId: 'r1', log: createLogger() }),
    log: createLogger(),
    signal: new AbortController().signal,
    placeOf: () => ({
      datasetDir: referenceRoot,
      databasePath: join(referenceRoot, 'shop.sqlite'),
      cacheRoot: referenceRoot,
      referenceRoot,
      reference: { kind: 'build', epoch: 0 },
    }),
    settings: encodeSettings(['shop']),
    ...more,
  });
}

const complete = async (store: ObjectStore) =>
  (await namesIn(store, shardsPrefix('r1'))).filter((name) => name.endsWith('/_upload_complete'));

test('a flush that may wait tries until the store has taken every reference (U-05, P-07)', async () => {
  await using temp = await tempDir();
  await writeTree(join(temp.dir, 'shop'), reference('x'));
  const store = createMemoryStore();
  const uploadBack = await openUploadBack(reluctant(store, 1), temp.dir, { patienceMs: 60_000 });
  expect(await uploadBack.flush()).toBe(true);
  expect(await complete(store)).toHaveLength(1);
});

test('a flush without patience says at once that something is left', async () => {
  await using temp = await tempDir();
  await writeTree(join(temp.dir, 'shop'), reference('x'));
  const store = createMemoryStore();
  const uploadBack = await openUploadBack(reluctant(store, 1), temp.dir, {});
  expect(await uploadBack.flush()).toBe(false);
  expect(await complete(store)).toEqual([]);
  expect(await uploadBack.flush()).toBe(true);
});

test('a flush that may wait ends with the node', async () => {
  await using temp = await tempDir();
  await writeTree(join(temp.dir, 'shop'), reference('x'));
  const stop = new AbortController();
  const store = reluctant(createMemoryStore(), Infinity);
  const uploadBack = await openUploadBack(store, temp.dir, { patienceMs: 60_000, signal: stop.signal });
  const flushed = uploadBack.flush();
  stop.abort();
  expect(await flushed).toBe(false);
});

test('tasks that end side by side ship what their encoder wrote once, and all of it (U-02)', async () => {
  await using temp = await tempDir();
  const root = join(temp.dir, 'sessions');
  await writeTree(join(root, 'shop'), { 'items.md': 'first', 'items.jsonl': '{}' }, Date.now() / 1000 - 5);
  const memory = createMemoryStore();
  const slow = new FaultPlan({ fault: { kind: 'delay', delayMs: 5 }, on: ['create', 'replace'] });
  const store = withFaults(memory, slow);
  const shipper = new Shipper({ store, runId: 'r1', log: createLogger() });
  const uploadBack = await openUploadBack(store, temp.dir, { shipper });
  const assignment = { setupSessionsRoot: root, task: taskOf({}) };
  const snapshots = { finish: async () => {} };
  const ended = { assignment, actor: { name: 'a' }, snapshots };
  const ends = (): Promise<void> => uploadBack.task(ended as unknown as Parameters<UploadBack['task']>[0]);
  await Promise.all(Array.from({ length: 16 }, () => ends()));
  expect(shipper.failures).toEqual({});
  expect(slow.fired.filter((call) => call.includes('/items.md '))).toHaveLength(1);

  await writeTree(join(root, 'shop'), { 'items.md': 'second' });
  await ends();
  expect((await memory.read('runs/r1/sessions/_setup_sessions/shop/items.md'))?.bytes.toString()).toBe('second');
});

const SEED = 'runs/r1/slayer_setup/slayer_models_otf/';
/** A reference whose marker says the same whatever is in it, as an input fingerprint does. */
const encoded = (text: string): Record<string, string> => ({ ...reference(text), '_reference_fp.txt': 'fp-inputs' });
const digestOf = (files: Record<string, string>): string =>
  contentDigest(new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)])));

async function seeded(files: Record<string, string>, record?: object): Promise<ObjectStore> {
  const store = createMemoryStore();
  for (const [path, text] of Object.entries(files)) await store.create(`${SEED}shop/${path}`, Buffer.from(text));
  if (record) await store.create(`${SEED}.skein/shop.json`, Buffer.from(JSON.stringify(record)));
  return store;
}

test('a seed that was encoded again from the same inputs is told by its content, and shipped (U-07, S-08)', async () => {
  await using temp = await tempDir();
  const record = { input_fp: 'fp-inputs', content_digest: digestOf(encoded('seed')), run_id: 'r0' };
  const store = await seeded(encoded('seed'), record);
  await writeTree(join(temp.dir, 'shop'), encoded('seed'));
  await writeTree(temp.dir, { '.skein/shop.json': JSON.stringify(record) });
  const uploadBack = await openUploadBack(store, temp.dir, {});
  await uploadBack.reference('shop', 'a');
  expect(await complete(store), 'the seed as it came').toEqual([]);

  await writeTree(join(temp.dir, 'shop'), encoded('again'));
  await uploadBack.reference('shop', 'a');
  expect(await complete(store), 'other content under the same fingerprint').toHaveLength(1);
});

test('a seed of which nobody says what is in it is shipped only if this run encoded it (U-07, S-08)', async () => {
  await using temp = await tempDir();
  const store = await seeded(encoded('seed'));
  await writeTree(join(temp.dir, 'shop'), encoded('again'));
  const uploadBack = await openUploadBack(store, temp.dir, {});
  await uploadBack.reference('shop', 'a');
  expect(await complete(store)).toEqual([]);
  const record = { input_fp: 'fp-inputs', content_digest: digestOf(encoded('again')), run_id: 'r1' };
  await writeTree(temp.dir, { '.skein/shop.json': JSON.stringify(record) });
  const next = await openUploadBack(store, temp.dir, {});
  await next.reference('shop', 'a');
  expect(await complete(store)).toHaveLength(1);
});

test('what this run encodes again after it was shipped is shipped again; what others merge into the root is not (U-05, U-07)', async () => {
  await using temp = await tempDir();
  const store = createMemoryStore();
  const stand = async (text: string, runId: string): Promise<void> => {
    await writeTree(join(temp.dir, 'shop'), encoded(text));
    await writeTree(temp.dir, { '.skein/shop.json': JSON.stringify({ input_fp: 'fp-inputs', run_id: runId }) });
  };
  const shipped = async (): Promise<string | undefined> => {
    const name = (await namesIn(store, shardsPrefix('r1'))).find((each) => each.endsWith('/memories.yaml'));
    return (await store.read(name ?? 'none'))?.bytes.toString();
  };
  const uploadBack = await openUploadBack(store, temp.dir, {});
  await stand('first', 'r1');
  await uploadBack.reference('shop', 'a');
  const first = await shipped();
  await stand('foreign', 'r9');
  await uploadBack.reference('shop', 'a');
  expect(await shipped()).toBe(first);
  await stand('second', 'r1');
  await uploadBack.reference('shop', 'a');
  expect(await shipped()).not.toBe(first);
  expect(await complete(store)).toHaveLength(1);
});

test('a reference that is replaced while it is read goes as one of the two, whole (U-07, R-05)', async () => {
  await using temp = await tempDir();
  const root = temp.dir;
  const dir = join(root, 'shop');
  await writeTree(dir, reference('old'));
  const store = createMemoryStore();
  const uploadBack = await openUploadBack(store, root, {});
  const shipping = uploadBack.reference('shop', 'a');
  // Marker off first, marker last, as every writer here does.
  rmSync(join(dir, '_reference_fp.txt'));
  const next = reference('new');
  const { '_reference_fp.txt': marker = '', ...content } = next;
  await writeTree(dir, content);
  await writeTree(dir, { '_reference_fp.txt': marker });
  await shipping;
  await uploadBack.flush();
  const [slice = ''] = (await complete(store)).map((name) => name.slice(0, -'_upload_complete'.length));
  const found: Record<string, string> = {};
  for (const path of Object.keys(next)) found[path] = (await store.read(slice + path))?.bytes.toString() ?? '';
  expect([reference('old'), next]).toContainEqual(found);
});
