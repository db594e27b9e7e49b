import { join } from 'node:path';

import { expect, test } from 'vitest';

import { readSlice } from '../../../src/reference/shard-slice.ts';
import { reference, tempDir, writeSlice, writeTree } from '../../helpers/shards.ts';

test('refuses a slice that names a file outside of it, though that file is there (M-11, P-44)', async () => {
  await using temp = await tempDir();
  const tree = reference('cloud');
  const good = Object.fromEntries(Object.keys(tree).map((path) => [path, 1_700_000_000]));
  await writeTree(temp.dir, { 'a-1-0/other/secret': 'x', secret: 'x', 'a-1-0/shop/models\\x': 'x' });
  for (const path of ['../other/secret', '../../secret', 'models/../memories.yaml', './memories.yaml', 'models\\x']) {
    await writeSlice(temp.dir, 'a-1-0', 'shop', tree, { mtimes: { ...good, [path]: 1_700_000_000 } });
    const slice = await readSlice(join(temp.dir, 'a-1-0'), 'a-1-0', 'shop');
    expect(slice, path).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/path .* is refused/) });
  }
});
