import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { LockKeeper } from '../../../src/node/lock-keeper.ts';
import { downloadSetup } from '../../../src/node/setup-download.ts';
import { checkSetup, readSeedSnapshot, setupNeeds } from '../../../src/reference/setup.ts';
import { uploadSetup } from '../../../src/reference/setup-upload.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { readTree, reference, tempDir, writeTree, type Tree } from '../../helpers/shards.ts';

const ENCODE = { queryMode: 'slayer', slayerSetup: 'on-the-fly', framework: 'encode' };
const PREFIX = 'runs/r1/slayer_setup';
const cache = (flavour: string): Tree => ({
  '_cache_fp.txt': `cache-${flavour}`,
  '_kb_rows.json': '[]',
  'models/shop/items.yaml': flavour,
});

async function twoMachines() {
  const temp = await tempDir();
  const locks = new LockKeeper();
  const store = createMemoryStore();
  const rootsOf = (machine: string) => ({
    slayer_otf_cache: join(temp.dir, machine, 'cache'),
    slayer_models_otf: join(temp.dir, machine, 'references'),
  });
  const [laptop, vm] = [rootsOf('laptop'), rootsOf('vm')];
  return {
    laptop,
    vm,
    store,
    upload: (databases: string[], to: ObjectStore = store) =>
      uploadSetup(to, 'r1', { combo: ENCODE, roots: laptop, databases }),
    download: (databases: string[], roots = vm, from: ObjectStore = store) =>
      downloadSetup({ store: from, runId: 'r1', combo: ENCODE, roots, databases, locks, tries: 2, baseMs: 1 }),
    [Symbol.asyncDispose]: async () => {
      await locks[Symbol.asyncDispose]();
      await temp[Symbol.asyncDispose]();
    },
  };
}

const kinds = (reports: readonly { artifact: string; database: string; kind: string }[]) =>
  Object.fromEntries(reports.map(({ artifact, database, kind }) => [`${artifact}/${database}`, kind]));

async function namesIn(store: ObjectStore): Promise<string[]> {
  return (await store.list('runs/')).objects.map(({ name }) => name);
}

describe('what a combination brings', () => {
  it('is as S-01 says (S-01)', () => {
    const needs = (queryMode: string, slayerSetup: string, framework: string) =>
      setupNeeds({ queryMode, slayerSetup, framework }).map((need) => `${need.artifact}${need.isRequired ? '!' : '?'}`);
    expect(needs('raw', 'on-the-fly', 'encode')).toEqual([]);
    expect(needs('slayer', 'pre-encoded', 'encode')).toEqual(['slayer_models!']);
    expect(needs('slayer', 'on-the-fly', 'pydantic_ai_recursive')).toEqual(['slayer_otf_cache!']);
    for (const framework of ['encode', 'pydantic_ai_otf_encode']) {
      expect(needs('slayer', 'on-the-fly', framework)).toEqual(['slayer_otf_cache!', 'slayer_models_otf?']);
    }
  });

  it('must be there before anything is made; the refusal names databases, root, combination and marker (S-02, CR outside-diff, L-03)', async () => {
    await using at = await twoMachines();
    await writeTree(join(at.laptop.slayer_otf_cache, 'shop'), cache('a'));
    await writeTree(join(at.laptop.slayer_otf_cache, 'farm'), { '_cache_fp.txt': 'marker alone' });
    await checkSetup(ENCODE, at.laptop, ['shop']);
    const refusal = new RegExp(
      `slayer_otf_cache is missing for farm, zoo under ${at.laptop.slayer_otf_cache}: _cache_fp.txt`,
    );
    await expect(checkSetup(ENCODE, at.laptop, ['shop', 'farm', 'zoo'])).rejects.toThrow(refusal);
    await expect(at.upload(['shop', 'zoo'])).rejects.toMatchObject({ code: 'PREFLIGHT' });
    expect(await namesIn(at.store)).toEqual([]);
  });
});

describe('shipping the setup', () => {
  it('goes to a machine and comes out the same, identity records too; a second time nothing moves (S-03, S-05, S-06, Q-16, Q-17, Q-35)', async () => {
    await using at = await twoMachines();
    await writeTree(join(at.laptop.slayer_otf_cache, 'shop'), cache('a'));
    await writeTree(join(at.laptop.slayer_otf_cache, 'farm'), cache('b'));
    await writeTree(join(at.laptop.slayer_models_otf, 'shop'), reference('seed'));
    await writeTree(at.laptop.slayer_models_otf, { '.skein/shop.json': '{"encoder_id":"fake"}' });
    expect(kinds(await at.upload(['shop', 'farm']))).toEqual({
      'slayer_otf_cache/shop': 'uploaded',
      'slayer_otf_cache/farm': 'uploaded',
      'slayer_models_otf/shop': 'uploaded',
      'slayer_models_otf/farm': 'absent',
    });
    expect(await namesIn(at.store)).toContain(`${PREFIX}/slayer_models_otf/shop/_reference_fp.txt`);
    expect(kinds(await at.upload(['shop', 'farm']))).toMatchObject({ 'slayer_models_otf/shop': 'unchanged' });
    expect(kinds(await at.download(['shop', 'farm']))).toEqual({
      'slayer_otf_cache/shop': 'downloaded',
      'slayer_otf_cache/farm': 'downloaded',
      'slayer_models_otf/shop': 'downloaded',
      'slayer_models_otf/farm': 'none',
    });
    expect(await readTree(join(at.vm.slayer_otf_cache, 'shop'))).toEqual(cache('a'));
    const references = await readTree(at.vm.slayer_models_otf);
    expect(JSON.parse(references['.skein/shop.json']!)).toEqual({ encoder_id: 'fake' });
    expect(await readTree(join(at.vm.slayer_models_otf, 'shop'))).toEqual(reference('seed'));
    expect((await readdir(at.vm.slayer_otf_cache)).sort()).toEqual([
      '.skein',
      'farm',
      'farm.build.lock',
      'shop',
      'shop.build.lock',
    ]);
    expect(new Set(Object.values(kinds(await at.download(['shop', 'farm']))))).toEqual(new Set(['same', 'none']));
  });

  it('is nothing to download where the node’s roots are the submitter’s', async () => {
    await using at = await twoMachines();
    await writeTree(join(at.laptop.slayer_otf_cache, 'shop'), cache('a'));
    await writeTree(join(at.laptop.slayer_models_otf, 'shop'), reference('seed'));
    await at.upload(['shop']);
    expect(kinds(await at.download(['shop'], at.laptop))).toEqual({
      'slayer_otf_cache/shop': 'same',
      'slayer_models_otf/shop': 'same',
    });
    expect(await readdir(at.laptop.slayer_otf_cache)).toEqual(['shop']);
  });

  it('replaces what it shipped before when the folder changed, and takes the marker off first (S-03)', async () => {
    await using at = await twoMachines();
    const dir = join(at.laptop.slayer_otf_cache, 'shop');
    await writeTree(dir, { ...cache('a'), 'models/shop/gone.yaml': 'x' });
    await at.upload(['shop']);
    await rm(dir, { recursive: true });
    await writeTree(dir, cache('b'));
    await at.upload(['shop']);
    await at.download(['shop']);
    expect(await readTree(join(at.vm.slayer_otf_cache, 'shop'))).toEqual(cache('b'));
  });

  it('has no marker object when it ended early, and the run then cannot start (S-05, X-14, Q-13)', async () => {
    await using at = await twoMachines();
    await writeTree(join(at.laptop.slayer_otf_cache, 'shop'), cache('a'));
    const plan = new FaultPlan({ on: 'create', name: /items\.yaml$/, fault: { kind: 'refuse' } });
    const broken = withFaults(at.store, plan);
    const upload = uploadSetup(broken, 'r1', {
      combo: ENCODE,
      roots: at.laptop,
      databases: ['shop'],
      tries: 2,
      baseMs: 1,
    });
    await expect(upload).rejects.toThrow();
    expect(await namesIn(at.store)).not.toContain(`${PREFIX}/slayer_otf_cache/shop/_cache_fp.txt`);
    await expect(at.download(['shop'])).rejects.toThrow(/required setup slayer_otf_cache\/shop is not whole/);
    expect(await readdir(join(at.vm.slayer_otf_cache, '..')).catch(() => [])).toEqual([]);
  });
});

describe('seeds', () => {
  it('never replace a reference that stands there, and fill in for scrap (S-06, S-07, H3, M3 restart, Cdx2-2, Q-18, P-41)', async () => {
    await using at = await twoMachines();
    for (const database of ['shop', 'farm']) {
      await writeTree(join(at.laptop.slayer_otf_cache, database), cache('a'));
      await writeTree(join(at.laptop.slayer_models_otf, database), reference('seed'));
    }
    await at.upload(['shop', 'farm']);
    await writeTree(join(at.vm.slayer_models_otf, 'shop'), reference('own'));
    await writeTree(join(at.vm.slayer_models_otf, 'farm'), { 'models/farm/left.yaml': 'scrap' });
    expect(kinds(await at.download(['shop', 'farm']))).toMatchObject({
      'slayer_models_otf/shop': 'kept',
      'slayer_models_otf/farm': 'downloaded',
    });
    expect(await readTree(join(at.vm.slayer_models_otf, 'shop'))).toEqual(reference('own'));
    expect(await readTree(join(at.vm.slayer_models_otf, 'farm'))).toEqual(reference('seed'));
  });

  it('are only those that the submitter vouches for', async () => {
    await using at = await twoMachines();
    for (const database of ['shop', 'farm']) {
      await writeTree(join(at.laptop.slayer_otf_cache, database), cache('a'));
      await writeTree(join(at.laptop.slayer_models_otf, database), reference('seed'));
    }
    const { laptop: roots, store } = at;
    const reports = await uploadSetup(store, 'r1', {
      combo: ENCODE,
      roots,
      databases: ['shop', 'farm'],
      seeds: new Set(['farm']),
    });
    expect(kinds(reports)).toMatchObject({ 'slayer_models_otf/shop': 'absent', 'slayer_models_otf/farm': 'uploaded' });
    expect([...(await readSeedSnapshot(store, 'r1')).keys()]).toEqual(['farm']);
  });

  it('are never what this very run built before it was resumed (S-08)', async () => {
    await using at = await twoMachines();
    for (const database of ['shop', 'farm']) {
      await writeTree(join(at.laptop.slayer_otf_cache, database), cache('a'));
      await writeTree(join(at.laptop.slayer_models_otf, database), reference('seed'));
    }
    const record = (run: string) => JSON.stringify({ run_id: run, encoder_id: 'fake' });
    await writeTree(at.laptop.slayer_models_otf, {
      '.skein/shop.json': record('r1'),
      '.skein/farm.json': record('r0'),
    });
    await at.upload(['shop', 'farm']);
    expect([...(await readSeedSnapshot(at.store, 'r1')).keys()]).toEqual(['farm']);
  });

  it('that are damaged are passed over; a damaged required artifact is not (S-02, CR outside-diff)', async () => {
    await using at = await twoMachines();
    await writeTree(join(at.laptop.slayer_otf_cache, 'shop'), cache('a'));
    await writeTree(join(at.laptop.slayer_models_otf, 'shop'), reference('seed'));
    await at.upload(['shop']);
    const drop = async (name: string) => at.store.remove(name, (await at.store.stat(name))!.generation);
    await drop(`${PREFIX}/slayer_models_otf/shop/_kb_rows.json`);
    expect(kinds(await at.download(['shop']))).toMatchObject({ 'slayer_models_otf/shop': 'broken' });
    expect(await readdir(at.vm.slayer_models_otf)).not.toContain('shop');
    await rm(at.vm.slayer_otf_cache, { recursive: true });
    await drop(`${PREFIX}/slayer_otf_cache/shop/_kb_rows.json`);
    await expect(at.download(['shop'])).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  it('are remembered from the store, never from disk; what cannot be read is left out (S-08, Codex r3, M2)', async () => {
    await using at = await twoMachines();
    for (const database of ['shop', 'farm']) {
      await writeTree(join(at.laptop.slayer_otf_cache, database), cache('a'));
      await writeTree(join(at.laptop.slayer_models_otf, database), reference(database));
    }
    await writeTree(at.laptop.slayer_models_otf, { '.skein/shop.json': '{}' });
    await at.upload(['shop', 'farm']);
    await writeTree(join(at.vm.slayer_models_otf, 'zoo'), reference('built here'));
    expect(Object.fromEntries(await readSeedSnapshot(at.store, 'r1'))).toEqual({ shop: 'fp-shop', farm: 'fp-farm' });
    expect(Object.fromEntries(await readSeedSnapshot(at.store, 'r2'))).toEqual({});
  });
});
