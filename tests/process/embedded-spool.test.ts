/** A command with head and node in it, and a store that goes away for good under it. */
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { runEmbedded, type EmbeddedRunEnd } from '../../src/embed/embedded-run.ts';
import { takeKernelLock } from '../../src/node/kernel-lock.ts';
import { readCounts } from '../../src/run/run-counts.ts';
import { readManifest } from '../../src/run/manifest.ts';
import { FaultPlan, withFaults } from '../../src/store/faults.ts';
import { rowsPrefix } from '../../src/store/layout.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { submitToStore } from '../helpers/cluster-run.ts';
import { kbRow, writeKbDataset } from '../helpers/kb-dataset.ts';
import { temporaryFolder } from '../helpers/store-fixtures.ts';

it('keeps rows that the store does not take beside the results, and the next command ships them and runs nothing again (W-06, X-06)', async () => {
  using folder = temporaryFolder();
  const dir = folder.path;
  const [datasetDir, memory] = [join(dir, 'dataset'), createMemoryStore()];
  await writeKbDataset(datasetDir, ['shop'], [kbRow(0, -1, { definition: 'price * 2' })]);
  const ids = ['shop_1', 'shop_2', 'shop_3'];
  const tasks = ids.map((id) => ({
    instance_id: id,
    selected_database: 'shop',
    amb_user_query: 'How many?',
    sol_sql: ['SELECT count(*) FROM items'],
  }));
  await writeFile(join(datasetDir, 'mini_interact.jsonl'), tasks.map((task) => JSON.stringify(task)).join('\n'));
  const settings = { mode: 'oracle', dataset_dir: datasetDir } as const;
  await submitToStore(memory, { runId: 'r1', datasetDir, cacheRoot: join(dir, 'cache'), ids, settings });
  const manifest = await readManifest(memory, 'r1');
  const plan = new FaultPlan({ fault: { kind: 'refuse' }, on: 'create', name: rowsPrefix('r1') });
  const store = withFaults(memory, plan);
  const spoolDir = join(dir, 'out', '.spool', 'r1');
  const run = (logPath: string): Promise<EmbeddedRunEnd> =>
    runEmbedded({
      store,
      manifest,
      actors: 2,
      graceMs: 0,
      drain: new AbortController().signal,
      env: process.env,
      spoolDir,
      logPath: join(dir, logPath),
    });

  const first = await run('first.log');
  expect(first).toMatchObject({ kind: 'failed', error: { code: 'STORE_UNAVAILABLE' } });
  expect(first.kind === 'failed' && first.error.message).toContain(
    `3 rows could not be stored; they are kept in ${spoolDir}`,
  );
  expect(await readCounts(memory, manifest)).toMatchObject({ done: 0, missing: 3 });
  expect((await readdir(spoolDir)).sort()).toContain('journal');

  // One at a time.
  const lock = await takeKernelLock(join(spoolDir, 'lock'));
  expect(await run('busy.log')).toMatchObject({ kind: 'failed', error: { code: 'PREFLIGHT' } });
  lock.release();

  plan.clear();
  expect(await run('second.log')).toEqual({ kind: 'done' });
  expect(await readCounts(memory, manifest)).toMatchObject({ done: 3, ok: 3 });
  const log = await readFile(join(dir, 'second.log'), 'utf8');
  expect(log.match(/row of an earlier life stored/g)).toHaveLength(3);
  // A second run of any of them would have left a second row.
  expect(await namesOfRows(memory)).toEqual(ids.map((id) => `${rowsPrefix('r1')}${id}/attempt-1.json`));
  expect(log).not.toContain('started again');
  expect(existsSync(join(dir, 'out', '.spool'))).toBe(false);
});

async function namesOfRows(store: ReturnType<typeof createMemoryStore>): Promise<string[]> {
  return (await store.list(rowsPrefix('r1'), {})).objects.map(({ name }) => name).sort();
}
