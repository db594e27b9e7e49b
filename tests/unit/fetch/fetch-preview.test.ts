/** `fetch --dry-run`: what a fetch would do to the references, told without doing it; then the fetch does just that. */
import { readdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { previewFetch } from '../../../src/head/fetch-preview.ts';
import { fetchRun } from '../../../src/head/fetch.ts';
import { describeMerge } from '../../../src/reference/merge-report.ts';
import { uploadShard } from '../../../src/reference/shard.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { manifestOf, putRun } from '../../helpers/rows.ts';
import { mtimeOf, readTree, reference, tempDir, writeTree } from '../../helpers/shards.ts';

const OLD = 1_600_000_000;
const NEW = 1_700_000_000;

/** A run that built shop, zoo and mill; at home shop is older, zoo the same, and mill paid for by another. */
async function scene(dir: string): Promise<{ store: ObjectStore; warm: string }> {
  const store = createMemoryStore();
  await putRun(store, manifestOf(['shop_1']));
  const [built, warm] = [join(dir, 'built'), join(dir, 'warm')];
  for (const database of ['shop', 'zoo', 'mill']) {
    await writeTree(join(built, database), reference(database, { 'models/shop/new.yaml': 'new' }), NEW);
    await uploadShard({ store, runId: 'r1', shard: 'h-1-0', database, referenceRoot: built });
  }
  await writeTree(join(warm, 'shop'), reference('old', { 'models/gone/old.yaml': 'old', '_kb_rows.json': '[]' }), OLD);
  await symlink('/nowhere', join(warm, 'shop', 'link'));
  await writeTree(join(warm, 'zoo'), reference('zoo', { 'models/shop/new.yaml': 'new' }), NEW);
  await writeTree(join(warm, 'mill'), reference('mill of old'), OLD);
  await writeTree(warm, { '.skein/mill.json': '{"encoder_id":"agent","encoder_version":"1","is_paid":true}' });
  return { store, warm };
}

async function look(dir: string): Promise<unknown> {
  const names = await readdir(dir, { recursive: true });
  return Promise.all(names.sort().map(async (name) => [name, await mtimeOf(join(dir, name)).catch(() => 'none')]));
}

const temps = async (): Promise<string[]> =>
  (await readdir(tmpdir())).filter((name) => name.startsWith('skein-dry-run-'));

describe('a dry run', () => {
  it('names every file that a fetch would add, change and remove, and changes nothing, not even a lock (M-10)', async () => {
    await using temp = await tempDir();
    const { store, warm } = await scene(temp.dir);
    const before = await look(temp.dir);
    const tempsBefore = await temps();
    const { report, skippedObjects } = await previewFetch({ store, runId: 'r1', referenceRoot: warm });
    expect(await look(temp.dir)).toEqual(before);
    expect(await temps()).toEqual(tempsBefore);
    expect(skippedObjects).toEqual([]);
    expect(report.merged_dbs).toEqual([
      {
        db: 'mill',
        files_updated: 0,
        files_skipped: 6,
        outcome: 'local-paid',
        shard: 'h-1-0',
        changes: { added: [], changed: [], removed: [] },
      },
      {
        db: 'shop',
        files_updated: 6,
        files_skipped: 0,
        outcome: 'updated',
        shard: 'h-1-0',
        changes: {
          added: ['models/shop/new.yaml'],
          changed: ['_reference_fp.txt', 'memories.yaml', 'models/shop/items.yaml', 'models/shop/orders.yaml'],
          removed: ['link', 'models/gone/old.yaml'],
        },
      },
      {
        db: 'zoo',
        files_updated: 0,
        files_skipped: 6,
        outcome: 'unchanged',
        shard: 'h-1-0',
        changes: { added: [], changed: [], removed: [] },
      },
    ]);
    expect(describeMerge(report)).toEqual([
      'would merge slayer_models_otf/mill: 0 files updated, 6 skipped (the local one was or may have been paid for, with another encoder)',
      'would merge slayer_models_otf/shop: 6 files updated, 0 skipped',
      '  add models/shop/new.yaml',
      '  change _reference_fp.txt',
      '  change memories.yaml',
      '  change models/shop/items.yaml',
      '  change models/shop/orders.yaml',
      '  remove link',
      '  remove models/gone/old.yaml',
      'would merge slayer_models_otf/zoo: 0 files updated, 6 skipped (the same already)',
    ]);
  });

  it('says what the fetch then does', async () => {
    await using temp = await tempDir();
    const { store, warm } = await scene(temp.dir);
    const { report } = await previewFetch({ store, runId: 'r1', referenceRoot: warm });
    const { mergeReport } = await fetchRun({
      store,
      runId: 'r1',
      outDir: join(temp.dir, 'out'),
      referenceRoot: warm,
      withLock: (_database, work) => work(),
    });
    const changes = report.merged_dbs.map((each) => each.changes);
    expect({
      ...mergeReport,
      merged_dbs: mergeReport.merged_dbs.map((each, at) => ({ ...each, changes: changes[at] })),
    }).toEqual(report);
  });

  it('of a root that is not there makes none', async () => {
    await using temp = await tempDir();
    const { store } = await scene(temp.dir);
    const referenceRoot = join(temp.dir, 'nowhere', 'yet');
    const { report } = await previewFetch({ store, runId: 'r1', referenceRoot });
    expect(report.merged_dbs.map(({ outcome, changes }) => [outcome, changes?.added.length])).toEqual([
      ['updated', 6],
      ['updated', 6],
      ['updated', 6],
    ]);
    expect(await readTree(join(temp.dir, 'nowhere'))).toEqual({});
    expect(await readdir(temp.dir)).not.toContain('nowhere');
  });

  it('of a run that does not exist is refused', async () => {
    await using temp = await tempDir();
    const { store, warm } = await scene(temp.dir);
    await expect(previewFetch({ store, runId: 'r2', referenceRoot: warm })).rejects.toThrow('run r2: no such run');
  });
});
