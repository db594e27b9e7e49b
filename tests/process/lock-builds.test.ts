import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { LockKeeper } from '../../src/node/lock-keeper.ts';
import { sleep } from '../../src/kernel/retry.ts';
import { writeKbDataset } from '../helpers/kb-dataset.ts';
import { tempDir } from '../helpers/shards.ts';
import { startChild } from '../helpers/talking-child.ts';

const CHILD = fileURLToPath(new URL('../helpers/build-child.ts', import.meta.url));

describe('several processes that want one reference', () => {
  it('encode it once; the others take it (H4, R-06, R-07, Cdx-2, Q-33)', async () => {
    await using temp = await tempDir();
    await writeKbDataset(join(temp.dir, 'dataset'), ['shop']);
    const children = Array.from({ length: 4 }, () => startChild(CHILD, temp.dir, 'shop', '40'));
    try {
      const ends = await Promise.all(
        children.map(
          async (child) => JSON.parse(await child.hear('{', 30_000)) as { wasBuilt: boolean; digest: string },
        ),
      );
      expect(ends.filter(({ wasBuilt }) => wasBuilt).length).toBe(1);
      expect(new Set(ends.map(({ digest }) => digest)).size).toBe(1);
    } finally {
      await Promise.all(children.map((child) => child.kill()));
    }
    const opens = (await readFile(join(temp.dir, 'opens'), 'utf8')).trim().split('\n');
    expect(opens.length).toBe(1);
  });

  it('wait for whoever holds the lock for half a second, and build then (S-09, M5, Q-19)', async () => {
    await using temp = await tempDir();
    await writeKbDataset(join(temp.dir, 'dataset'), ['shop']);
    await using keeper = new LockKeeper();
    const grant = await keeper.acquire({ root: join(temp.dir, 'references'), database: 'shop', owner: 'a test' });
    await using child = startChild(CHILD, temp.dir, 'shop');
    let isDone = false;
    const end = child.hear('{', 20_000).then((line) => {
      isDone = true;
      return JSON.parse(line) as { wasBuilt: boolean };
    });
    await sleep(800);
    expect(isDone).toBe(false);
    expect(await readFile(join(temp.dir, 'opens'), 'utf8').catch(() => 'none')).toBe('none');
    await grant.release();
    expect((await end).wasBuilt).toBe(true);
  });

  it('go on when the one that encodes is killed (R-06)', async () => {
    await using temp = await tempDir();
    await writeKbDataset(join(temp.dir, 'dataset'), ['shop']);
    await using first = startChild(CHILD, temp.dir, 'shop', '100000');
    const opens = async () => (await readFile(join(temp.dir, 'opens'), 'utf8').catch(() => '')).split('\n').length - 1;
    for (const deadline = Date.now() + 15_000; (await opens()) === 0; await sleep(10)) {
      if (Date.now() > deadline) throw new Error('the first process never began to encode');
    }
    await using second = startChild(CHILD, temp.dir, 'shop');
    const end = second.hear('{', 20_000);
    await sleep(300);
    await first.kill();
    expect(JSON.parse(await end)).toMatchObject({ wasBuilt: true, count: 11 });
    expect(await opens()).toBe(2);
  });
});
