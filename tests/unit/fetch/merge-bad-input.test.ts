/**
 * What a merge does with damaged or hostile slices, records, roots and clocks: named, the rest goes on, nothing lost. The
 * local tree is compared with all that a lock-free reader could notice: files, bytes, and the marker's inode and time.
 */
import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { MergeScene, NEW, OLD } from '../../helpers/merge-scene.ts';
import { readTree, reference, writeTree, type Tree } from '../../helpers/shards.ts';

const RULES = { encoder_id: 'rules', encoder_version: '1', is_paid: false };

const timesOf = (tree: Tree): Record<string, unknown> =>
  Object.fromEntries(Object.keys(tree).map((path) => [path, NEW]));

async function markerStamp(scene: MergeScene): Promise<string> {
  const { ino, mtimeMs, ctimeMs } = await stat(join(scene.root, 'shop', '_reference_fp.txt'));
  return [ino, mtimeMs, ctimeMs].join();
}

/** Expects that the merge leaves the local tree as it is, to the inode of its marker, and names `reason`. */
async function expectRefused(scene: MergeScene, reason: RegExp | string): Promise<void> {
  await scene.local(reference('local'));
  const before = await markerStamp(scene);
  const report = await scene.merge();
  expect(report.merged_dbs).toEqual([]);
  expect(report.skipped_dbs).toMatchObject([{ db: 'shop' }]);
  const told = report.refused_slices.map((slice) => slice.reason).join('\n');
  if (typeof reason === 'string') expect(told).toContain(reason);
  else expect(told).toMatch(reason);
  expect(await scene.tree()).toEqual(reference('local'));
  expect(await markerStamp(scene)).toBe(before);
}

describe('a slice whose side-car names', () => {
  const tree = reference('cloud');
  it.for([
    ['a path with ..', '../../evil.txt', 'part ".."'],
    ['a path with .. inside', 'models/../../x', 'part ".."'],
    ['an absolute path', '/etc/evil', 'empty part'],
    ['a NUL', 'a\0b', 'control character'],
    ['a newline', 'a\nb', 'control character'],
    ['an empty part', 'models//x', 'empty part'],
    ['a name of 1,025 bytes', `models/${'x'.repeat(1018)}`, 'longer than 1024 bytes'],
    ['a part that no file system takes', 'x'.repeat(300), 'longer than this file system allows'],
    ['a backslash', 'models\\x', 'backslash'],
    ['a file that is not there', 'absent.yaml', 'not there'],
    ['a path below a file', 'memories.yaml/x', 'no folder'],
    ['a folder', 'models', 'no plain file'],
  ] as const)(
    '%s is refused whole, and the local tree untouched to its marker (M-11, P-44)',
    async ([, path, reason]) => {
      await using scene = await MergeScene.make();
      await scene.slice('a-1-0', tree, { mtimes: { ...timesOf(tree), [path]: NEW } });
      await expectRefused(scene, reason);
    },
  );

  it.for([
    ['no time', { 'memories.yaml': null }, 'has no time'],
    ['a word for a time', { 'memories.yaml': 'soon' }, 'has no time'],
    ['a time before 1970', { 'memories.yaml': -1 }, 'the time -1'],
    ['a time that no file system takes', { 'memories.yaml': 1e300 }, 'the time 1e+300'],
  ] as const)('%s is refused whole (M-11)', async ([, change, reason]) => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1-0', tree, { mtimes: { ...timesOf(tree), ...change } });
    await expectRefused(scene, reason);
  });

  it('a link, in the place of a file or of a folder on the way, is refused whole (M-11, P-44)', async () => {
    for (const isFolder of [false, true]) {
      await using scene = await MergeScene.make();
      const dir = await scene.slice('a-1-0', tree);
      const path = join(dir, isFolder ? 'models/shop' : 'memories.yaml');
      await rename(path, join(scene.dir, 'moved'));
      await symlink(join(scene.dir, 'moved'), path);
      await expectRefused(scene, 'is a link');
    }
  });
});

describe('a slice', () => {
  it.for([
    ['a side-car that is no JSON', '_source_mtimes.json', '{"cut', 'is no JSON'],
    ['a side-car that is a list', '_source_mtimes.json', '[]', 'no JSON object'],
    ['a record that is no JSON', '_skein_shard.json', '{"cut', 'is no JSON'],
    ['a record of another shape', '_skein_shard.json', '{"version":1}', 'database'],
    ['a record of a later version', '_skein_shard.json', '{"version":2}', 'version'],
    ['other bytes than were uploaded', 'memories.yaml', 'memories of CLOUD', 'other bytes'],
    ['fewer bytes than were uploaded', 'memories.yaml', '', 'bytes where'],
    ['a marker that is cut', '_reference_fp.txt', 'fp-', 'bytes where'],
  ] as const)(
    'with %s is named and never merged; another shard takes its place (M-11)',
    async ([, path, text, reason]) => {
      await using scene = await MergeScene.make();
      await scene.slice('a-1-0', reference('older'), { record: { built_at_ms: OLD * 1000 } });
      const dir = await scene.slice('b-1-0', reference('cloud'), { record: { built_at_ms: NEW * 1000 } });
      await writeFile(join(dir, path), text);
      const report = await scene.merge();
      expect(report.refused_slices).toMatchObject([
        { shard: 'b-1-0', db: 'shop', reason: expect.stringContaining(reason) },
      ]);
      expect(report.merged_dbs).toMatchObject([{ shard: 'a-1-0', outcome: 'updated' }]);
      expect(report.ignored_shards).toEqual(['b-1-0']);
      expect(await scene.tree()).toEqual(reference('older'));
    },
  );

  it('of the original with an empty marker is refused', async () => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1', reference('cloud', { '_reference_fp.txt': '\n' }));
    await expectRefused(scene, 'it is empty');
  });

  it('whose identity is of other inputs than its marker is refused', async () => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1-0', reference('cloud'), { record: { identity: { ...RULES, input_fp: 'fp-other' } } });
    await expectRefused(scene, 'fp-other');
  });

  it('that has an object which was not fetched this time is refused: what lies there may be older (V-11)', async () => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1', reference('cloud'));
    await scene.slice('b-1', reference('zoo'), {}, 'zoo');
    const missing = [{ path: 'a-1/shop/memories.yaml', reason: 'it went away' }];
    expect(await scene.merge({ missing })).toMatchObject({
      merged_dbs: [{ db: 'zoo' }],
      skipped_dbs: [{ db: 'shop' }],
      refused_slices: [{ shard: 'a-1', db: 'shop', reason: expect.stringContaining('memories.yaml was not fetched') }],
      ignored_shards: ['a-1'],
    });
  });

  it('that cannot be read costs itself only', async () => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1', reference('cloud'), {}, 'aaa');
    const dir = await scene.slice('a-1', reference('cloud'), {}, 'bbb');
    await rm(join(dir, 'memories.yaml'));
    await mkdir(join(dir, 'memories.yaml'));
    await scene.slice('a-1', reference('cloud'), {}, 'ccc');
    const report = await scene.merge();
    expect(report.merged_dbs.map(({ db }) => db)).toEqual(['aaa', 'ccc']);
    expect(report.skipped_dbs.map(({ db }) => db)).toEqual(['bbb']);
  });

  it('in a folder that is no name of a shard or database is named; what begins with a dot is somebody’s temporary (U-07)', async () => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1', reference('cloud'), {}, '-x');
    await scene.slice('_b', reference('cloud'));
    await scene.slice('a-1', reference('cloud'), {}, '.fp.tmp-1');
    expect(await scene.merge()).toMatchObject({
      merged_dbs: [],
      skipped_dbs: [{ db: '-x' }, { db: 'shop' }],
      refused_slices: [
        { db: '-x', reason: expect.stringContaining('no name') },
        { shard: '_b', db: 'shop' },
      ],
      ignored_shards: ['_b', 'a-1'],
    });
  });
});

describe('the local side', () => {
  it.for([
    ['no JSON', '{"cut'],
    ['a word', '"rules"'],
    ['silent on the encoder', '{}'],
  ])('with a record that is %s counts as paid for by an unknown encoder, and is kept', async ([, record]) => {
    await using scene = await MergeScene.make();
    await scene.local(reference('local'));
    await scene.record(record);
    await scene.slice('a-1-0', reference('cloud'), { record: { identity: RULES } });
    const report = await scene.merge();
    expect(report.merged_dbs).toMatchObject([{ files_updated: 0, files_skipped: 5, outcome: 'local-paid' }]);
    if (record === '{"cut') expect(report.notes?.join()).toContain(join(scene.root, '.skein', 'shop.json'));
    expect(await scene.tree()).toEqual(reference('local'));
    expect(await readFile(join(scene.root, '.skein', 'shop.json'), 'utf8')).toBe(record);
  });

  it('without a record counts as paid for, unless what comes has none either or is the very same', async () => {
    await using scene = await MergeScene.make();
    await scene.local(reference('local'));
    await scene.slice('a-1-0', reference('cloud'), { record: { identity: RULES } });
    expect((await scene.merge()).merged_dbs).toMatchObject([{ outcome: 'local-paid' }]);
    await rm(scene.shards, { recursive: true });
    await scene.slice('a-1-0', reference('local'), { record: { identity: RULES } });
    expect((await scene.merge()).merged_dbs).toMatchObject([{ outcome: 'updated' }]);
    expect(JSON.parse(await readFile(join(scene.root, '.skein', 'shop.json'), 'utf8'))).toEqual(RULES);
  });

  it('with a record that does not say that it was free is never replaced by another encoder’s', async () => {
    await using scene = await MergeScene.make();
    await scene.local(reference('local'));
    await scene.record({ encoder_id: 'agent', encoder_version: '1' });
    await scene.slice('a-1-0', reference('cloud'), { record: { identity: RULES } });
    expect((await scene.merge()).merged_dbs).toMatchObject([{ outcome: 'local-paid' }]);
  });

  it('with a folder in the place of its marker is named, and the other databases are merged', async () => {
    await using scene = await MergeScene.make();
    await writeTree(scene.root, { 'shop/_reference_fp.txt/x': 'x' });
    await scene.slice('a-1', reference('cloud'));
    await scene.slice('a-1', reference('cloud'), {}, 'zoo');
    const report = await scene.merge();
    expect(report.skipped_dbs).toMatchObject([
      { db: 'shop', reason: expect.stringContaining(join(scene.root, 'shop')) },
    ]);
    expect(report.merged_dbs).toMatchObject([{ db: 'zoo', outcome: 'updated' }]);
  });

  it('is not written to through a link in the place of its records or its database', async () => {
    for (const name of ['.skein', 'shop']) {
      await using scene = await MergeScene.make();
      await writeTree(join(scene.dir, 'outside'), { 'kept.txt': 'kept' });
      await writeTree(scene.root, { x: '' });
      await symlink(join(scene.dir, 'outside'), join(scene.root, name));
      await scene.slice('a-1-0', reference('cloud'), { record: { identity: RULES } });
      expect((await scene.merge()).skipped_dbs).toMatchObject([
        { reason: expect.stringContaining(join(scene.root, name)) },
      ]);
      expect(await readTree(join(scene.dir, 'outside'))).toEqual({ 'kept.txt': 'kept' });
    }
  });

  it('is kept when the root is a file', async () => {
    await using scene = await MergeScene.make();
    await writeFile(scene.root, 'a file');
    await scene.slice('a-1', reference('cloud'));
    expect((await scene.merge()).skipped_dbs).toMatchObject([{ reason: expect.stringContaining(scene.root) }]);
    expect(await readFile(scene.root, 'utf8')).toBe('a file');
  });

  it('is kept whole when a source cannot be copied', async () => {
    await using scene = await MergeScene.make();
    await scene.local(reference('local'));
    const dir = await scene.slice('a-1', reference('cloud'));
    const before = await markerStamp(scene);
    // Gone after it was judged, as when somebody cleans the mirror up.
    const report = await scene.merge({
      withLock: async (_database, work) => {
        await rm(join(dir, 'models/shop/orders.yaml'));
        return work();
      },
    });
    expect(report.skipped_dbs).toMatchObject([{ db: 'shop', reason: expect.stringContaining('orders.yaml') }]);
    expect(await scene.tree()).toEqual(reference('local'));
    expect(await markerStamp(scene)).toBe(before);
  });

  it('that was not there is not there after a merge that could not begin', async () => {
    await using scene = await MergeScene.make();
    const dir = await scene.slice('a-1', reference('cloud'));
    await scene.merge({
      withLock: async (_database, work) => {
        await rm(join(dir, 'memories.yaml'));
        return work();
      },
    });
    expect(await readTree(scene.root)).toEqual({});
  });
});

describe('clocks a year apart', () => {
  const YEAR_MS = 365 * 86_400_000;

  it('decide nothing within a run: the later grant wins, however early its builder thinks it is (P-11)', async () => {
    await using scene = await MergeScene.make();
    const nowMs = Date.now();
    await scene.slice('a-1-0', reference('first'), { record: { epoch: 1, built_at_ms: nowMs + YEAR_MS } });
    await scene.slice('b-1-0', reference('second'), { record: { epoch: 2, built_at_ms: nowMs - YEAR_MS } });
    expect((await scene.merge()).merged_dbs).toMatchObject([{ shard: 'b-1-0' }]);
  });

  it('are named when they keep a build of a right clock out, and nothing is lost (P-11)', async () => {
    await using scene = await MergeScene.make();
    const nowMs = Date.now();
    const identity = { ...RULES, run_id: 'r0', built_at_ms: nowMs + YEAR_MS };
    await scene.local(reference('ahead'));
    await scene.record(identity);
    const slice = await scene.slice('a-1-0', reference('honest'), { record: { built_at_ms: nowMs, identity: RULES } });
    const report = await scene.merge();
    expect(report.merged_dbs).toMatchObject([{ files_updated: 0, outcome: 'local-newer' }]);
    expect(report.notes).toEqual([
      expect.stringMatching(/^shop: the local reference .* 365 days ahead of this machine/),
    ]);
    expect(await scene.tree()).toEqual(reference('ahead'));
    expect((await readTree(slice))['memories.yaml']).toBe('memories of honest');
  });

  it('that lag are no matter of a note', async () => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1-0', reference('lagging'), { record: { built_at_ms: Date.now() - YEAR_MS } });
    expect(await scene.merge()).not.toHaveProperty('notes');
  });
});
