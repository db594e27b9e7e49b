/** Encodes one database of a dataset with the rules, as a reference build does, without its commit. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { openDataset } from '../../../src/dataset/dataset.ts';
import type { ColumnMeanings, KbRow } from '../../../src/dataset/task.ts';
import { encoderNamed } from '../../../src/encoder/registry.ts';
import { encodeDag } from '../../../src/reference/encode-dag.ts';
import { kbGraph } from '../../../src/reference/kb-graph.ts';
import { readModels } from '../../../src/reference/model-folder.ts';
import type { Model, SetupResult } from '../../../src/reference/model.ts';
import { ensureCache } from '../../../src/reference/stage1.ts';

export interface EncodedDatabase {
  readonly database: string;
  readonly kb: ReadonlyMap<number, KbRow>;
  readonly results: readonly SetupResult[];
  readonly models: ReadonlyMap<string, Model>;
  readonly before: ReadonlyMap<string, Model>;
  readonly databasePath: string;
  readonly cacheDir: string;
  readonly sessionsDir: string;
  readonly meanings: ColumnMeanings;
}

/** Works in `dir`, which keeps the copy of the database and the cache. */
export async function encodeDatabase(
  dataset: Awaited<ReturnType<typeof openDataset>>,
  database: string,
  dir: string,
): Promise<EncodedDatabase> {
  const databasePath = join(dir, `${database}.sqlite`);
  await dataset.copyDatabase(database, databasePath);
  const cache = await ensureCache({ dataset, database, cacheRoot: join(dir, 'cache') });
  const models = await readModels(cache.dir, database);
  const before = new Map([...models].map(([name, model]) => [name, structuredClone(model)]));
  const rows = JSON.parse(await readFile(join(cache.dir, '_kb_rows.json'), 'utf8')) as KbRow[];
  const kb = new Map(rows.map((row) => [row.id, row]));
  const meanings = await dataset.meanings(database);
  const sessionsDir = join(dir, 'sessions', database);
  await mkdir(sessionsDir, { recursive: true });
  await using session = await encoderNamed('rules').open({ database, databasePath, models, meanings, kb, sessionsDir });
  const results = await encodeDag(rows, kbGraph(rows), session);
  return { database, kb, results, models, before, databasePath, cacheDir: cache.dir, sessionsDir, meanings };
}
