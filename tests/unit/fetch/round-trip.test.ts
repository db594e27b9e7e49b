import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { fetchRun, type FetchResult } from '../../../src/head/fetch.ts';
import { preflightReferences } from '../../../src/reference/identity.ts';
import { loadReference } from '../../../src/reference/load-reference.ts';
import { uploadShard } from '../../../src/reference/shard.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { buildSite } from '../../helpers/build-site.ts';
import { fakeEncoder, type FakeEncoderOptions } from '../../helpers/fake-encoder.ts';
import { writeKbDataset } from '../../helpers/kb-dataset.ts';
import { manifestOf, putRun, row } from '../../helpers/rows.ts';
import { readTree, tempDir } from '../../helpers/shards.ts';

/** A machine: a folder with the dataset and its own caches and references. */
async function machine(dir: string, options?: FakeEncoderOptions): Promise<string> {
  await writeKbDataset(join(dir, 'dataset'), ['shop']);
  if (options) await buildSite(dir, 'shop', options);
  return dir;
}

function ship(store: ObjectStore, dir: string, shard: string): Promise<unknown> {
  return uploadShard({ store, runId: 'r1', shard, database: 'shop', referenceRoot: join(dir, 'references') });
}

function bringHome(store: ObjectStore, dir: string): Promise<FetchResult> {
  const withLock = <T>(_database: string, work: () => Promise<T>): Promise<T> => work();
  return fetchRun({ store, runId: 'r1', outDir: join(dir, 'out'), referenceRoot: join(dir, 'references'), withLock });
}

async function kindAt(dir: string, options: FakeEncoderOptions = {}): Promise<string | undefined> {
  const found = await preflightReferences({
    root: join(dir, 'references'),
    databases: ['shop'],
    datasetDir: join(dir, 'dataset'),
    encoder: fakeEncoder(options),
  });
  return found.get('shop')?.kind;
}

describe('a reference that was built on another machine', () => {
  it('comes home as the same one: fresh for the next run there, byte for byte, with who built it (V-19)', async () => {
    await using temp = await tempDir();
    const away = await machine(join(temp.dir, 'away'), {});
    const home = await machine(join(temp.dir, 'home'));
    const store = createMemoryStore();
    await putRun(store, manifestOf(['shop_1']), [row('shop_1')]);
    await ship(store, away, 'h-1-0');
    expect(await kindAt(home)).toBe('absent');
    await bringHome(store, home);
    expect(await kindAt(home)).toBe('fresh');
    const [theirs, ours] = await Promise.all([away, home].map((dir) => readTree(join(dir, 'references', 'shop'))));
    expect(ours).toEqual(theirs);
    expect((await loadReference(join(home, 'references', 'shop')))?.results.length).toBeGreaterThan(0);
    const record = (dir: string): Promise<string> => readFile(join(dir, 'references', '.skein', 'shop.json'), 'utf8');
    expect(JSON.parse(await record(home))).toEqual(JSON.parse(await record(away)));
  });

  it('takes the place of an earlier free build, and its shard is then what stands there already', async () => {
    await using temp = await tempDir();
    const home = await machine(join(temp.dir, 'home'), { version: '1' });
    const away = await machine(join(temp.dir, 'away'), { version: '2' });
    const store = createMemoryStore();
    await putRun(store, manifestOf(['shop_1']));
    await ship(store, away, 'h-1-0');
    expect((await bringHome(store, home)).mergeReport.merged_dbs).toMatchObject([{ outcome: 'updated' }]);
    expect(await kindAt(home, { version: '2' })).toBe('fresh');
    expect((await bringHome(store, home)).mergeReport.merged_dbs).toMatchObject([{ outcome: 'unchanged' }]);
  });

  it('never takes the place of one that another encoder was paid for', async () => {
    await using temp = await tempDir();
    const paid = { version: 'agent-1', isPaid: true };
    const home = await machine(join(temp.dir, 'home'), paid);
    const away = await machine(join(temp.dir, 'away'), { version: '2' });
    const store = createMemoryStore();
    await putRun(store, manifestOf(['shop_1']));
    await ship(store, away, 'h-1-0');
    const before = await readTree(join(home, 'references', 'shop'));
    expect((await bringHome(store, home)).mergeReport.merged_dbs).toMatchObject([{ outcome: 'local-paid' }]);
    expect(await readTree(join(home, 'references', 'shop'))).toEqual(before);
    expect(await kindAt(home, paid)).toBe('fresh');
  });
});
