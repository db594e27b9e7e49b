/** The end of a run at a node: references that the store does not take at once. */
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { SkeinError } from '../../../src/kernel/errors.ts';
import { DEFAULT_MODEL_SETTINGS } from '../../../src/frameworks/framework.ts';
import { createLogger } from '../../../src/kernel/log.ts';
import { Shipper } from '../../../src/node/shipper.ts';
import { UploadBack } from '../../../src/node/upload-back.ts';
import { shardsPrefix } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { taskOf } from '../../helpers/task-of.ts';
import { reference, tempDir, writeTree } from '../../helpers/shards.ts';
import { namesIn } from '../../helpers/store-fixtures.ts';

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
    signal: new AbortController().signal,
    placeOf: () => ({
      datasetDir: referenceRoot,
      databasePath: join(referenceRoot, 'shop.sqlite'),
      cacheRoot: referenceRoot,
      referenceRoot,
      reference: { kind: 'build', epoch: 0 },
    }),
    settings: {
      framework: {
        ...DEFAULT_MODEL_SETTINGS,
        framework: 'encode',
        queryMode: 'slayer',
        mode: 'a-interact',
        slayerSetup: 'on-the-fly',
        encoder: 'rules',
        sqlTimeoutMs: 1_000,
      },
      databases: ['shop'],
      taskCount: 1,
      actorBlockTimeoutMs: 0,
      snapshotEveryMs: 0,
    },
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
