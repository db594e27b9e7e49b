/** `--merge-mode per-file`: the original's merge (M-03 … M-05), for runs that it left and for comparing with it. */
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { MergeReport } from '../../../src/reference/merge-report.ts';
import { MergeScene, NEW, OLD } from '../../helpers/merge-scene.ts';
import { mtimeOf, reference, type Tree } from '../../helpers/shards.ts';

const perFile = (scene: MergeScene): Promise<MergeReport> => scene.merge({ mode: 'per-file' });

/** A side-car with a time of its own for each file, `otherS` for those that are not named. */
function timesOf(tree: Tree, otherS: number, named: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...Object.fromEntries(Object.keys(tree).map((path) => [path, otherS])), ...named };
}

describe('merging per file', () => {
  it('takes each file from the complete shard whose source is the latest, marker included (M-03, Q-22)', async () => {
    await using scene = await MergeScene.make();
    const early = reference('early', { 'models/shop/only-early.yaml': 'only early' });
    const late = reference('late');
    await scene.slice('a-1', early, { mtimes: timesOf(early, NEW, { 'memories.yaml': NEW + 50 }) });
    await scene.slice('b-2', late, { mtimes: timesOf(late, NEW + 10, {}) });
    const report = await perFile(scene);
    expect(await scene.tree()).toEqual({
      ...late,
      'memories.yaml': early['memories.yaml'],
      'models/shop/only-early.yaml': 'only early',
    });
    expect(report.merged_dbs).toEqual([
      { db: 'shop', files_updated: 6, files_skipped: 0, outcome: 'updated', shard: 'b-2', shards: ['a-1', 'b-2'] },
    ]);
    expect(await mtimeOf(join(scene.root, 'shop', 'memories.yaml'))).toBeCloseTo(NEW + 50, 3);
    // Files of two builds: no record speaks for the mixture.
    expect((await scene.tree('.skein'))['shop.json']).toBeUndefined();
  });

  it('is not what happens without being asked for: by default one whole shard is taken (M-03, P-10)', async () => {
    await using scene = await MergeScene.make();
    const early = reference('early', { 'models/shop/only-early.yaml': 'only early' });
    await scene.slice('a-1', early, { mtimes: timesOf(early, NEW, { 'memories.yaml': NEW + 50 }) });
    await scene.slice('b-2', reference('late'), { mtimeS: NEW + 10 });
    await scene.merge();
    expect(await scene.tree()).toEqual(reference('late'));
  });

  it('takes nothing of a shard that is not complete, however late its files are (M-02)', async () => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1', reference('whole'), { mtimeS: NEW });
    await scene.slice('b-2', reference('half'), { mtimeS: NEW + 99, incomplete: true });
    expect(await perFile(scene)).toMatchObject({ merged_dbs: [{ shard: 'a-1' }], ignored_shards: ['b-2'] });
    expect(await scene.tree()).toEqual(reference('whole'));
  });

  it('passes over what has no number for a time, and reads a damaged side-car as an empty one (M-03)', async () => {
    await using scene = await MergeScene.make();
    const early = reference('early');
    const late = reference('late');
    await scene.slice('a-1', early, { mtimeS: NEW });
    await scene.slice('b-2', late, {
      mtimes: timesOf(late, NEW + 10, { 'memories.yaml': 'soon', '_kb_rows.json': null }),
    });
    await scene.slice('c-3', reference('damaged'), { mtimes: '{"cut', mtimeS: NEW + 99 });
    await scene.slice('d-4', reference('list'), { mtimes: '[1]', mtimeS: NEW + 99 });
    expect(await perFile(scene)).toMatchObject({
      merged_dbs: [{ outcome: 'updated' }],
      refused_slices: [],
      ignored_shards: [],
    });
    expect(await scene.tree()).toEqual({ ...late, 'memories.yaml': early['memories.yaml'], '_kb_rows.json': '[]' });
  });

  it('still refuses a slice whose path leads outside or is not there, and one of ours that is damaged (M-11, P-44)', async () => {
    await using scene = await MergeScene.make();
    await scene.slice('a-1', reference('good'), { mtimeS: NEW });
    const evil = reference('evil');
    await scene.slice('b-2', evil, { mtimes: timesOf(evil, NEW + 10, { '../../evil': NEW }) });
    await scene.slice('c-3', evil, { mtimes: timesOf(evil, NEW + 10, { 'absent.yaml': NEW }) });
    await scene.slice('d-4-0', evil, { record: {}, mtimes: timesOf(evil, NEW + 10, { 'memories.yaml': 'soon' }) });
    const report = await perFile(scene);
    expect(report.refused_slices.map(({ shard }) => shard)).toEqual(['b-2', 'c-3', 'd-4-0']);
    expect(await scene.tree()).toEqual(reference('good'));
  });

  it('replaces all when the marker is later than the local one, files that are locally later too (M-04, M-09, Codex r5, Q-28)', async () => {
    await using scene = await MergeScene.make();
    await scene.local(reference('local', { 'models/shop/stale.yaml': 'stale' }), NEW - 1);
    await utimes(join(scene.root, 'shop', 'memories.yaml'), NEW + 1000, NEW + 1000);
    await scene.slice('a-1', reference('cloud'), { mtimeS: NEW });
    expect((await perFile(scene)).merged_dbs).toMatchObject([{ files_updated: 5, files_skipped: 0 }]);
    expect(await scene.tree()).toEqual(reference('cloud'));
  });

  it('touches nothing when the marker is as late or earlier, even where another file is later (M-04, M-08, Cdx2-3, Q-27, Q-29)', async () => {
    for (const localS of [NEW, NEW + 1]) {
      await using scene = await MergeScene.make();
      await scene.local(reference('local', { 'models/shop/mine.yaml': 'mine' }), localS);
      const cloud = reference('cloud');
      await scene.slice('a-1', cloud, { mtimes: timesOf(cloud, NEW + 500, { '_reference_fp.txt': NEW }) });
      expect((await perFile(scene)).merged_dbs).toMatchObject([
        { files_updated: 0, files_skipped: 5, outcome: 'local-newer' },
      ]);
      expect(await scene.tree()).toEqual(reference('local', { 'models/shop/mine.yaml': 'mine' }));
    }
  });

  it('reports a database without marker in any shard as merged with none updated, and touches nothing (M-05)', async () => {
    await using scene = await MergeScene.make();
    await scene.local(reference('local'));
    const { '_reference_fp.txt': _, ...unmarked } = reference('cloud');
    await scene.slice('a-1', unmarked);
    await scene.slice('b-2', { 'memories.yaml': 'm', 'extra.yaml': 'x' });
    expect(await perFile(scene)).toMatchObject({
      merged_dbs: [{ db: 'shop', files_updated: 0, files_skipped: 5, outcome: 'no-marker' }],
      skipped_dbs: [],
    });
    expect(await scene.tree()).toEqual(reference('local'));
  });

  it('a second time changes nothing: the times came along, to the last digit that the disk keeps (M-07, Cdx-1, CR-1, Q-25)', async () => {
    for (const mtimeS of [1_748_260_123.123_456, 1_748_260_123.999_999, 1_748_260_123]) {
      await using scene = await MergeScene.make();
      await scene.slice('a-1', reference('cloud'), { mtimeS });
      await perFile(scene);
      const before = await mtimeOf(join(scene.root, 'shop'));
      expect((await perFile(scene)).merged_dbs).toMatchObject([{ files_updated: 0, outcome: 'unchanged' }]);
      expect(await mtimeOf(join(scene.root, 'shop'))).toBe(before);
    }
  });

  it('keeps the record of a reference that comes of one shard of ours', async () => {
    await using scene = await MergeScene.make();
    const identity = { encoder_id: 'rules', encoder_version: '2', is_paid: false };
    await scene.slice('a-1-0', reference('cloud'), { record: { identity } });
    await perFile(scene);
    expect(JSON.parse((await scene.tree('.skein'))['shop.json'] ?? '')).toEqual(identity);
  });

  it('never replaces what another encoder was paid for', async () => {
    await using scene = await MergeScene.make();
    await scene.local(reference('paid'), OLD);
    await scene.record({ encoder_id: 'agent', encoder_version: '1', is_paid: true });
    await scene.slice('a-1', reference('cloud'), { mtimeS: NEW });
    expect((await perFile(scene)).merged_dbs).toMatchObject([{ files_updated: 0, outcome: 'local-paid' }]);
    expect(await scene.tree()).toEqual(reference('paid'));
  });
});
