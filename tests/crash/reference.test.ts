import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { beforeAll, describe, expect, it } from 'vitest';

import { FAIL_POINTS } from '../../src/kernel/failpoint.ts';
import { loadReference } from '../../src/reference/load-reference.ts';
import { buildSite } from '../helpers/build-site.ts';
import { writeKbDataset } from '../helpers/kb-dataset.ts';
import { readTree, tempDir } from '../helpers/shards.ts';

const CHILD = fileURLToPath(new URL('../helpers/build-child.ts', import.meta.url));
const POINTS = FAIL_POINTS.filter((point) => point.startsWith('reference.'));

/** Builds in a process that dies at `point`. */
async function buildAndDie(dir: string, point: string): Promise<void> {
  const child = spawn(process.execPath, [CHILD, dir, 'shop', '3', point], { stdio: ['ignore', 'ignore', 'inherit'] });
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
}

/** What lies in the reference root besides lock files. */
async function namesIn(root: string): Promise<string[]> {
  return (await readdir(root)).filter((name) => !name.startsWith('shop.build.lock')).sort();
}

describe('a build that is killed', () => {
  let undisturbed: Record<string, string>;
  let digest: string;
  beforeAll(async () => {
    await using temp = await tempDir();
    await writeKbDataset(join(temp.dir, 'dataset'), ['shop']);
    ({ digest } = await buildSite(temp.dir, 'shop'));
    undisturbed = await readTree(join(temp.dir, 'references', 'shop'));
  });

  it.for(POINTS)(
    'at %s leaves nothing or the whole, and the next build ends with the same bytes (R-05, X-12)',
    async (point) => {
      await using temp = await tempDir();
      await writeKbDataset(join(temp.dir, 'dataset'), ['shop']);
      await buildAndDie(temp.dir, point);
      const root = join(temp.dir, 'references');
      if (point === 'reference.after-commit') expect(await readTree(join(root, 'shop'))).toEqual(undisturbed);
      else expect(existsSync(join(root, 'shop'))).toBe(false);

      const built = await buildSite(temp.dir, 'shop');
      expect(built).toMatchObject({ wasBuilt: point !== 'reference.after-commit', digest });
      expect(built.timingsMs['lock'] ?? 0).toBeLessThan(1000);
      expect(await readTree(join(root, 'shop'))).toEqual(undisturbed);
      expect(await namesIn(root)).toEqual(['.skein', 'shop']);
    },
  );

  it.for(POINTS)('at %s over a stale reference never shows a marker over other content (R-05, X-12)', async (point) => {
    await using temp = await tempDir();
    await writeKbDataset(join(temp.dir, 'dataset'), ['shop']);
    await buildSite(temp.dir, 'shop', { version: 'old' });
    await buildAndDie(temp.dir, point);
    const root = join(temp.dir, 'references');
    const record = async () =>
      JSON.parse(await readFile(join(root, '.skein', 'shop.json'), 'utf8')) as Record<string, string>;
    expect((await loadReference(join(root, 'shop')))?.results.length).toBe(11);
    expect((await record())['encoder_version']).toBe(point === 'reference.after-commit' ? '1' : 'old');

    const built = await buildSite(temp.dir, 'shop');
    expect(built).toMatchObject({ wasBuilt: point !== 'reference.after-commit', digest });
    expect(await record()).toMatchObject({ encoder_version: '1', content_digest: digest });
    expect(await namesIn(root)).toEqual(['.skein', 'shop']);
  });
});
