/** Runs that the original left in a bucket: fetched, collated, merged and followed by its rules. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { fetchRun, type FetchOptions, type FetchResult } from '../../../src/head/fetch.ts';
import { createdAtMs, parseManifest, readManifest, supplementManifest } from '../../../src/run/manifest.ts';
import { readCounts } from '../../../src/run/run-counts.ts';
import { listRuns } from '../../../src/run/run-list.ts';
import { waitForRun } from '../../../src/run/run-state.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import {
  ORIGINAL_RUN,
  originalErrorRow,
  originalManifest,
  originalReference,
  originalRow,
  originalStatus,
  putOriginalRun,
  pythonJson,
  type OriginalRun,
} from '../../helpers/original-run.ts';
import { execIn, ORIGINAL_RESULT, ORIGINAL_TABLES, queryResults } from '../../helpers/results.ts';
import { readTree, tempDir, writeTree } from '../../helpers/shards.ts';

const IDS = ['shop_2', 'shop_1', 'big_zoo_1'];
const RUN: OriginalRun = {
  ids: IDS,
  rows: {
    'shop_1/attempt-1.json': originalErrorRow('shop_1', 'actor-lost'),
    'shop_1/attempt-2.json': originalRow('shop_1', 'shop'),
    'shop_2/attempt-1.json': originalRow('shop_2', 'shop', {
      duration_s: '__NaN__',
      total_reward: 0,
      phase1_passed: false,
    }),
    'big_zoo_1/attempt-1.json': originalRow('big_zoo_1', 'big_zoo'),
    'big_zoo_1/attempt-2.json': originalErrorRow('big_zoo_1', 'undispatched: no live actors'),
  },
  status: originalStatus(3, 3),
};

function fetchTo(store: ObjectStore, dir: string, options: Partial<FetchOptions> = {}): Promise<FetchResult> {
  return fetchRun({
    store,
    runId: ORIGINAL_RUN,
    outDir: join(dir, 'out'),
    referenceRoot: join(dir, 'warm'),
    withLock: (_database, work) => work(),
    ...options,
  });
}

describe('a run of the original', () => {
  test('is fetched and collated: the highest attempt speaks, error rows without a database too (C-01, L-07, P-36)', async () => {
    await using temp = await tempDir();
    const store = createMemoryStore();
    await putOriginalRun(store, RUN);
    const result = await fetchTo(store, temp.dir);
    expect(result).toMatchObject({
      counts: { expected: 3, done: 3, ok: 2, errors: 1, missing: 0 },
      exitKind: 'errors',
      skippedObjects: [],
      unreadableRows: [],
    });
    const results = queryResults(
      result.paths.resultsDb,
      'SELECT instance_id, database, error, duration_s, started_at, user_query FROM task_results ORDER BY rowid',
    );
    // An `actor-lost` of the original says nowhere that it is synthetic: it is an error row like any.
    expect(results).toMatchObject([
      { instance_id: 'shop_2', database: 'shop', error: null, duration_s: 0, started_at: 0, user_query: null },
      { instance_id: 'shop_1', database: 'shop', error: null, duration_s: 81.25 },
      { instance_id: 'big_zoo_1', database: 'big_zoo', error: 'undispatched: no live actors' },
    ]);
    const [run] = queryResults(result.paths.resultsDb, 'SELECT * FROM run_metadata');
    expect(run).toMatchObject({
      run_id: ORIGINAL_RUN,
      framework: 'pydantic_ai_otf_encode',
      agent_model: 'anthropic/claude-haiku-4-5-20251001',
      // Its manifest does not say when it was made; its id does.
      started_at: Date.UTC(2026, 4, 26, 11, 40) / 1000,
    });
    const report = JSON.parse(await readFile(result.paths.evalJson, 'utf8')) as Record<string, unknown>;
    expect(report).toMatchObject({ n_resubmitted: 2, total_tasks: 3, phase1_count: 1, total_usage: { n_calls: 18 } });
  });

  test('goes into the results.db that the original filled, beside its rows (C-03, C-02)', async () => {
    await using temp = await tempDir();
    const store = createMemoryStore();
    await putOriginalRun(store, RUN);
    await writeTree(join(temp.dir, 'out'), {});
    await fetchTo(store, temp.dir);
    const path = join(temp.dir, 'other', 'results.db');
    await writeTree(join(temp.dir, 'other'), { note: '' });
    execIn(path, ORIGINAL_TABLES + ORIGINAL_RESULT);
    await fetchTo(store, temp.dir, { outDir: join(temp.dir, 'other') });
    await fetchTo(store, temp.dir, { outDir: join(temp.dir, 'other') });
    const runs = queryResults(path, 'SELECT run_id, count(*) AS n FROM task_results GROUP BY run_id ORDER BY run_id');
    expect(runs).toEqual([
      { run_id: ORIGINAL_RUN, n: 3 },
      { run_id: 'old', n: 1 },
    ]);
  });

  test('gives its shards to the warm cache: a whole one of <hostname>-<pid>, the newest, none half uploaded (M-02, M-04, U-03)', async () => {
    await using temp = await tempDir();
    const store = createMemoryStore();
    await putOriginalRun(store, {
      ...RUN,
      shards: [
        {
          shard: 'ray-x-worker-1-2213',
          database: 'shop',
          tree: originalReference('shop', 'older'),
          mtimeS: 1_779_000_000.5,
        },
        {
          shard: 'ray-x-worker-2-911',
          database: 'shop',
          tree: originalReference('shop', 'newer'),
          mtimeS: 1_779_000_900.25,
        },
        {
          shard: 'ray-x-worker-2-911',
          database: 'big_zoo',
          tree: originalReference('big_zoo', 'half'),
          mtimeS: 1_779_000_999,
          isPartial: true,
        },
      ],
    });
    const { mergeReport } = await fetchTo(store, temp.dir);
    expect(mergeReport.merged_dbs).toMatchObject([{ db: 'shop', files_updated: 7 }]);
    expect(mergeReport.skipped_dbs).toMatchObject([{ db: 'big_zoo' }]);
    const { '.skein/shop.json': _none, ...tree } = await readTree(join(temp.dir, 'warm'));
    expect(tree['shop/memories.yaml']).toBe('memories: newer\n');
    expect(tree['shop/_reference_fp.txt']).toBe('0123456789abcdef\n');
    expect(Object.keys(tree).filter((path) => path.startsWith('big_zoo/'))).toEqual([]);
    // The same once more changes nothing.
    expect((await fetchTo(store, temp.dir)).mergeReport.merged_dbs).toMatchObject([{ db: 'shop', files_updated: 0 }]);
  });

  test('is listed and waited for by its manifest, rows and status (L-16, L-17)', async () => {
    const store = createMemoryStore();
    await putOriginalRun(store, RUN);
    const { runs, unreadable } = await listRuns(store);
    expect(unreadable).toEqual([]);
    expect(runs).toMatchObject([
      { runId: ORIGINAL_RUN, framework: 'pydantic_ai_otf_encode', state: 'done', done: 3, total: 3 },
    ]);
    expect(await waitForRun({ store, runId: ORIGINAL_RUN, pollMs: 0 })).toMatchObject({ kind: 'done', rows: 3 });
    const counts = await readCounts(store, await readManifest(store, ORIGINAL_RUN));
    expect(counts).toMatchObject({ ok: 2, errors: 1, missing: 0 });
  });

  test('whose status never came or is torn reads as one without a heartbeat (L-17)', async () => {
    const store = createMemoryStore();
    await putOriginalRun(store, { ids: IDS });
    await store.create(`runs/${ORIGINAL_RUN}/status.json`, Buffer.from('{"rows_done": 3, "terminal_st'));
    expect(await waitForRun({ store, runId: ORIGINAL_RUN, pollMs: 0, lookAtHead: async () => 'gone' })).toMatchObject({
      kind: 'headless',
      status: undefined,
    });
  });

  test('of an older version lacks keys, of a newer one has others: both are read (L-16)', () => {
    const { render_inputs: _inputs, prompt_cache: _cache, slayer_setup: _setup, ...older } = originalManifest(IDS);
    expect(parseManifest('m', pythonJson(older))).toMatchObject({ prompt_cache: true, render_inputs: { workers: 1 } });
    const newer = originalManifest(IDS, { mode: 'one-shot', dataset: 'livesql', auth: { mode: 'key' } });
    const read = parseManifest('m', pythonJson(newer));
    expect(read).toMatchObject({ mode: 'one-shot', auth: { mode: 'key' } });
    expect(createdAtMs(read)).toBe(Date.UTC(2026, 4, 26, 11, 40));
    expect(createdAtMs({ ...read, run_id: 'by-hand' })).toBe(0);
  });

  test('keeps its manifest when it goes on here; what that lacks stands beside it (L-16)', async () => {
    const store = createMemoryStore();
    await putOriginalRun(store, RUN);
    const name = `runs/${ORIGINAL_RUN}/manifest.json`;
    const before = await store.read(name);
    const supplement = {
      databases: { shop_1: 'shop', shop_2: 'shop', big_zoo_1: 'big_zoo' },
      dataset_dir: '/data/d',
      // What the manifest says stands.
      framework: 'noop',
    };
    const manifest = await supplementManifest(store, ORIGINAL_RUN, supplement);
    expect(manifest).toMatchObject({
      framework: 'pydantic_ai_otf_encode',
      dataset_dir: '/data/d',
      databases: { big_zoo_1: 'big_zoo' },
    });
    expect(await readManifest(store, ORIGINAL_RUN)).toEqual(manifest);
    expect((await store.read(name))?.generation).toBe(before?.generation);
  });
});
