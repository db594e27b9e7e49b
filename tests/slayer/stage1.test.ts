/** Stage-1 caches in the real tool: they load, and every column of every model answers. `SKEIN_SLAYER_ALL=1` takes all real databases. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openDataset } from '../../src/dataset/dataset.ts';
import { ensureCache } from '../../src/reference/stage1.ts';
import { realDataset, realSlayer } from '../helpers/real-data.ts';

const run = promisify(execFile);
const slayer = realSlayer();
const real = slayer === undefined ? undefined : realDataset();
const EXAMPLES = new URL('../../examples/mini-interact', import.meta.url).pathname;

/** Asks a store for two rows of all columns of each model, and for its memories; prints what came. */
const ASK_ALL = `
import asyncio, json, sys
from slayer.storage.yaml_storage import YAMLStorage
from slayer.engine.query_engine import SlayerQueryEngine
from slayer.core.query import SlayerQuery

async def main():
    out = {}
    for store, db in zip(sys.argv[1::2], sys.argv[2::2]):
        storage = YAMLStorage(store)
        engine = SlayerQueryEngine(storage=storage)
        failed, columns = [], 0
        for name in await storage.list_models(data_source=db):
            if name == "time_spine":
                continue
            model = await storage.get_model(name, data_source=db)
            dims = [c.name for c in model.columns]
            columns += len(dims)
            try:
                query = SlayerQuery(source_model=name, dimensions=dims, limit=2, distinct_dimension_values=False)
                answer = await engine.execute(query=query, data_source=db)
                if answer.data and len(answer.data[0]) != len(dims):
                    failed.append(f"{name}: {len(answer.data[0])} of {len(dims)} columns")
            except Exception as error:
                failed.append(f"{name}: {error}")
        memories = [m.id for m in await storage.list_memories()]
        out[db] = {"failed": failed, "columns": columns, "memories": len(memories)}
    print(json.dumps(out))

asyncio.run(main())
`;

describe.skipIf(slayer === undefined)('a stage-1 cache in the real slayer', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skein-stage1-slayer-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  async function check(datasetDir: string, names?: readonly string[]): Promise<void> {
    const dataset = await openDataset(datasetDir);
    const expected: Record<string, object> = {};
    const args: string[] = [];
    for (const database of names ?? dataset.databases) {
      // The datasource is absolute: let it mean a private copy, because the tool leaves files beside a WAL database.
      const home = join(dir, 'data');
      for (const ending of ['_kb.jsonl', '_column_meaning_base.json']) {
        await cp(join(datasetDir, database, `${database}${ending}`), join(home, database, `${database}${ending}`));
      }
      await dataset.copyDatabase(database, join(home, database, `${database}.sqlite`));
      const cache = await ensureCache({ dataset: { dir: home }, database, cacheRoot: join(dir, 'cache') });
      expected[database] = {
        failed: [],
        columns: cache.notes!.columnCount,
        memories: (await dataset.kb(database)).length,
      };
      args.push(cache.dir, database);
    }
    const options = { env: { ...process.env, DO_NOT_TRACK: '1' }, maxBuffer: 1 << 26 };
    const { stdout } = await run(join(dirname(slayer!), 'python'), ['-c', ASK_ALL, ...args], options);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toEqual(expected);
  }

  test('of the example databases loads, and every column and leaf answers', () => check(EXAMPLES));

  const names = process.env['SKEIN_SLAYER_ALL'] === '1' ? undefined : ['households', 'mental', 'robot'];
  test.skipIf(real === undefined)('of the real databases loads, and every column and leaf answers', () =>
    check(real!, names),
  );
});
