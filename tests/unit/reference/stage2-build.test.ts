import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { buildReference, type ReferenceRequest } from '../../../src/reference/build-reference.ts';
import { preflightReferences } from '../../../src/reference/identity.ts';
import { loadReference } from '../../../src/reference/load-reference.ts';
import { parseMemories } from '../../../src/reference/memory-file.ts';
import { readModels } from '../../../src/reference/model-folder.ts';
import { fakeEncoder } from '../../helpers/fake-encoder.ts';
import { writeKbDataset } from '../../helpers/kb-dataset.ts';
import { readTree, tempDir } from '../../helpers/shards.ts';

async function site(): Promise<
  { dir: string; root: string; request: ReferenceRequest; opens(): Promise<number> } & AsyncDisposable
> {
  const temp = await tempDir();
  const datasetDir = join(temp.dir, 'dataset');
  await writeKbDataset(datasetDir, ['shop']);
  const countFile = join(temp.dir, 'opens');
  const root = join(temp.dir, 'references');
  return {
    dir: temp.dir,
    root,
    request: {
      database: 'shop',
      datasetDir,
      cacheRoot: join(temp.dir, 'caches'),
      referenceRoot: root,
      encoder: fakeEncoder({ countFile }),
      lock: () => Promise.resolve({ verify: () => Promise.resolve(), release: () => Promise.resolve() }),
      setupSessionsRoot: join(temp.dir, 'sessions'),
    },
    opens: async () => (await readFile(countFile, 'utf8').catch(() => '')).split('\n').length - 1,
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
}

describe('building a reference', () => {
  it('leaves the files of R-01 and nothing else, with the portable datasource and no path of this machine (R-01, R-02, R-05, N-11)', async () => {
    await using at = await site();
    const built = await buildReference(at.request);
    expect(built.wasBuilt).toBe(true);
    const tree = await readTree(join(at.root, 'shop'));
    expect(Object.keys(tree).sort()).toEqual([
      '_cache_fp.txt',
      '_kb_rows.json',
      '_reference_fp.txt',
      '_setup_results.json',
      'datasources/shop.yaml',
      'memories.yaml',
      'models/shop/items.yaml',
      'models/shop/kb_2_model.yaml',
      'models/shop/orders.yaml',
    ]);
    expect(tree['datasources/shop.yaml']).toContain('connection_string: sqlite:///shop/shop.sqlite\n');
    expect(Object.values(tree).filter((text) => text.includes(at.dir))).toEqual([]);
    expect(tree['_reference_fp.txt']).toBe(tree['_cache_fp.txt']);
    expect(built.fingerprint).toBe(tree['_reference_fp.txt']?.trim());
    expect((await readdir(at.root)).sort()).toEqual(['.skein', 'shop']);
    expect(await readFile(join(at.dir, 'sessions', 'shop', 'INDEX.md'), 'utf8')).toContain('- KB 9 Item 9');
    expect(JSON.parse(await readFile(join(at.root, '.skein', 'shop.json'), 'utf8'))).toMatchObject({
      encoder_id: 'fake',
      encoder_version: '1',
      is_paid: false,
      input_fp: built.fingerprint,
      content_digest: built.digest,
    });
  });

  it('has one result a KB row, with cycles, collisions, failures and questions told (G-02, G-05, G-06)', async () => {
    await using at = await site();
    const { results } = await buildReference(at.request);
    expect(results.map(({ kb_id: id, status }) => `${id} ${status}`)).toEqual([
      '0 encoded',
      '1 encoded',
      '2 encoded',
      '3 deferred',
      '4 deferred',
      '5 deferred',
      '6 deferred',
      '7 deferred',
      '8 deferred',
      '9 deferred',
      '10 error',
    ]);
    expect(results[3]!.notes).toContain('KB 3 → KB 4 → KB 3');
    expect(results[5]!.notes).toContain('depends on KB 4');
    expect(results[6]).toMatchObject({ entities: [], notes: 'collision: column items.twin was also written by KB 7' });
    expect(results[8]!.notes).toBe('it uses an entity of KB 6, which went with a collision');
    expect(results[10]!.error).toBe('cannot encode 10');
    const items = (await readModels(join(at.root, 'shop'), 'shop')).get('items')!;
    expect(items.columns.map(({ name }) => name)).toEqual(['id', 'label', 'price', 'kb_0', 'kb_1', 'kb_2']);
  });

  it('annotates every item’s memory, and links entities from the own one only (G-07)', async () => {
    await using at = await site();
    await buildReference(at.request);
    const text = await readFile(join(at.root, 'shop', 'memories.yaml'), 'utf8');
    const memories = parseMemories('memories.yaml', text);
    const of = (id: number) => memories.find((memory) => memory.id === `shop_kb_${id}`)!;
    expect(of(1).learning).toMatch(
      /\n\n--- setup-encode: encoded ---\n- column shop\.items\.kb_1\n- measure shop\.items\.total_1\n$/,
    );
    expect(of(1).entities).toEqual(['shop', 'memory:shop_kb_0', 'shop.items.kb_1', 'shop.items.total_1']);
    expect(of(2).entities).toEqual(['shop', 'memory:shop_kb_1', 'shop.items.kb_2', 'shop.kb_2_model']);
    expect(of(9).learning).toContain('--- setup-encode: deferred ---\na term is unknown\n? What is x?\n');
    expect(of(10).learning).toContain('--- setup-encode: error ---\ncannot encode 10\n');
    expect(of(6).entities).toEqual(['shop']);
  });

  it('gives the same bytes whatever order the encodes end in (P-46)', async () => {
    await using one = await site();
    await using two = await site();
    const encoder = fakeEncoder({ maxDelayMs: 20 });
    const [first, second] = [await buildReference(one.request), await buildReference({ ...two.request, encoder })];
    expect(second.digest).toBe(first.digest);
    expect(await readTree(join(two.root, 'shop'))).toEqual(await readTree(join(one.root, 'shop')));
  });
});

describe('a reference that stands there', () => {
  it('is taken as it is before stage 1 is touched (R-04)', async () => {
    await using at = await site();
    await buildReference(at.request);
    await rm(at.request.cacheRoot, { recursive: true });
    const again = await buildReference(at.request);
    expect(again.wasBuilt).toBe(false);
    expect(again.results.length).toBe(11);
    expect(await at.opens()).toBe(1);
    expect(await readdir(at.dir)).not.toContain('caches');
  });

  it('of other inputs or another version of a free encoder is rebuilt (R-02, P-13)', async () => {
    await using at = await site();
    const first = await buildReference(at.request);
    const second = await buildReference({ ...at.request, encoder: fakeEncoder({ version: '2' }) });
    expect(second).toMatchObject({ wasBuilt: true, fingerprint: first.fingerprint });
    await writeFile(join(at.request.datasetDir, 'shop', 'shop_column_meaning_base.json'), '{}');
    const third = await buildReference({ ...at.request, encoder: fakeEncoder({ version: '2' }) });
    expect(third.wasBuilt).toBe(true);
    expect(third.fingerprint).not.toBe(first.fingerprint);
    expect((await readdir(at.root)).sort()).toEqual(['.skein', 'shop']);
  });

  it('that was paid for is never replaced by another; the refusal names both and the ways out (R-02, V-19)', async () => {
    await using at = await site();
    await buildReference({ ...at.request, encoder: fakeEncoder({ isPaid: true }) });
    const before = await readTree(at.root);
    const encoder = fakeEncoder({ version: '2' });
    const refusal =
      /shop is made by encoder fake 1 on inputs \w+ and may have been paid for, but encoder fake 2 .*--reference-root/;
    await expect(buildReference({ ...at.request, encoder })).rejects.toThrow(refusal);
    const { datasetDir } = at.request;
    await expect(
      preflightReferences({ root: at.root, databases: ['shop'], datasetDir, encoder }),
    ).rejects.toMatchObject({
      code: 'PREFLIGHT',
    });
    expect(await readTree(at.root)).toEqual(before);
    const same = await buildReference({ ...at.request, encoder: fakeEncoder({ isPaid: true }) });
    expect(same.wasBuilt).toBe(false);
  });

  it('without a record of its encoder may have been paid for too', async () => {
    await using at = await site();
    await buildReference(at.request);
    await rm(join(at.root, '.skein'), { recursive: true });
    await expect(buildReference(at.request)).rejects.toThrow('of unknown make');
  });

  it('that lost its KB rows is an error, not a rebuild (R-03)', async () => {
    await using at = await site();
    await buildReference(at.request);
    const rows = join(at.root, 'shop', '_kb_rows.json');
    await writeFile(rows, '{}');
    await expect(buildReference(at.request)).rejects.toMatchObject({ code: 'CORRUPT' });
    await rm(rows);
    await expect(loadReference(join(at.root, 'shop'))).rejects.toThrow(/_kb_rows\.json cannot be read/);
    await writeFile(rows, '[]');
    await writeFile(join(at.root, 'shop', '_setup_results.json'), 'no json');
    expect(await loadReference(join(at.root, 'shop'))).toMatchObject({ kb: [], results: [] });
  });

  it('has no marker: it is scrap, absent for readers and wiped by the commit (R-08, R-09)', async () => {
    await using at = await site();
    await buildReference(at.request);
    await rm(join(at.root, 'shop', '_reference_fp.txt'));
    await writeFile(join(at.root, 'shop', 'models', 'shop', 'left-over.yaml'), 'x');
    expect(await loadReference(join(at.root, 'shop'))).toBeUndefined();
    expect((await buildReference(at.request)).wasBuilt).toBe(true);
    expect(Object.keys(await readTree(join(at.root, 'shop')))).not.toContain('models/shop/left-over.yaml');
  });

  it('is built anew when forced, stage 1 too (R-10, D-12)', async () => {
    await using at = await site();
    await buildReference(at.request);
    expect((await buildReference({ ...at.request, force: true })).wasBuilt).toBe(true);
    expect(await at.opens()).toBe(2);
  });
});

describe('a build', () => {
  it('looks again once it has the lock, and takes what a peer made meanwhile (R-07, Cdx-2)', async () => {
    await using at = await site();
    const lock = async () => {
      await buildReference({ ...at.request, encoder: fakeEncoder() });
      return at.request.lock();
    };
    const late = await buildReference({ ...at.request, lock });
    expect(late.wasBuilt).toBe(false);
    expect(await at.opens()).toBe(0);
  });

  it('commits nothing when its lock was lost, and leaves no temp (R-06)', async () => {
    await using at = await site();
    let isReleased = false;
    const lock = () =>
      Promise.resolve({
        verify: () => Promise.reject(new Error('lost')),
        release: () => Promise.resolve(void (isReleased = true)),
      });
    await expect(buildReference({ ...at.request, lock })).rejects.toThrow('lost');
    expect(isReleased).toBe(true);
    expect(await readdir(at.root)).toEqual([]);
  });

  it('ends with what the encoder threw when it cannot be opened, the old reference untouched (G-08)', async () => {
    await using at = await site();
    await buildReference(at.request);
    const before = await readTree(at.root);
    const encoder = { ...fakeEncoder({ version: '2' }), open: () => Promise.reject(new Error('no key')) };
    await expect(buildReference({ ...at.request, encoder })).rejects.toThrow('no key');
    expect(await readTree(at.root)).toEqual(before);
  });
});
