import { symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { MergeScene as Scene, NEW, OLD } from '../../helpers/merge-scene.ts';
import { mtimeOf, readTree, reference, writeTree } from '../../helpers/shards.ts';

describe('which shard is merged', () => {
  it('a run without shards gives an empty report and makes no folder (M-01)', async () => {
    await using scene = await Scene.make();
    expect(await scene.merge()).toEqual({ merged_dbs: [], skipped_dbs: [], ignored_shards: [], refused_slices: [] });
    expect(await readTree(scene.root)).toEqual({});
  });

  it('an incomplete slice gives nothing, even if it is newer than a whole one (M-02, M1, Q-21)', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('whole'), { mtimeS: OLD });
    await scene.slice('b-1-0', reference('half'), { mtimeS: NEW, incomplete: true });
    const report = await scene.merge();
    expect(await scene.tree()).toEqual(reference('whole'));
    expect(report).toMatchObject({ merged_dbs: [{ db: 'shop', shard: 'a-1-0' }], ignored_shards: ['b-1-0'] });
  });

  it('a slice without side-car gives nothing (M-02, Q-21)', async () => {
    await using scene = await Scene.make();
    const dir = await scene.slice('a-1-0', reference('x'));
    await unlink(join(dir, '_source_mtimes.json'));
    expect((await scene.merge()).skipped_dbs).toEqual([
      { db: 'shop', reason: 'no complete shard slice (incomplete upload)' },
    ]);
  });

  it('one whole shard is taken and no file of another, not even one that only the other has (M-03, P-10, L1, Codex r5)', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('early', { 'models/shop/only.yaml': 'x' }), { mtimeS: OLD });
    await scene.slice('b-1-0', reference('late'), { mtimeS: NEW });
    await scene.merge();
    expect(await scene.tree()).toEqual(reference('late'));
  });

  it('orders shards by epoch, then build time, then digest (P-11)', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('epoch-2'), { mtimeS: OLD, record: { epoch: 2 } });
    await scene.slice('b-1-0', reference('epoch-1'), { mtimeS: NEW, record: { epoch: 1 } });
    await scene.merge();
    expect(await scene.tree()).toEqual(reference('epoch-2'));
  });

  it('chooses the same one of two equal builds whatever their shards are called (P-11)', async () => {
    const chosen = new Set<string>();
    for (const [first, second] of [
      ['a-1-0', 'b-1-0'],
      ['b-1-0', 'a-1-0'],
    ] as const) {
      await using scene = await Scene.make();
      await scene.slice(first, reference('one'));
      await scene.slice(second, reference('two'));
      await scene.merge();
      chosen.add((await scene.tree())['memories.yaml'] ?? '');
    }
    expect(chosen.size).toBe(1);
  });
});

describe('shard against local reference', () => {
  it('a newer shard replaces every file, a locally newer file too (M-04, Codex r5, Q-20, Q-28)', async () => {
    await using scene = await Scene.make();
    await scene.local(reference('local'));
    await writeTree(join(scene.root, 'shop'), { 'memories.yaml': 'edited later' }, NEW + 1000);
    await scene.slice('a-1-0', reference('cloud'), { mtimeS: NEW });
    expect((await scene.merge()).merged_dbs).toMatchObject([
      { files_updated: 5, files_skipped: 0, outcome: 'updated' },
    ]);
    expect(await scene.tree()).toEqual(reference('cloud'));
  });

  it('an older or equally old shard changes nothing and is reported as skipped (M-04, M-08, Cdx2-3, Q-20, Q-27, Q-29)', async () => {
    for (const localTime of [NEW, NEW + 1]) {
      await using scene = await Scene.make();
      await scene.local(reference('local', { 'models/shop/mine.yaml': 'x' }), localTime);
      await scene.slice('a-1-0', reference('cloud'), { mtimeS: NEW });
      expect((await scene.merge()).merged_dbs).toMatchObject([
        { files_updated: 0, files_skipped: 5, outcome: 'local-newer' },
      ]);
      expect(await scene.tree()).toEqual(reference('local', { 'models/shop/mine.yaml': 'x' }));
    }
  });

  it('a shard without marker touches nothing (M-05)', async () => {
    await using scene = await Scene.make();
    await scene.local(reference('local'));
    const { '_reference_fp.txt': _, ...unmarked } = reference('cloud');
    await scene.slice('a-1-0', unmarked);
    expect(await scene.merge()).toMatchObject({
      merged_dbs: [{ db: 'shop', files_updated: 0, files_skipped: 4, outcome: 'no-marker' }],
      skipped_dbs: [],
      ignored_shards: [],
    });
    expect(await scene.tree()).toEqual(reference('local'));
  });

  it('a local folder without marker counts as absent, however new its files (M-06, R-09)', async () => {
    await using scene = await Scene.make();
    await scene.local({ 'memories.yaml': 'scrap', 'models/x/y.yaml': 'scrap' }, NEW + 9999);
    await scene.slice('a-1-0', reference('cloud'));
    await scene.merge();
    expect(await scene.tree()).toEqual(reference('cloud'));
  });

  it('files keep the time of their source, so that a genuinely later build still wins (M-07, Cdx-1, CR-1, Q-25)', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('first'), { mtimeS: NEW });
    await scene.merge();
    for (const path of ['_reference_fp.txt', 'models/shop/items.yaml']) {
      expect(await mtimeOf(join(scene.root, 'shop', path))).toBeCloseTo(NEW, 3);
    }
    await scene.slice('b-1-0', reference('second'), { mtimeS: NEW + 5 });
    await scene.merge();
    expect(await scene.tree()).toEqual(reference('second'));
  });

  it('stale files, empty folders, temps of a dead merge and links are removed, and what links lead to is not (M-09, Codex r6, Q-30)', async () => {
    await using scene = await Scene.make();
    await scene.local(reference('local', { 'models/old/deep/x.yaml': 'x', '.memories.yaml.merge-1-1': 'x' }));
    const outside = join(scene.shards, '..', 'outside');
    await writeTree(outside, { 'kept.txt': 'kept' });
    await symlink(outside, join(scene.root, 'shop', 'linked'));
    await scene.slice('a-1-0', reference('cloud'));
    await scene.merge();
    expect(await scene.tree()).toEqual(reference('cloud'));
    expect(await readTree(outside)).toEqual({ 'kept.txt': 'kept' });
  });

  it('leaves the very same reference alone when it is merged a second time', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('cloud'), { record: {} });
    await scene.merge();
    const before = await mtimeOf(join(scene.root, 'shop'));
    expect((await scene.merge()).merged_dbs).toMatchObject([
      { files_updated: 0, files_skipped: 5, outcome: 'unchanged' },
    ]);
    expect(await mtimeOf(join(scene.root, 'shop'))).toBe(before);
  });

  it('replaces a reference of an earlier run by a later build, though its epoch is lower (Q-26)', async () => {
    await using scene = await Scene.make();
    const facts = { epoch: 7, run_id: 'r1', built_at_ms: OLD * 1000 };
    await scene.slice('a-1-0', reference('run-1'), { record: { ...facts, identity: facts } });
    await scene.merge();
    await scene.slice('a-1-0', reference('run-2'), { record: { epoch: 1, run_id: 'r2', built_at_ms: NEW * 1000 } });
    await scene.merge();
    expect(await scene.tree()).toEqual(reference('run-2'));
  });

  it('DESIGN rule 6: never replaces a reference that another encoder was paid for (R-02)', async () => {
    await using scene = await Scene.make();
    await scene.local(reference('paid'));
    const paid = { encoder_id: 'agent', encoder_version: '1', is_paid: true, built_at_ms: OLD * 1000 };
    await writeTree(scene.root, { '.skein/shop.json': JSON.stringify(paid) });
    await scene.slice('a-1-0', reference('free'), {
      record: { identity: { encoder_id: 'rules', encoder_version: '1' } },
    });
    expect((await scene.merge()).merged_dbs).toMatchObject([{ files_updated: 0, outcome: 'local-paid' }]);
    expect(await scene.tree()).toEqual(reference('paid'));
  });

  it('takes no record for the reference that names another marker', async () => {
    await using scene = await Scene.make();
    await scene.local(reference('local'));
    const stranger = { input_fp: 'fp-of-another', encoder_id: 'agent', encoder_version: '1', is_paid: true };
    await writeTree(scene.root, { '.skein/shop.json': JSON.stringify(stranger) });
    await scene.slice('a-1-0', reference('cloud'));
    expect((await scene.merge()).merged_dbs).toMatchObject([{ outcome: 'updated' }]);
  });

  it('keeps our records beside the folder: the folder holds exactly the files of the shard (R-01)', async () => {
    await using scene = await Scene.make();
    const identity = { encoder_id: 'rules', encoder_version: '2', built_at_ms: 5, anything: { else: true } };
    await scene.slice('a-1-0', reference('cloud'), { record: { identity } });
    await scene.merge();
    const { '.skein/shop.json': record = '', ...rest } = await readTree(scene.root);
    expect(JSON.parse(record)).toEqual(identity);
    expect(Object.keys(rest).sort()).toEqual(
      Object.keys(reference(''))
        .map((path) => `shop/${path}`)
        .sort(),
    );
  });
});

describe('the report and hardening', () => {
  it('names lost databases and shards that hold no whole one, and merges the others (M-10, Codex r7, Q-32, M4)', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('whole'), {}, 'shop');
    await scene.slice('a-1-0', reference('half'), { incomplete: true }, 'zoo');
    await scene.slice('b-1-0', reference('half'), { incomplete: true }, 'zoo');
    const report = await scene.merge();
    expect(report.merged_dbs.map(({ db }) => db)).toEqual(['shop']);
    expect(report.skipped_dbs).toEqual([{ db: 'zoo', reason: 'no complete shard slice (incomplete upload)' }]);
    expect(report.ignored_shards).toEqual(['b-1-0']);
    expect(await scene.tree('zoo')).toEqual({});
  });

  it('refuses a slice whole when a path leads outside, is absolute, is absent or has no time (M-11, P-44)', async () => {
    const tree = reference('cloud');
    const good = Object.fromEntries(Object.keys(tree).map((path) => [path, NEW]));
    for (const mtimes of [
      { ...good, '../../evil.txt': NEW },
      { ...good, '/etc/evil': NEW },
      { ...good, 'models/../../x': NEW },
      { ...good, 'models\\x': NEW },
      { ...good, 'absent.yaml': NEW },
      { ...good, 'memories.yaml': 'soon' },
      { ...good, 'memories.yaml': null },
      '[1]',
      '{"cut',
    ]) {
      await using scene = await Scene.make();
      await scene.local(reference('local'));
      await scene.slice('a-1-0', tree, { mtimes });
      const report = await scene.merge();
      expect(report.refused_slices, JSON.stringify(mtimes)).toHaveLength(1);
      expect(report.skipped_dbs).toHaveLength(1);
      expect(await scene.tree()).toEqual(reference('local'));
    }
  });

  it('refuses a slice whose bytes are not those that were uploaded, and takes an older whole one instead (M-11)', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('older'), { record: { built_at_ms: OLD * 1000 } });
    const dir = await scene.slice('b-1-0', reference('newer'), { record: { built_at_ms: NEW * 1000 } });
    await writeFile(join(dir, 'memories.yaml'), 'memories of never');
    const report = await scene.merge();
    expect(report.refused_slices).toMatchObject([
      { shard: 'b-1-0', db: 'shop', reason: expect.stringContaining('memories.yaml') },
    ]);
    expect(await scene.tree()).toEqual(reference('older'));
  });

  it('does not follow a link that stands in the place of the database folder', async () => {
    await using scene = await Scene.make();
    const outside = join(scene.shards, '..', 'outside');
    await writeTree(outside, { 'kept.txt': 'kept' });
    await writeTree(scene.root, { x: '' });
    await symlink(outside, join(scene.root, 'shop'));
    await scene.slice('a-1-0', reference('cloud'));
    expect((await scene.merge()).skipped_dbs).toHaveLength(1);
    expect(await readTree(outside)).toEqual({ 'kept.txt': 'kept' });
  });

  it('goes on with the other databases when one cannot be merged', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('x'), {}, 'aaa');
    await scene.slice('a-1-0', reference('y'), {}, 'bbb');
    await writeTree(scene.root, { aaa: 'a file where the folder belongs' });
    const report = await scene.merge();
    expect(report.skipped_dbs).toMatchObject([{ db: 'aaa', reason: expect.stringContaining('no folder') }]);
    expect(await scene.tree('bbb')).toEqual(reference('y'));
  });

  it('looks at and changes a database under its lock only (S-09)', async () => {
    await using scene = await Scene.make();
    await scene.slice('a-1-0', reference('x'), {}, 'aaa');
    await scene.slice('a-1-0', reference('y'), {}, 'bbb');
    await scene.merge();
    expect(scene.locks).toEqual(['aaa', 'bbb']);
  });
});
