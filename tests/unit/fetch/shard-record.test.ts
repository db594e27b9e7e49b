/** What a shard says of itself: whose build it is, under which grant, and the digest of every byte. */
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { sha256 } from '../../../src/kernel/digest.ts';
import { contentDigest } from '../../../src/reference/shard-slice.ts';
import { uploadShard } from '../../../src/reference/shard.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { reference, tempDir, writeTree } from '../../helpers/shards.ts';

const IDENTITY = {
  version: 1,
  input_fp: 'fp-x',
  encoder_id: 'rules',
  encoder_version: '1',
  is_paid: false,
  builder: 'vm-1 pid 7 skein 0.1.0',
  build_id: 'b-77',
  built_at_ms: 1_700_000_000_500,
  epoch: 3,
};
const RECORD = 'runs/r1/post_run/slayer_models_otf/host-1-0/shop/_skein_shard.json';

async function recordOf(epoch?: number): Promise<unknown> {
  await using temp = await tempDir();
  await writeTree(join(temp.dir, 'shop'), reference('x'));
  await writeTree(temp.dir, { '.skein/shop.json': JSON.stringify(IDENTITY) });
  const store = createMemoryStore();
  const shard = { store, runId: 'r1', shard: 'host-1-0', database: 'shop', referenceRoot: temp.dir };
  await uploadShard({ ...shard, ...(epoch !== undefined && { epoch }) });
  return JSON.parse((await store.read(RECORD))!.bytes.toString());
}

it('carries its grant, its builder, its build and the digests of all its bytes, marker included (P-10, P-11)', async () => {
  const files = Object.entries(reference('x')).map(([path, text]) => [path, Buffer.from(text)] as const);
  expect(await recordOf(5)).toEqual({
    version: 1,
    database: 'shop',
    epoch: 5,
    run_id: 'r1',
    built_at_ms: 1_700_000_000_500,
    builder: 'vm-1 pid 7 skein 0.1.0',
    build_id: 'b-77',
    content_digest: contentDigest(new Map(files)),
    files: Object.fromEntries(files.map(([path, bytes]) => [path, { size: bytes.length, sha256: sha256(bytes) }])),
    identity: IDENTITY,
  });
});

it('has the grant of its identity record where nobody says another', async () => {
  expect(await recordOf()).toMatchObject({ epoch: 3 });
});
