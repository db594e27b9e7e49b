import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { fetchRun, type FetchResult } from '../../src/head/fetch.ts';
import { uploadShard } from '../../src/reference/shard.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { manifestOf, putRow, putRun, row } from '../helpers/rows.ts';
import { readTree, reference, tempDir, writeTree } from '../helpers/shards.ts';

async function killed(what: 'upload' | 'fetch', dir: string, point: string): Promise<void> {
  const script = fileURLToPath(new URL('./merge-fetch-child.ts', import.meta.url));
  const child = spawn(process.execPath, [script, what, dir, point], { stdio: 'inherit' });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
}

function fetchHere(store: ObjectStore, dir: string): Promise<FetchResult> {
  const withLock = <T>(_database: string, work: () => Promise<T>): Promise<T> => work();
  return fetchRun({ store, runId: 'r1', outDir: join(dir, 'out'), referenceRoot: join(dir, 'warm'), withLock });
}

/** A store with a run whose one row is there, and a reference that was built and is not shipped yet. */
async function scene(dir: string): Promise<ObjectStore> {
  const store = await openStore(`file://${join(dir, 'store')}`);
  await putRun(store, manifestOf(['shop_1']), [row('shop_1', { error: 'boom' })]);
  await writeTree(join(dir, 'built', 'shop'), reference('built'), 1_700_000_000);
  return store;
}

function errorsIn(path: string): unknown[] {
  using database = new DatabaseSync(path, { readOnly: true });
  return database
    .prepare('SELECT error FROM task_results')
    .all()
    .map((each) => each['error']);
}

describe('an upload that is killed', () => {
  it.for(['shard.before-sidecar', 'shard.before-complete'])(
    'at %s is ignored by a fetch and named, and whole after the next try (X-10, M1, Codex r7)',
    async (point) => {
      await using temp = await tempDir();
      await using store = await scene(temp.dir);
      await killed('upload', temp.dir, point);
      expect((await fetchHere(store, temp.dir)).mergeReport).toMatchObject({
        merged_dbs: [],
        skipped_dbs: [{ db: 'shop', reason: 'no complete shard slice (incomplete upload)' }],
        ignored_shards: ['h-1-0'],
      });
      expect(await readTree(join(temp.dir, 'warm', 'shop'))).toEqual({});
      await uploadShard({
        store,
        runId: 'r1',
        shard: 'h-1-0',
        database: 'shop',
        referenceRoot: join(temp.dir, 'built'),
      });
      await fetchHere(store, temp.dir);
      expect(await readTree(join(temp.dir, 'warm', 'shop'))).toEqual(reference('built'));
    },
  );

  it('at shard.after-complete is whole', async () => {
    await using temp = await tempDir();
    await using store = await scene(temp.dir);
    await killed('upload', temp.dir, 'shard.after-complete');
    expect((await fetchHere(store, temp.dir)).mergeReport).toMatchObject({ merged_dbs: [{ outcome: 'updated' }] });
  });
});

describe('a fetch that is killed', () => {
  it('at collate.before-publish leaves the old results, and the next one does not wait for it', async () => {
    await using temp = await tempDir();
    await using store = await scene(temp.dir);
    const { paths } = await fetchHere(store, temp.dir);
    const { 'eval.json': before } = await readTree(join(temp.dir, 'out'));
    await putRow(store, row('shop_1'), 2);
    await killed('fetch', temp.dir, 'collate.before-publish');
    expect(errorsIn(paths.resultsDb)).toEqual(['boom']);
    expect((await readTree(join(temp.dir, 'out')))['eval.json']).toBe(before);
    expect(await fetchHere(store, temp.dir)).toMatchObject({ exitKind: 'ok', counts: { ok: 1 } });
    expect(errorsIn(paths.resultsDb)).toEqual([null]);
    const left = Object.keys(await readTree(join(temp.dir, 'out'))).filter((path) => path.includes('tmp'));
    expect(left).toEqual([]);
  });
});
