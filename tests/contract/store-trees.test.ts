/** Trees to and from a prefix, on each store: markers last, names that lead nowhere else, nothing lost silently. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { FaultPlan, withFaults } from '../../src/store/faults.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { downloadTree, listAll, listFolders, uploadTree } from '../../src/store/prefix.ts';
import {
  mustCreate,
  namesIn,
  STORE_KINDS,
  temporaryFolder,
  textOf,
  type StoreFixture,
} from '../helpers/store-fixtures.ts';

describe.each(STORE_KINDS)('trees: $kind', ({ make }) => {
  let fixture: StoreFixture;
  let folder: ReturnType<typeof temporaryFolder>;
  let plan: FaultPlan;
  let store: ObjectStore;
  let tree: string;
  let dest: string;
  const fast = { sleep: async () => {} };

  beforeEach(async () => {
    fixture = await make();
    folder = temporaryFolder();
    plan = new FaultPlan();
    store = withFaults(fixture.store, plan);
    tree = join(folder.path, 'tree');
    dest = join(folder.path, 'dest');
  });
  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  async function plant(files: Readonly<Record<string, string | Buffer>>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), content);
    }
  }

  const BINARY = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256));
  const REFERENCE = {
    'models/db/t.yaml': 'name: t\n',
    'memories.yaml': '',
    _kb_rows: '[]',
    '.hidden': 'x',
    'embeddings.db': BINARY,
    _reference_fp: 'f1',
    _upload_complete: 'ok',
  };

  test('ships every file, binaries, hidden and empty ones too, and fetches them back byte for byte (B-04)', async () => {
    await plant(REFERENCE);
    const report = await uploadTree(store, tree, 'p/q/');
    expect(report).toMatchObject({ files: 7, unchanged: 0 });
    expect(await namesIn(store, '')).toEqual(
      Object.keys(REFERENCE)
        .map((path) => `p/q/${path}`)
        .toSorted(),
    );
    expect(await downloadTree(store, 'p/q/', dest)).toMatchObject({ downloaded: 7, bytes: report.bytes, skipped: [] });
    for (const [path, content] of Object.entries(REFERENCE)) {
      expect((await readFile(join(dest, path))).equals(Buffer.from(content))).toBe(true);
    }
  });

  test('ships markers last and in their order (U-04)', async () => {
    await plant(REFERENCE);
    const order: string[] = [];
    const watched: ObjectStore = {
      ...store,
      create: async (name, bytes, options) => {
        const outcome = await store.create(name, bytes, options);
        order.push(name);
        return outcome;
      },
    };
    await uploadTree(watched, tree, 'p/', { last: ['_reference_fp', '_upload_complete'] });
    expect(order.slice(-2)).toEqual(['p/_reference_fp', 'p/_upload_complete']);
    expect(order).toHaveLength(7);
  });

  test('leaves no marker when an upload fails midway', async () => {
    await plant(REFERENCE);
    plan.add({ on: 'create', name: /memories/, fault: { kind: 'refuse' } });
    const upload = uploadTree(store, tree, 'p/', { ...fast, last: ['_reference_fp', '_upload_complete'] });
    await expect(upload).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const names = await namesIn(store, 'p/');
    expect(names).not.toContain('p/_reference_fp');
    expect(names).not.toContain('p/_upload_complete');
  });

  test('takes standing markers away before it changes what they vouch for, and removes what the tree no longer has', async () => {
    const last = ['_reference_fp', '_upload_complete'];
    await plant(REFERENCE);
    await uploadTree(store, tree, 'p/', { last });
    await mustCreate(store, 'p/stale.yaml', 'of an older encoding');
    await plant({ 'memories.yaml': 'changed', _reference_fp: 'f2' });

    plan.add({ on: 'replace', name: 'p/memories', fault: { kind: 'refuse' } });
    await expect(uploadTree(store, tree, 'p/', { ...fast, last })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await textOf(store, 'p/_upload_complete')).toBeUndefined();
    expect(await textOf(store, 'p/_reference_fp')).toBeUndefined();

    plan.clear();
    await uploadTree(store, tree, 'p/', { last });
    expect(await textOf(store, 'p/memories.yaml')).toBe('changed');
    expect(await textOf(store, 'p/_reference_fp')).toBe('f2');
    expect(await namesIn(store, 'p/')).toEqual(
      Object.keys(REFERENCE)
        .map((path) => `p/${path}`)
        .toSorted(),
    );
  });

  test('writes nothing when the same tree stands there whole', async () => {
    const last = ['_upload_complete'];
    await plant(REFERENCE);
    await uploadTree(store, tree, 'p/', { last });
    plan.add({ on: ['create', 'replace', 'remove'], fault: { kind: 'refuse' } });
    expect(await uploadTree(store, tree, 'p/', { ...fast, last })).toMatchObject({ files: 7, unchanged: 7 });
  });

  test('overwrites what stands there when no marker is involved', async () => {
    await plant({ 'INDEX.md': 'one', 'same.md': 'same' });
    await uploadTree(store, tree, 'p/');
    await plant({ 'INDEX.md': 'two' });
    expect(await uploadTree(store, tree, 'p/')).toMatchObject({ files: 2, unchanged: 1 });
    expect(await textOf(store, 'p/INDEX.md')).toBe('two');
  });

  test('survives lost answers and cut uploads', async () => {
    await plant(REFERENCE);
    plan.add({ on: 'create', fault: { kind: 'lose-answer' }, count: 3 });
    plan.add({ on: 'create', fault: { kind: 'truncate' }, count: 2 });
    await uploadTree(store, tree, 'p/', { ...fast, last: ['_upload_complete'] });
    await downloadTree(store, 'p/', dest);
    expect(await readFile(join(dest, 'embeddings.db'))).toEqual(BINARY);
  });

  test('says which marker file is missing, and refuses links, before anything is written', async () => {
    await plant({ a: '1' });
    const missing = uploadTree(store, tree, 'p/', { last: ['_upload_complete'] });
    await expect(missing).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('_upload_complete'),
    });
    await symlink('/etc/hostname', join(tree, 'link'));
    await expect(uploadTree(store, tree, 'p/')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(await namesIn(store, '')).toEqual([]);
  });

  test('fetches over what is there, whole or not at all, and leaves no part files (B-03, X-14)', async () => {
    await mustCreate(store, 'p/a/b', 'new');
    await mkdir(join(dest, 'a'), { recursive: true });
    await writeFile(join(dest, 'a/b'), 'old and longer');
    await writeFile(join(dest, 'kept'), 'kept');
    await downloadTree(store, 'p/', dest);
    expect(await readFile(join(dest, 'a/b'), 'utf8')).toBe('new');
    expect(await readdir(join(dest, 'a'))).toEqual(['b']);
    expect(await readFile(join(dest, 'kept'), 'utf8')).toBe('kept');
  });

  test('a prefix without its final slash means the folder, not its namesakes', async () => {
    await plant({ a: '1' });
    await uploadTree(store, tree, 'runs/r1');
    await uploadTree(store, tree, 'runs/r10');
    expect(await namesIn(store, '')).toEqual(['runs/r1/a', 'runs/r10/a']);
    expect(await downloadTree(store, 'runs/r1', dest)).toMatchObject({ downloaded: 1 });
    expect(await readdir(dest)).toEqual(['a']);
  });

  test('a tree that does not exist ships nothing, unless a marker was asked for', async () => {
    expect(await uploadTree(store, tree, 'p/')).toEqual({ files: 0, bytes: 0, unchanged: 0 });
    await expect(uploadTree(store, tree, 'p/', { last: ['done'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('makes no folder when the prefix is empty', async () => {
    expect(await downloadTree(store, 'nothing/', dest)).toMatchObject({ downloaded: 0, skipped: [] });
    expect(existsSync(dest)).toBe(false);
  });

  test('leaves unchanged files alone when asked, and fetches those that changed', async () => {
    await mustCreate(store, 'p/a', 'aaa');
    const generation = await mustCreate(store, 'p/b', 'bbb');
    await downloadTree(store, 'p/', dest, { skipUnchanged: true });
    const before = await stat(join(dest, 'a'));
    expect(await downloadTree(store, 'p/', dest, { skipUnchanged: true })).toMatchObject({
      downloaded: 0,
      unchanged: 2,
    });
    expect((await stat(join(dest, 'a'))).ino).toBe(before.ino);
    // Of equal size; only its time tells, so it is written until the clock has moved.
    const updatedMs = (await store.stat('p/b'))?.updatedMs ?? 0;
    let current = generation;
    while (((await store.stat('p/b'))?.updatedMs ?? 0) - updatedMs < 1) {
      current = (await store.replace('p/b', Buffer.from('BBB'), current)).generation ?? '';
    }
    expect(await downloadTree(store, 'p/', dest, { skipUnchanged: true })).toMatchObject({
      downloaded: 1,
      unchanged: 1,
    });
    expect(await readFile(join(dest, 'b'), 'utf8')).toBe('BBB');
  });

  test('an object that cannot be fetched is an error, or stands in the report when asked', async () => {
    for (const name of ['p/a', 'p/b', 'p/c']) await mustCreate(store, name, name);
    plan.add({ on: 'read', name: 'p/b', fault: { kind: 'truncate' } });
    await expect(downloadTree(store, 'p/', dest, fast)).rejects.toMatchObject({ code: 'CORRUPT' });
    const report = await downloadTree(store, 'p/', dest, { ...fast, onError: 'skip' });
    expect(report).toMatchObject({
      downloaded: 2,
      skipped: [{ name: 'p/b', reason: expect.stringContaining('bytes') }],
    });
    expect((await readdir(dest)).sort()).toEqual(['a', 'c']);
  });

  test('an object that goes away between list and read is skipped in a live mirror, and an error elsewhere (V-11)', async () => {
    const generation = await mustCreate(store, 'p/a', '1');
    const vanishing: ObjectStore = {
      ...store,
      list: async (prefix, options) => {
        const page = await store.list(prefix, options);
        await store.remove('p/a', generation);
        return page;
      },
    };
    expect(await downloadTree(vanishing, 'p/', dest, { onError: 'skip' })).toMatchObject({
      downloaded: 0,
      skipped: [{ name: 'p/a' }],
    });
    await mustCreate(store, 'p/b', '1');
    const gone: ObjectStore = { ...store, read: async () => undefined };
    await expect(downloadTree(gone, 'p/', dest)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('no name that a bucket lists leads out of the destination; placeholders of folders are passed over (B-03, P-44)', async () => {
    const info = { generation: '1', sizeBytes: 1, updatedMs: 1_700_000_000_000 };
    const names = ['p/', 'p/folder/', 'p/../../escaped', 'p//slashed', 'p/a/../../escaped', 'p/ok', 'p/nul\0'];
    const hostile: ObjectStore = {
      ...store,
      list: async () => ({ objects: names.map((name) => ({ ...info, name })), prefixes: [] }),
      read: async (name) => ({ ...info, name, bytes: Buffer.from('x') }),
    };
    const report = await downloadTree(hostile, 'p/', dest, { onError: 'skip' });
    expect(report).toMatchObject({ downloaded: 2, placeholders: 2 });
    expect(report.skipped.map(({ name }) => name)).toEqual(['p/../../escaped', 'p/a/../../escaped', 'p/nul\0']);
    expect((await readdir(dest)).sort()).toEqual(['ok', 'slashed']);
    expect(await readdir(folder.path)).toEqual(['dest']);
    await expect(downloadTree(hostile, 'p/', dest)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('lists all over many pages, and survives a page that fails', async () => {
    for (let n = 0; n < 7; n += 1) await mustCreate(store, `p/${n}/x`, '');
    plan.add({ on: 'list', fault: { kind: 'refuse' }, count: 2 });
    const names: string[] = [];
    for await (const info of listAll(store, 'p/', { ...fast, pageSize: 2 })) names.push(info.name);
    expect(names).toEqual(Array.from({ length: 7 }, (_, n) => `p/${n}/x`));
    const folders: string[] = [];
    for await (const name of listFolders(store, 'p/', { pageSize: 2 })) folders.push(name);
    expect(folders).toEqual(Array.from({ length: 7 }, (_, n) => `p/${n}/`));
  });
});
