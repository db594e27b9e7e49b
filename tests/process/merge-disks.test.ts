/** Merges onto disks that refuse: what stood there stands, the reason is named, and the next merge does it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { LockKeeper } from '../../src/node/lock-keeper.ts';
import { mergeShards } from '../../src/reference/merge.ts';
import type { MergeReport } from '../../src/reference/merge-report.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { canMount, SmallDisk } from '../helpers/cluster/small-disk.ts';
import { readTree, reference, tempDir, writeSlice, writeTree } from '../helpers/shards.ts';

const run = promisify(execFile);
const IDENTITY = { encoder_id: 'rules', encoder_version: '1', is_paid: false };
const CLOUD = reference('cloud', { 'models/shop/large.yaml': 'x'.repeat(300_000) });

/** A disk with the old reference of shop, and a shard elsewhere with a later one of shop and one of zoo. */
async function scene(dir: string): Promise<{ disk: SmallDisk; root: string; merge: () => Promise<MergeReport> }> {
  const shards = join(dir, 'shards');
  await writeSlice(shards, 'h-1-0', 'shop', CLOUD, { record: { identity: IDENTITY } });
  await writeSlice(shards, 'h-1-0', 'zoo', reference('zoo'), { record: { identity: IDENTITY } });
  const disk = await SmallDisk.mount(join(dir, 'disk'), 1);
  const root = join(disk.dir, 'root');
  await writeTree(join(root, 'shop'), reference('local'), 1_600_000_000);
  await writeTree(root, { '.skein/shop.json': JSON.stringify(IDENTITY) });
  const merge = async (): Promise<MergeReport> => {
    await using keeper = new LockKeeper();
    return await mergeShards({
      shardsDir: shards,
      referenceRoot: root,
      withLock: (database, work) => keeper.hold({ root, database, owner: 'fetch r1' }, work),
    });
  };
  return { disk, root, merge };
}

describe.skipIf(!canMount())('a merge onto a disk', () => {
  it('that is full keeps the old reference whole, names it, goes on with the next database, and is done once there is room', async () => {
    await using temp = await tempDir();
    const { disk, root, merge } = await scene(temp.dir);
    await using _disk = disk;
    // Room for the small ones, and none for the large file.
    await writeTree(disk.dir, { ballast: 'x'.repeat(720_000) });
    const report = await merge();
    expect(report.skipped_dbs).toMatchObject([{ db: 'shop', reason: expect.stringContaining('no space is left') }]);
    expect(report.merged_dbs).toMatchObject([{ db: 'zoo', outcome: 'updated' }]);
    expect(await readTree(join(root, 'shop'))).toEqual(reference('local'));
    expect(JSON.parse((await readTree(join(root, '.skein')))['shop.json'] ?? '')).toEqual(IDENTITY);
    await disk.free();
    expect((await merge()).merged_dbs).toMatchObject([{ db: 'shop', outcome: 'updated' }, { outcome: 'unchanged' }]);
    expect(await readTree(join(root, 'shop'))).toEqual(CLOUD);
  });

  it('that has no room for a single byte keeps everything and names every database', async () => {
    await using temp = await tempDir();
    const { disk, root, merge } = await scene(temp.dir);
    await using _disk = disk;
    await disk.fill();
    const report = await merge();
    expect(report.merged_dbs).toEqual([]);
    expect(report.skipped_dbs.map(({ db }) => db)).toEqual(['shop', 'zoo']);
    expect(await readTree(join(root, 'shop'))).toEqual(reference('local'));
    await disk.free();
    expect((await merge()).skipped_dbs).toEqual([]);
  });

  it('that is read-only is refused by fetch before anything, and by a merge for each database', async () => {
    await using temp = await tempDir();
    const { disk, root, merge } = await scene(temp.dir);
    await using _disk = disk;
    await run('mount', ['-o', 'remount,ro', disk.dir]);
    expect((await merge()).skipped_dbs.map(({ db }) => db)).toEqual(['shop', 'zoo']);
    expect(await readTree(join(root, 'shop'))).toEqual(reference('local'));
    await writeTree(join(temp.dir, 'store', 'runs', 'r1'), {
      'manifest.json': '{"run_id":"r1","framework":"noop","instance_ids":["shop_1"]}',
    });
    const args = ['fetch', 'r1', '--store', `file://${join(temp.dir, 'store')}`, '--reference-root', root];
    const end = await runCliHere(args, { cwd: temp.dir });
    expect(end.code).toBe(2);
    expect(end.stderr).toMatch(/^skein: --reference-root: "[^"]+": [^\n]*cannot be written to \(EROFS\)[^\n]*\n$/);
  });
});
