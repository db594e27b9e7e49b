import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { commitTree } from '../../../src/reference/commit.ts';
import {
  databaseFileOf,
  datasourceFor,
  parseDatasource,
  renderDatasource,
} from '../../../src/reference/datasource-file.ts';
import { copyMarked, markerOf } from '../../../src/reference/marked-tree.ts';
import { parseMemories } from '../../../src/reference/memory-file.ts';
import { readModels } from '../../../src/reference/model-folder.ts';
import { LastContent } from '../../../src/reference/reference-content.ts';
import { DIFFERENCE_FILE, makeTaskStore, writeDifference, type Difference } from '../../../src/reference/task-store.ts';
import { buildReference } from '../../../src/reference/build-reference.ts';
import { fakeEncoder } from '../../helpers/fake-encoder.ts';
import { writeKbDataset } from '../../helpers/kb-dataset.ts';
import { readTree, reference, tempDir, writeTree } from '../../helpers/shards.ts';

async function builtSite(dir: string): Promise<string> {
  await writeKbDataset(join(dir, 'dataset'), ['shop']);
  const built = await buildReference({
    database: 'shop',
    datasetDir: join(dir, 'dataset'),
    cacheRoot: join(dir, 'caches'),
    referenceRoot: join(dir, 'references'),
    encoder: fakeEncoder(),
    lock: () => Promise.resolve({ verify: () => Promise.resolve(), release: () => Promise.resolve() }),
    setupSessionsRoot: join(dir, 'sessions'),
  });
  return built.dir;
}

describe('a task’s own store', () => {
  it('is a copy whose datasource is the task’s database; the reference stays as it was (T-02, T-04)', async () => {
    await using temp = await tempDir();
    const referenceDir = await builtSite(temp.dir);
    const before = await readTree(referenceDir);
    const storeDir = join(temp.dir, 'scratch', 'slayer_storage');
    const databasePath = join(temp.dir, 'scratch', 'shop.sqlite');
    await makeTaskStore({ referenceDir, database: 'shop', databasePath, storeDir, deletedKbIds: [] });
    const { 'datasources/shop.yaml': datasource, ...rest } = await readTree(storeDir);
    const { 'datasources/shop.yaml': portable, ...original } = before;
    expect(rest).toEqual(original);
    expect(datasource).toContain(`connection_string: sqlite:///${databasePath}\n`);
    expect(databaseFileOf(parseDatasource('x', portable!), '/data')).toBe('/data/shop/shop.sqlite');
    await writeFile(join(storeDir, 'models', 'shop', 'items.yaml'), 'edited by an agent');
    expect(await readTree(referenceDir)).toEqual(before);
  });

  it('hides deleted knowledge: memories, links, entities by kb_id and kb_ids, rows and results (T-03, 3A-15)', async () => {
    await using temp = await tempDir();
    const referenceDir = await builtSite(temp.dir);
    const storeDir = join(temp.dir, 'store');
    await makeTaskStore({
      referenceDir,
      database: 'shop',
      databasePath: '/x/shop.sqlite',
      storeDir,
      deletedKbIds: [0, 2],
    });
    const memories = parseMemories('m', await readFile(join(storeDir, 'memories.yaml'), 'utf8'));
    expect(memories.map(({ id }) => id)).not.toContain('shop_kb_0');
    expect(memories.find(({ id }) => id === 'shop_kb_1')!.entities).toEqual([
      'shop',
      'shop.items.kb_1',
      'shop.items.total_1',
    ]);
    const models = await readModels(storeDir, 'shop');
    expect([...models.keys()]).toEqual(['items', 'orders']);
    expect(models.get('items')!.columns.map(({ name }) => name)).toEqual(['id', 'label', 'price', 'kb_1']);
    // Tagged kb_ids: [0, 1].
    expect(models.get('items')!.measures).toEqual([]);
    const tree = await readTree(storeDir);
    const ids = (file: string, field: string) =>
      (JSON.parse(tree[file]!) as Record<string, number>[]).map((item) => item[field]);
    expect(ids('_kb_rows.json', 'id')).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(ids('_setup_results.json', 'kb_id')).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('differs from its reference by what is written of it alone, whatever is hidden', async () => {
    await using temp = await tempDir();
    const referenceDir = await builtSite(temp.dir);
    const contents = new LastContent();
    for (const deletedKbIds of [[], [0, 2], [7], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [99]]) {
      const view = { database: 'shop', databasePath: '/x/shop.sqlite', deletedKbIds };
      const [storeDir, apartDir] = [join(temp.dir, 'store'), join(temp.dir, 'apart', deletedKbIds.join('-'))];
      await makeTaskStore({ referenceDir, storeDir, ...view });
      const found = (await contents.of(referenceDir))!;
      writeDifference(found, apartDir, view);
      const { [DIFFERENCE_FILE]: text, ...changed } = await readTree(apartDir);
      const difference = JSON.parse(text!) as Difference;
      expect(difference.reference_fingerprint).toBe(found.fingerprint);
      const original = await readTree(referenceDir);
      const { unchanged, filtered, datasource } = difference;
      const lists = Object.entries(filtered).map(([path, { field, ids }]) => {
        const items = JSON.parse(original[path]!) as Record<string, number>[];
        return [
          path,
          `${JSON.stringify(
            items.filter((item) => !ids.includes(item[field]!)),
            null,
            2,
          )}\n`,
        ];
      });
      expect({
        ...Object.fromEntries(unchanged.map((path) => [path, original[path]])),
        ...Object.fromEntries(lists),
        [datasource.path]: renderDatasource(datasourceFor('shop', datasource.connection_string)),
        ...changed,
      }).toEqual(await readTree(storeDir));
      expect(Object.entries(changed).filter(([path, text]) => original[path] === text)).toEqual([]);
    }
    const before = (await contents.of(referenceDir))!.content;
    expect((await contents.of(referenceDir))!.content).toBe(before);
    await rename(join(referenceDir, '_reference_fp.txt'), join(temp.dir, 'marker'));
    await writeFile(join(referenceDir, '_reference_fp.txt'), 'another build');
    expect((await contents.of(referenceDir))!.content).not.toBe(before);
  });

  it('is not made of scrap', async () => {
    await using temp = await tempDir();
    const referenceDir = join(temp.dir, 'shop');
    await writeTree(referenceDir, { '_kb_rows.json': '[]' });
    const storeDir = join(temp.dir, 'store');
    const request = { referenceDir, database: 'shop', databasePath: '/x', storeDir, deletedKbIds: [] };
    await expect(makeTaskStore(request)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('copying without the lock', () => {
  it('gives one whole build while builds replace each other (R-05)', async () => {
    await using temp = await tempDir();
    const target = join(temp.dir, 'shop');
    await writeTree(target, reference('b0'));
    let isDone = false;
    const replacing = (async () => {
      for (let number = 1; number <= 30; number += 1) {
        const tree = join(temp.dir, `.tree-${number}`);
        await writeTree(tree, reference(`b${number}`));
        const look = await markerOf(target, '_reference_fp.txt');
        const aside = join(temp.dir, `.aside-${number}`);
        const outcome = await commitTree({ tree, target, marker: '_reference_fp.txt', aside, replaces: look!.stamp });
        expect(outcome).toBe('committed');
        await rm(aside, { recursive: true });
      }
      isDone = true;
    })();
    let copies = 0;
    while (!isDone) {
      const copy = join(temp.dir, 'copy');
      const look = await copyMarked(target, '_reference_fp.txt', copy);
      if (!look) continue;
      copies += 1;
      expect(await readTree(copy)).toEqual(reference(look.text.slice('fp-'.length)));
    }
    await replacing;
    expect(copies).toBeGreaterThan(0);
  });
});

describe('committing', () => {
  const marker = '_reference_fp.txt';
  it('replaces scrap, but of marked folders only the very one that it was told of (R-08)', async () => {
    await using temp = await tempDir();
    const at = (name: string) => join(temp.dir, name);
    await writeTree(at('shop'), { 'models/shop/scrap.yaml': 'x' });
    await writeTree(at('tree'), reference('new'));
    expect(await commitTree({ tree: at('tree'), target: at('shop'), marker, aside: at('a1') })).toBe('committed');
    expect(await readTree(at('shop'))).toEqual(reference('new'));

    await writeTree(at('tree'), reference('newer'));
    expect(await commitTree({ tree: at('tree'), target: at('shop'), marker, aside: at('a2') })).toBe('peer');
    const { stamp } = (await markerOf(at('shop'), marker))!;
    await writeFile(at('shop/_reference_fp.txt.new'), 'fp-new');
    await rename(at('shop/_reference_fp.txt.new'), at('shop/_reference_fp.txt'));
    const request = { tree: at('tree'), target: at('shop'), marker, aside: at('a3'), replaces: stamp };
    expect(await commitTree(request)).toBe('peer');
    expect(await readTree(at('shop'))).toEqual(reference('new'));
  });

  it('writes the record while no marker stands there', async () => {
    await using temp = await tempDir();
    const at = (name: string) => join(temp.dir, name);
    await mkdir(at('x'));
    await writeTree(at('shop'), reference('old'));
    await writeTree(at('tree'), reference('new'));
    let seen: unknown = 'never called';
    await commitTree({
      tree: at('tree'),
      target: at('shop'),
      marker,
      aside: at('aside'),
      replaces: (await markerOf(at('shop'), marker))!.stamp,
      writeRecord: async () => void (seen = await markerOf(at('shop'), marker)),
    });
    expect(seen).toBeUndefined();
    expect((await markerOf(at('shop'), marker))?.text).toBe('fp-new');
  });
});
