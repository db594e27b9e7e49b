/** Setups that several bring at once, that are killed on their way, or that change while they stand in the store. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { LockKeeper } from '../../../src/node/lock-keeper.ts';
import { downloadSetup } from '../../../src/node/setup-download.ts';
import { uploadSetup } from '../../../src/reference/setup-upload.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { readTree, reference, tempDir, writeTree, type Tree } from '../../helpers/shards.ts';

const COMBO = { queryMode: 'slayer', slayerSetup: 'on-the-fly', framework: 'encode' };
const cache = (flavour: string): Tree => ({
  '_cache_fp.txt': `cache-${flavour}`,
  '_kb_rows.json': '[]',
  'models/shop/items.yaml': flavour,
});

async function shipped() {
  const temp = await tempDir();
  const rootsOf = (machine: string) => ({
    slayer_otf_cache: join(temp.dir, machine, 'cache'),
    slayer_models_otf: join(temp.dir, machine, 'references'),
  });
  const [here, there] = [rootsOf('here'), rootsOf('there')];
  await writeTree(join(here.slayer_otf_cache, 'shop'), cache('a'));
  await writeTree(join(here.slayer_models_otf, 'shop'), reference('seed'));
  const store = createMemoryStore();
  const few = { tries: 2, baseMs: 1 };
  const upload = (to: ObjectStore = store) =>
    uploadSetup(to, 'r1', { combo: COMBO, roots: here, databases: ['shop'], ...few });
  await upload();
  const download = async (from: ObjectStore = store) => {
    await using locks = new LockKeeper();
    const reports = await downloadSetup({
      store: from,
      runId: 'r1',
      combo: COMBO,
      roots: there,
      databases: ['shop'],
      locks,
      ...few,
    });
    return reports.map(({ kind }) => kind);
  };
  return { store, here, there, upload, download, [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose]() };
}

test('two that bring the same setup at once end alike, and one of them brought it (S-05, Q-14)', async () => {
  await using at = await shipped();
  const ends = await Promise.all([at.download(), at.download()]);
  for (const which of [0, 1]) {
    expect(new Set(ends.map((kinds) => kinds[which]))).toEqual(new Set(['downloaded', 'same']));
  }
  expect(await readTree(join(at.there.slayer_otf_cache, 'shop'))).toEqual(cache('a'));
  expect(await readTree(join(at.there.slayer_models_otf, 'shop'))).toEqual(reference('seed'));
});

test('a seed whose download breaks off leaves nothing, not even the temp of one that was killed, and comes whole the next time (S-06, X-13, N-12)', async () => {
  await using at = await shipped();
  const dead = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  await once(dead, 'exit');
  await writeTree(at.there.slayer_models_otf, { [`.shop.seed-${dead.pid}-aa/tree/_reference_fp.txt`]: 'fp-seed' });
  const plan = new FaultPlan({ on: 'read', name: /slayer_models_otf\/shop\/models\//, fault: { kind: 'refuse' } });
  await expect(at.download(withFaults(at.store, plan))).rejects.toThrow('refused');
  expect((await readdir(at.there.slayer_models_otf)).filter((name) => !name.endsWith('.lock'))).toEqual(['.skein']);
  expect(await at.download()).toEqual(['same', 'downloaded']);
  expect(await readTree(join(at.there.slayer_models_otf, 'shop'))).toEqual(reference('seed'));
});

test('a setup has no marker object while it is shipped again, however early that ends', async () => {
  await using at = await shipped();
  const dir = join(at.here.slayer_otf_cache, 'shop');
  await rm(dir, { recursive: true });
  await writeTree(dir, cache('b'));
  const plan = new FaultPlan({ on: ['create', 'replace'], name: /items\.yaml$/, fault: { kind: 'refuse' } });
  await expect(at.upload(withFaults(at.store, plan))).rejects.toThrow('refused');
  const { objects } = await at.store.list('runs/r1/slayer_setup/slayer_otf_cache/');
  expect(objects.map(({ name }) => name.split('/').at(-1))).not.toContain('_cache_fp.txt');
  await at.upload();
  expect(await at.download()).toEqual(['downloaded', 'downloaded']);
  expect(await readTree(join(at.there.slayer_otf_cache, 'shop'))).toEqual(cache('b'));
});
