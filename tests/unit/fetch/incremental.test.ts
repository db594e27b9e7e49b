/** What a fetch of a run that did not change leaves alone, and what makes it look again. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { fetchRun, type FetchOptions, type FetchResult } from '../../../src/head/fetch.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { makeStatus, writeStatus } from '../../../src/run/status.ts';
import { lostRow } from '../../../src/run/synthetic-row.ts';
import { execIn, queryResults } from '../../helpers/results.ts';
import { manifestOf, putRow, putRun, row } from '../../helpers/rows.ts';
import { tempDir } from '../../helpers/shards.ts';

const IDS = ['shop_1', 'shop_2'];

class Scene implements AsyncDisposable {
  readonly store: ObjectStore = createMemoryStore();
  readonly dir: string;
  readonly #temp: AsyncDisposable;

  private constructor(temp: { dir: string } & AsyncDisposable) {
    this.#temp = temp;
    this.dir = temp.dir;
  }

  static async make(): Promise<Scene> {
    const scene = new Scene(await tempDir());
    await putRun(scene.store, manifestOf(IDS), [row('shop_1')]);
    return scene;
  }

  fetch(options: Partial<FetchOptions> = {}): Promise<FetchResult> {
    const outDir = join(this.dir, 'out');
    return fetchRun({ store: this.store, runId: 'r1', outDir, withLock: (_database, work) => work(), ...options });
  }

  /** Which file `eval.json` is: another one after every collation. */
  async collation(): Promise<string> {
    const { ino, mtimeMs, ctimeMs } = await stat(join(this.dir, 'out', 'eval.json'));
    return [ino, mtimeMs, ctimeMs].join();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#temp[Symbol.asyncDispose]();
  }
}

describe('a second fetch', () => {
  test('of a run that did not change collates nothing, and says the same (C-02)', async () => {
    await using scene = await Scene.make();
    const first = await scene.fetch();
    const collation = await scene.collation();
    const second = await scene.fetch();
    expect(await scene.collation()).toBe(collation);
    const { downloaded: _one, unchanged: _two, ...facts } = first;
    expect(second).toMatchObject({ ...facts, downloaded: 0 });
  });

  test.each<[string, (scene: Scene) => Promise<unknown>]>([
    ['a row came', (scene) => putRow(scene.store, row('shop_2'))],
    ['another attempt came', (scene) => putRow(scene.store, row('shop_1', { error: 'boom' }), 2)],
    [
      'a row lies damaged in the mirror',
      (scene) => writeFile(join(scene.dir, 'out/r1/rows/shop_1/attempt-1.json'), '{'),
    ],
    ['the mirror is gone', (scene) => rm(join(scene.dir, 'out/r1'), { recursive: true })],
    ['results.db is gone', (scene) => rm(join(scene.dir, 'out/results.db'))],
    ['eval.json is gone', (scene) => rm(join(scene.dir, 'out/eval.json'))],
    ['eval.json is another', (scene) => writeFile(join(scene.dir, 'out/eval.json'), '{}')],
    [
      'rows of results.db were removed',
      async (scene) => execIn(join(scene.dir, 'out/results.db'), 'DELETE FROM task_results'),
    ],
  ])('collates again when %s', async (_what, change) => {
    await using scene = await Scene.make();
    await scene.fetch();
    const collation = await scene.collation();
    await change(scene);
    const result = await scene.fetch();
    expect(await scene.collation()).not.toBe(collation);
    expect(queryResults(result.paths.resultsDb, 'SELECT * FROM task_results')).toHaveLength(result.counts.done);
    expect(JSON.parse(await readFile(result.paths.evalJson, 'utf8'))).toMatchObject({ done: result.counts.done });
  });

  test("collates again when the run ends, since a lost attempt is then its id's last word", async () => {
    await using scene = await Scene.make();
    await putRow(scene.store, lostRow({ instanceId: 'shop_2', database: 'shop', attempt: 1, cause: 'gone' }));
    expect(await scene.fetch()).toMatchObject({ counts: { done: 1, missing: 1 }, retrying: 1 });
    await writeStatus(scene.store, 'r1', makeStatus({ terminal_state: 'done' }));
    expect(await scene.fetch()).toMatchObject({ counts: { done: 2, errors: 1 }, retrying: 0 });
  });

  test('collates again when a row could not be brought, and has it the next time (V-11)', async () => {
    await using scene = await Scene.make();
    await putRow(scene.store, row('shop_2'));
    const refusing: ObjectStore = new Proxy(scene.store, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (key !== 'read') return typeof value === 'function' ? value.bind(target) : value;
        return (name: string) => (name.includes('/rows/shop_2/') ? Promise.resolve(undefined) : target.read(name));
      },
    });
    expect(await scene.fetch({ store: refusing })).toMatchObject({ exitKind: 'partial', counts: { missing: 1 } });
    expect(await scene.fetch({ store: refusing })).toMatchObject({ exitKind: 'partial', counts: { missing: 1 } });
    expect(await scene.fetch()).toMatchObject({ exitKind: 'ok', counts: { missing: 0 } });
  });

  test('keeps two runs in one folder apart: eval.json is that of the run fetched last', async () => {
    await using scene = await Scene.make();
    await putRun(scene.store, manifestOf(IDS, { run_id: 'r2' }));
    await putRow(scene.store, row('shop_2'), 1, 'r2');
    await scene.fetch();
    await scene.fetch({ runId: 'r2' });
    const again = await scene.fetch();
    expect(JSON.parse(await readFile(again.paths.evalJson, 'utf8'))).toMatchObject({ run_id: 'r1' });
    expect(queryResults(again.paths.resultsDb, 'SELECT * FROM task_results')).toHaveLength(2);
  });
});
