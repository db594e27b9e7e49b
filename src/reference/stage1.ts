/**
 * Stage 1: the deterministic cache of one database, `<cache root>/<db>/` (seed-system 2A). It costs nothing but time,
 * so it is rebuilt whenever its inputs differ.
 *
 * Layout: `datasources/<db>.yaml` (absolute URL), `models/<db>/<model>.yaml`, `memories.yaml` (the whole KB),
 * `_kb_rows.json`, and `_cache_fp.txt`, the fingerprint of the inputs, whose presence says that the rest is whole.
 *
 * Invariants: S1 everything is built in `<cache root>/.<db>.tmp-<pid>-<random>/`, synced, marked last, and appears by
 * one rename (D-10). S2 of two builders, in whatever processes, one wins and the other takes its work. S3 a folder
 * without marker is scrap: absent for readers, removed at the next commit. S4 the dataset is only read.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { databaseFiles, readKb, readMeanings } from '../dataset/dataset.ts';
import { checkSqliteFile, copySqliteFile } from '../dataset/sqlite-file.ts';
import type { ColumnMeanings, KbRow } from '../dataset/task.ts';
import { asError, SkeinError, systemCode } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { parseName } from '../kernel/ids.ts';
import { jsonBytes } from '../kernel/json.ts';
import { discard } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { isCacheFresh } from './cache-freshness.ts';
import { asideOf, asidePrefix, cacheFingerprint, commitTree, writeMarkedTree } from './cache-place.ts';
import { KB_ROWS_FILE } from './load-reference.ts';
import { absoluteUrl, datasourceFor, renderDatasource } from './datasource-file.ts';
import { sweepDeadTemps } from './dead-temps.ts';
import { enrich } from './enrich.ts';
import type { Enrichment } from './enrich.ts';
import { stage1Fingerprint } from './fingerprint.ts';
import { ingest } from './ingest.ts';
import { memoriesFor, renderMemories } from './memory-file.ts';
import { renderModel } from './model-file.ts';

export { cacheFingerprint, isCacheFresh };

export interface CacheRequest {
  /** The dataset, or just where it is. */
  readonly dataset: { readonly dir: string };
  readonly database: string;
  /** Holds `<db>/` for every database; made if it is not there. */
  readonly cacheRoot: string;
  /** True: build even if a fresh cache stands there. Default false. */
  readonly force?: boolean;
}

/** What stage 1 found worth saying while it built. */
export interface CacheNotes {
  readonly modelCount: number;
  readonly columnCount: number;
  readonly leafCount: number;
  /** Keys of column meanings that no column has. */
  readonly unmatchedMeanings: readonly string[];
  /** Columns without a meaning. */
  readonly undescribed: readonly string[];
  /** `<kb id>:<child id>` of children that no KB row has; such references are left out (T-01). */
  readonly unknownChildren: readonly string[];
}

export interface CacheResult {
  readonly dir: string;
  readonly fingerprint: string;
  /** False: a fresh one was there already, or another builder was faster. */
  readonly wasBuilt: boolean;
  /** Only when built here. */
  readonly notes?: CacheNotes;
}

/**
 * The cache of `database`: the one that stands there if its inputs are still the same, else a new one.
 * @throws SkeinError INVALID_INPUT (an input missing or broken) | DISK_FULL | STORE_UNAVAILABLE
 */
export async function ensureCache(request: CacheRequest): Promise<CacheResult> {
  const { dataset, database, cacheRoot, force = false } = request;
  parseName('database', database);
  const dir = join(cacheRoot, database);
  const fingerprint = await stage1Fingerprint(dataset.dir, database);
  if (!force && (await cacheFingerprint(dir)) === fingerprint) return { dir, fingerprint, wasBuilt: false };

  // Input that is no good is found before anything is made.
  const inputs = await readInputs(dataset.dir, database);
  try {
    await mkdir(cacheRoot, { recursive: true });
    await sweepDeadTemps(cacheRoot, asidePrefix(dir));
    const temp = asideOf(dir);
    try {
      const notes = await build(temp, inputs, fingerprint);
      const wasBuilt = await commitTree(temp, dir, fingerprint, force);
      failPoint('stage1.after-commit');
      return { dir, fingerprint, wasBuilt, ...(wasBuilt && { notes }) };
    } finally {
      await rm(temp, { recursive: true, force: true });
    }
  } catch (error) {
    if (!/^E(?!RR_)/.test(systemCode(error) ?? '')) throw error;
    throw fileSystemError(`building the cache of ${database} in ${cacheRoot}`, error);
  }
}

interface Inputs {
  readonly database: string;
  readonly sqlite: string;
  readonly kb: readonly KbRow[];
  readonly meanings: ColumnMeanings;
}

async function readInputs(datasetDir: string, database: string): Promise<Inputs> {
  const { sqlite } = databaseFiles(datasetDir, database);
  const [kb, meanings] = await Promise.all([
    readKb(datasetDir, database),
    readMeanings(datasetDir, database),
    checkSqliteFile(sqlite),
  ]);
  return { database, sqlite, kb, meanings };
}

async function build(temp: string, inputs: Inputs, fingerprint: string): Promise<CacheNotes> {
  const { database, sqlite: source, kb } = inputs;
  const copy = join(temp, '.source.sqlite');
  await copySqliteFile(source, copy);
  const { models, ...found } = introspect(copy, inputs);
  discard(copy);

  const unknownChildren: string[] = [];
  const memories = memoriesFor(database, kb, {
    onUnknownChild: (kbId, child) => unknownChildren.push(`${kbId}:${child}`),
  });
  const files = new Map<string, string | Uint8Array>([
    [`datasources/${database}.yaml`, renderDatasource(datasourceFor(database, absoluteUrl(source)))],
    ...models.map((model) => [`models/${database}/${model.name}.yaml`, renderModel(model)] as const),
    ['memories.yaml', renderMemories(memories)],
    [KB_ROWS_FILE, jsonBytes(kb, 2)],
  ]);
  await writeMarkedTree(temp, files, fingerprint);
  return {
    modelCount: models.length,
    columnCount: models.reduce((sum, model) => sum + model.columns.length, 0),
    leafCount: found.leafCount,
    unmatchedMeanings: found.unmatchedMeanings,
    undescribed: found.undescribed,
    unknownChildren,
  };
}

function introspect(copy: string, { database, sqlite, meanings }: Inputs): Enrichment {
  try {
    using open = new DatabaseSync(copy, { readOnly: true });
    return enrich(ingest(open, database), meanings, open);
  } catch (error) {
    if (systemCode(error) !== 'ERR_SQLITE_ERROR') throw error;
    const reason = asError(error).message;
    throw new SkeinError('INVALID_INPUT', `database ${sqlite}: SQLite cannot read it: ${reason}`, { cause: error });
  }
}
