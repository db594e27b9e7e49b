import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { describe, expect, it } from 'vitest';

import { fetchRun, type FetchOptions, type FetchResult } from '../../../src/head/fetch.ts';
import { withFolderLock } from '../../../src/head/folder-lock.ts';
import { describeMerge } from '../../../src/reference/merge-report.ts';
import { uploadShard } from '../../../src/reference/shard.ts';
import { beginResubmit } from '../../../src/run/resubmit.ts';
import { readCounts } from '../../../src/run/run-counts.ts';
import { makeStatus, writeStatus } from '../../../src/run/status.ts';
import { lostRow } from '../../../src/run/synthetic-row.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { manifestOf, putRow, putRun, row } from '../../helpers/rows.ts';
import { readTree, reference, tempDir, writeTree } from '../../helpers/shards.ts';

const IDS = ['shop_1', 'shop_2', 'zoo_1'];

class Scene implements AsyncDisposable {
  readonly store = createMemoryStore();
  readonly dir: string;
  readonly #temp: AsyncDisposable;

  private constructor(temp: { dir: string } & AsyncDisposable) {
    this.#temp = temp;
    this.dir = temp.dir;
  }

  /** A run with a row for each of `done`, a log, and one shard. */
  static async make(done: readonly string[] = IDS): Promise<Scene> {
    const scene = new Scene(await tempDir());
    await putRun(
      scene.store,
      manifestOf(IDS),
      done.map((id) => row(id)),
    );
    await scene.store.create('runs/r1/logs/shop_1/attempt-1.log', Buffer.from('hello\n'));
    await scene.store.create('runs/r1/status.json', Buffer.from('{}'));
    await writeTree(scene.path('built'), { ...inFolder('shop', reference('built')) }, 1_700_000_000);
    await uploadShard({
      store: scene.store,
      runId: 'r1',
      shard: 'h-1-0',
      database: 'shop',
      referenceRoot: scene.path('built'),
    });
    return scene;
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  fetch(options: Partial<FetchOptions> = {}): Promise<FetchResult> {
    return fetchRun({
      store: this.store,
      runId: 'r1',
      outDir: this.path('out'),
      referenceRoot: this.path('warm'),
      withLock: (_database, work) => work(),
      ...options,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#temp[Symbol.asyncDispose]();
  }
}

const inFolder = (folder: string, tree: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(tree).map(([path, text]) => [`${folder}/${path}`, text]));

function rowsIn(path: string): number {
  using database = new DatabaseSync(path, { readOnly: true });
  return Number(database.prepare('SELECT count(*) AS n FROM task_results').get()?.['n']);
}

describe('fetch', () => {
  it('counts a lost attempt that will be run again as missing, as wait and list do, until the run is done', async () => {
    await using scene = await Scene.make(['shop_1', 'zoo_1']);
    await putRow(scene.store, lostRow({ instanceId: 'shop_2', database: 'shop', attempt: 1, cause: 'gone' }));
    const manifest = manifestOf(IDS);
    const early = await scene.fetch();
    expect(early).toMatchObject({ counts: { done: 2, errors: 0, missing: 1 }, retrying: 1, exitKind: 'partial' });
    expect(early.counts).toEqual(await readCounts(scene.store, manifest));
    expect(JSON.parse(await readFile(early.paths.evalJson, 'utf8'))).toMatchObject({
      done: 2,
      missing_ids: ['shop_2'],
      retrying_ids: ['shop_2'],
    });
    expect(rowsIn(early.paths.resultsDb)).toBe(2);
    // Lost again: the one retry is used up.
    await putRow(scene.store, lostRow({ instanceId: 'shop_2', database: 'shop', attempt: 2, cause: 'gone' }), 2);
    const late = await scene.fetch();
    expect(late).toMatchObject({ counts: { done: 3, errors: 1, missing: 0 }, retrying: 0, exitKind: 'errors' });
    expect(late.counts).toEqual(await readCounts(scene.store, manifest));
  });

  it('takes the row of a lost attempt for its last word once the run is done', async () => {
    await using scene = await Scene.make(['shop_1', 'zoo_1']);
    await putRow(scene.store, lostRow({ instanceId: 'shop_2', database: 'shop', attempt: 1, cause: 'gone' }));
    await writeStatus(scene.store, 'r1', makeStatus({ terminal_state: 'done' }));
    expect(await scene.fetch()).toMatchObject({ counts: { done: 3, errors: 1, missing: 0 }, retrying: 0 });
  });

  it('leaves results, report and mirror in the folder, and the reference in the warm cache (L-07, M-10, Q-31, Codex r6 minor)', async () => {
    await using scene = await Scene.make();
    const result = await scene.fetch();
    expect(result).toMatchObject({
      exitKind: 'ok',
      counts: { expected: 3, done: 3, ok: 3, errors: 0, missing: 0 },
      score: { phase1: 3 },
      skippedObjects: [],
      mergeReport: { merged_dbs: [{ db: 'shop', files_updated: 5, files_skipped: 0, shard: 'h-1-0' }] },
    });
    expect(await readTree(scene.path('warm', 'shop'))).toEqual(reference('built'));
    const out = await readTree(scene.path('out'));
    expect(out['r1/logs/shop_1/attempt-1.log']).toBe('hello\n');
    expect(JSON.parse(out['r1/rows/zoo_1/attempt-1.json'] ?? '')).toEqual(row('zoo_1'));
    expect(JSON.parse(out['merge_report.json'] ?? '')).toMatchObject({ merged_dbs: [{ db: 'shop' }], skipped_dbs: [] });
    expect(rowsIn(result.paths.resultsDb)).toBe(3);
    expect(Object.values(result.paths).every((path) => path?.startsWith(scene.path('out')))).toBe(true);
    expect(describeMerge(result.mergeReport)).toEqual(['merged slayer_models_otf/shop: 5 files updated, 0 skipped']);
  });

  it('is partial while ids have no row, has errors while rows have, and is ok after a resubmit (P-35, X-15)', async () => {
    await using scene = await Scene.make(['shop_1']);
    expect(await scene.fetch()).toMatchObject({ exitKind: 'partial', counts: { done: 1, missing: 2 } });
    await putRow(scene.store, row('shop_2', { error: 'actor-lost' }));
    await putRow(scene.store, row('zoo_1'));
    expect(await scene.fetch()).toMatchObject({ exitKind: 'errors', counts: { done: 3, errors: 1, missing: 0 } });
    await putRow(scene.store, row('shop_2'), 2);
    const last = await scene.fetch();
    expect(last).toMatchObject({ exitKind: 'ok', counts: { ok: 3, errors: 0 } });
    expect(rowsIn(last.paths.resultsDb)).toBe(3);
  });

  it('counts what was resubmitted as missing until the new attempt has a row, though no row changed meanwhile (L-12)', async () => {
    await using scene = await Scene.make(['shop_1', 'zoo_1']);
    await putRow(scene.store, row('shop_2', { error: 'quota' }));
    expect(await scene.fetch()).toMatchObject({ exitKind: 'errors', counts: { errors: 1, missing: 0 } });
    const begun = { store: scene.store, manifest: manifestOf(IDS), reason: 'quota', by: 'me' };
    expect(await beginResubmit(begun)).toMatchObject({ attempt: 2, ids: ['shop_2'] });
    expect(await scene.fetch()).toMatchObject({ exitKind: 'partial', counts: { ok: 2, errors: 0, missing: 1 } });
    await putRow(scene.store, row('shop_2'), 2);
    expect(await scene.fetch()).toMatchObject({ exitKind: 'ok', counts: { ok: 3, missing: 0 } });
  });

  it('reads nothing a second time that did not change, and what did change anew (Q-17)', async () => {
    await using scene = await Scene.make();
    const first = await scene.fetch();
    expect(await scene.fetch()).toMatchObject({
      downloaded: 0,
      unchanged: first.downloaded,
      mergeReport: { merged_dbs: [{ outcome: 'unchanged' }] },
    });
    await writeFile(join(first.paths.mirror, 'logs/shop_1/attempt-1.log'), 'damaged');
    await rm(join(first.paths.mirror, 'manifest.json'));
    expect(await scene.fetch()).toMatchObject({ downloaded: 2 });
    expect(await readFile(join(first.paths.mirror, 'logs/shop_1/attempt-1.log'), 'utf8')).toBe('hello\n');
  });

  it('skips an object that changes under the listing, names it, and fetches it the next time (V-11)', async () => {
    await using scene = await Scene.make();
    const hot = 'runs/r1/rows/shop_2/attempt-1.json';
    const vanishing: ObjectStore = new Proxy(scene.store, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (key !== 'read') return typeof value === 'function' ? value.bind(target) : value;
        return (name: string) => (name === hot ? Promise.resolve(undefined) : target.read(name));
      },
    });
    const result = await scene.fetch({ store: vanishing });
    expect(result.skippedObjects).toMatchObject([{ name: hot }]);
    expect(result).toMatchObject({ exitKind: 'partial', counts: { missing: 1 } });
    expect(await scene.fetch()).toMatchObject({ exitKind: 'ok', skippedObjects: [] });
  });

  it('names a row that is damaged and goes on with the rest (L-07)', async () => {
    await using scene = await Scene.make(['shop_1', 'zoo_1']);
    await scene.store.create('runs/r1/rows/shop_2/attempt-1.json', Buffer.from('{"instance_id": "shop_2", "err'));
    expect(await scene.fetch()).toMatchObject({
      exitKind: 'partial',
      counts: { done: 2, missing: 1 },
      unreadableRows: [{ path: 'shop_2/attempt-1.json' }],
    });
  });

  it('of a run that does not exist makes nothing', async () => {
    await using scene = await Scene.make();
    await expect(scene.fetch({ runId: 'r2' })).rejects.toThrow('run r2: no such run');
    expect(await readTree(scene.path('out'))).toEqual({});
  });

  it('writes no name outside its folder, whatever the bucket holds (P-44)', async () => {
    await using scene = await Scene.make();
    // No store of ours takes such a name; another one may.
    const hostile: ObjectStore = new Proxy(scene.store, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (key !== 'list') return typeof value === 'function' ? value.bind(target) : value;
        return async (prefix: string, options: object) => {
          const page = await target.list(prefix, options);
          const evil = { name: 'runs/r1/../../evil', generation: '1', sizeBytes: 1, updatedMs: 1 };
          return { ...page, objects: [evil, ...page.objects] };
        };
      },
    });
    const result = await scene.fetch({ store: hostile });
    expect(result.skippedObjects).toMatchObject([{ name: 'runs/r1/../../evil' }]);
    expect(Object.keys(await readTree(scene.dir)).filter((path) => path.includes('evil'))).toEqual([]);
  });

  it('two fetches into one folder go one after the other (M5)', async () => {
    await using scene = await Scene.make();
    const phases: string[] = [];
    const free = Promise.withResolvers<void>();
    const holder = withFolderLock(scene.path('out'), () => free.promise);
    const waiting = scene.fetch({ onPhase: (phase) => void phases.push(phase) });
    const both = Promise.all([waiting, scene.fetch({})]);
    await expect.poll(() => phases).toEqual(['waiting']);
    free.resolve();
    await holder;
    expect(await both).toMatchObject([{ exitKind: 'ok' }, { exitKind: 'ok' }]);
    expect(phases).toEqual(['waiting', 'mirroring', 'collating', 'merging']);
  });

  it('keeps two runs apart in one folder and their results in one database', async () => {
    await using scene = await Scene.make();
    await putRun(scene.store, manifestOf(['shop_1'], { run_id: 'r2' }));
    await putRow(scene.store, row('shop_1'), 1, 'r2');
    await scene.fetch();
    const second = await scene.fetch({ runId: 'r2' });
    expect(rowsIn(second.paths.resultsDb)).toBe(4);
    expect(second).toMatchObject({ exitKind: 'ok', mergeReport: { merged_dbs: [] } });
  });

  it('survives refusals of the bucket on its way', async () => {
    await using scene = await Scene.make();
    const plan = new FaultPlan({ fault: { kind: 'refuse' }, on: 'read', name: 'runs/r1/rows/', count: 2 });
    expect(await scene.fetch({ store: withFaults(scene.store, plan) })).toMatchObject({ exitKind: 'ok' });
    expect(plan.fired).toHaveLength(2);
  });
});
