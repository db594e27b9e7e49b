/** Several that want one reference: commits that meet, and peers that were faster. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { buildReference } from '../../../src/reference/build-reference.ts';
import { commitTree } from '../../../src/reference/commit.ts';
import { fakeEncoder } from '../../helpers/fake-encoder.ts';
import { writeKbDataset } from '../../helpers/kb-dataset.ts';
import { readTree, reference, tempDir, writeTree } from '../../helpers/shards.ts';

const free = { verify: () => Promise.resolve(), release: () => Promise.resolve() };

test('who waited takes what a peer committed over left-overs without marker, and never opens the encoder (R-07, CR r2, Q-33)', async () => {
  await using temp = await tempDir();
  await writeKbDataset(join(temp.dir, 'dataset'), ['shop']);
  const request = {
    database: 'shop',
    datasetDir: join(temp.dir, 'dataset'),
    cacheRoot: join(temp.dir, 'caches'),
    referenceRoot: join(temp.dir, 'references'),
    setupSessionsRoot: join(temp.dir, 'sessions'),
    lock: () => Promise.resolve(free),
  };
  await writeTree(join(request.referenceRoot, 'shop'), { 'memories.yaml': 'of a merge that died' });
  const opens = join(temp.dir, 'opens');
  const late = await buildReference({
    ...request,
    encoder: fakeEncoder({ countFile: opens }),
    lock: async () => {
      expect((await buildReference({ ...request, encoder: fakeEncoder() })).wasBuilt).toBe(true);
      return free;
    },
  });
  expect(late.wasBuilt).toBe(false);
  expect(await readFile(opens, 'utf8').catch(() => 'never')).toBe('never');
});

const MARKER = '_reference_fp.txt';

test('of two commits that meet, the one whose rename comes late finds its peer’s and is content (R-08, D-10, Q-15)', async () => {
  let peers = 0;
  for (let round = 0; round < 50 && peers === 0; round += 1) {
    await using temp = await tempDir();
    const target = join(temp.dir, 'root', 'shop');
    await mkdir(join(temp.dir, 'root'));
    const gate = Promise.withResolvers<void>();
    const commit = async (flavour: string) => {
      await writeTree(join(temp.dir, flavour), reference(flavour));
      return commitTree({
        tree: join(temp.dir, flavour),
        target,
        marker: MARKER,
        aside: join(temp.dir, `${flavour}-aside`),
        writeRecord: () => gate.promise,
      });
    };
    const both = Promise.all([commit('a'), commit('b')]);
    gate.resolve();
    const ends = await both;
    expect(ends).toContain('committed');
    peers += ends.filter((end) => end === 'peer').length;
    const standing = await readTree(target);
    expect([reference('a'), reference('b')]).toContainEqual(standing);
  }
  expect(peers).toBe(1);
});

test('a rename that fails for another reason is an error, and no marker stands there (Q-15)', async () => {
  await using temp = await tempDir();
  const [target, tree] = [join(temp.dir, 'root', 'shop'), join(temp.dir, 'nowhere')];
  await writeTree(target, { 'memories.yaml': 'scrap' });
  const commit = commitTree({ tree, target, marker: MARKER, aside: join(temp.dir, 'aside') });
  await expect(commit).rejects.toThrow(/committing shop to .*root/);
  expect(await readTree(target)).toEqual({});
});
