/** Stores that lie are refused at the start, each by what it lacks; and the rule that clears runs away. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { checkUsable } from '../../src/store/check-usable.ts';
import { ensureLifecycle } from '../../src/store/lifecycle.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { GcsServer } from '../helpers/gcs-server/server.ts';
import { namesIn } from '../helpers/store-fixtures.ts';

/** A memory store with some verbs of `changed` in place of its own. */
function lying(changed: (honest: ObjectStore) => Partial<ObjectStore>): ObjectStore {
  const honest = createMemoryStore();
  const verbs: ObjectStore = {
    url: honest.url,
    create: (...args) => honest.create(...args),
    replace: (...args) => honest.replace(...args),
    read: (...args) => honest.read(...args),
    stat: (...args) => honest.stat(...args),
    list: (...args) => honest.list(...args),
    remove: (...args) => honest.remove(...args),
    checkWritable: () => honest.checkWritable(),
    [Symbol.asyncDispose]: () => honest[Symbol.asyncDispose](),
  };
  return { ...verbs, ...changed(honest) };
}

describe('a store that is asked whether it can be used', () => {
  test('and does all, keeps nothing of the question', async () => {
    const store = lying(() => ({}));
    await checkUsable(store);
    expect(await namesIn(store, '')).toEqual([]);
  });

  const LIES: Readonly<Record<string, (honest: ObjectStore) => Partial<ObjectStore>>> = {
    'does not honour create-if-absent': (honest) => ({
      create: async (name, bytes) => {
        const standing = await honest.stat(name);
        return standing ? honest.replace(name, bytes, standing.generation) : honest.create(name, bytes);
      },
    }),
    'does not read back': () => ({ read: async () => undefined }),
    'does not list': () => ({ list: async () => ({ objects: [], prefixes: [] }) }),
    'replaces an object whose generation has changed': (honest) => ({
      replace: async (name, bytes) => honest.replace(name, bytes, (await honest.stat(name))?.generation ?? ''),
    }),
    'does not remove an object': (honest) => ({
      remove: async (name) => ({ kind: 'conflict', generation: (await honest.stat(name))?.generation ?? '' }),
    }),
  };

  test.each(Object.entries(LIES))('and %s, is refused by that name', async (lack, changed) => {
    const failure = checkUsable(lying(changed));
    await expect(failure).rejects.toMatchObject({ code: 'PREFLIGHT', message: expect.stringContaining(lack) });
  });
});

describe('a bucket', () => {
  let server: GcsServer;
  let store: ObjectStore;
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  const rules = (): unknown[] =>
    (server.bucket('bucket').resource['lifecycle'] as { rule: unknown[] } | undefined)?.rule ?? [];
  const OURS = { action: { type: 'Delete' }, condition: { age: 30, matchesPrefix: ['p/runs/'] } };

  beforeEach(async () => {
    warnings.length = 0;
    server = await GcsServer.start({ buckets: ['bucket'] });
    store = await openStore('gs://bucket/p', '--store', { gcsEndpoint: server.url });
  });
  afterEach(() => server[Symbol.asyncDispose]());

  test('can be used', async () => {
    await store.checkWritable();
    expect(server.bucket('bucket').size).toBe(0);
  });

  test('whose probe may not be removed is refused', async () => {
    server.faults.add({ on: 'remove', fault: { kind: 'status', status: 403 } });
    await expect(store.checkWritable()).rejects.toMatchObject({
      code: 'PREFLIGHT',
      message: expect.stringContaining('removing probe/'),
    });
  });

  test('gets the rule that clears runs away after 30 days, once, and keeps the rules it has (B-05, N-07)', async () => {
    const theirs = { action: { type: 'Delete' }, condition: { age: 30, matchesPrefix: ['p/runs/'], isLive: false } };
    server.bucket('bucket').resource = { lifecycle: { rule: [theirs] } };
    await ensureLifecycle(store, warn);
    await ensureLifecycle(store, warn);
    expect(rules()).toEqual([theirs, OURS]);
    expect(warnings).toEqual([]);
  });

  test('that two set up at once keeps the rules of both', async () => {
    const other = await openStore('gs://bucket/q', '--store', { gcsEndpoint: server.url });
    await Promise.all([ensureLifecycle(store, warn), ensureLifecycle(other, warn), ensureLifecycle(store, warn)]);
    expect(rules()).toHaveLength(2);
    expect(rules()).toContainEqual(OURS);
  });

  test('that may not be changed costs one warning and no run', async () => {
    server.faults.add({ on: 'bucket', fault: { kind: 'status', status: 403 } });
    await ensureLifecycle(store, warn);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('gs://bucket/p');
    expect(warnings[0]).not.toContain('\n');
    await ensureLifecycle(createMemoryStore(), warn);
    expect(warnings).toHaveLength(1);
  });
});
