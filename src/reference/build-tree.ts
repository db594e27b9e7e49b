/**
 * Makes the content of a reference in a folder of its own, in the order of R-05: the stage-1 cache, a live datasource for
 * this machine, the whole KB as memories, the encode, the collision check, annotated memories, the portable datasource,
 * results, and the marker when all of it is on the disk. Knows no locks and no roots.
 *
 * Invariants: T1 the same cache and encoder give the same bytes, in whatever order encodes end. T2 the path of this
 * machine is in the tree only while the encoder works. T3 only what an encoded item owns stays in the models.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { databaseFiles, readMeanings } from '../dataset/dataset.ts';
import { copySqliteFile } from '../dataset/sqlite-file.ts';
import type { KbRow } from '../dataset/task.ts';
import { SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { jsonBytes } from '../kernel/json.ts';
import { timedPhase } from '../kernel/timing.ts';
import { fsyncDirectory, writeTemp } from '../store/durable-file.ts';
import { MARKERS } from '../store/layout.ts';
import { annotateMemories } from './annotate.ts';
import { settleCollisions } from './collisions.ts';
import { absoluteUrl, datasourceFor, portableUrl, renderDatasource } from './datasource-file.ts';
import { encodeDag } from './encode-dag.ts';
import type { Encoder } from './encoder.ts';
import { dropTagged, sortAdded } from './kb-entities.ts';
import { kbGraph, type KbGraph } from './kb-graph.ts';
import { readKbRows, SETUP_RESULTS_FILE } from './load-reference.ts';
import { copyMarked, readTree, syncTree } from './marked-tree.ts';
import { memoriesFor, renderMemories } from './memory-file.ts';
import { readModels, writeModels } from './model-folder.ts';
import type { Model, SetupResult } from './model.ts';
import { sessionsIndex } from './sessions-index.ts';
import { contentDigest } from './shard-slice.ts';

export interface TreeRequest {
  readonly database: string;
  readonly datasetDir: string;
  /** `<cache root>/<db>`, whole. */
  readonly cacheDir: string;
  /** What the cache must be marked with. */
  readonly inputFingerprint: string;
  readonly encoder: Encoder;
  /** This build's own folder. */
  readonly work: string;
  /** In it: what becomes the reference. */
  readonly tree: string;
  readonly sessionsDir: string;
  /** Filled in by phase. */
  readonly timingsMs: Record<string, number>;
  readonly signal?: AbortSignal | undefined;
  /** Takes `[timing]` lines (V-24). */
  readonly say?: ((line: string) => void) | undefined;
}

/** Makes the tree, marker last. The digest of its content. @throws SkeinError CANCELLED | CORRUPT | UNAVAILABLE */
export async function buildTree(request: TreeRequest): Promise<string> {
  const { database, cacheDir, tree, inputFingerprint, timingsMs, say = () => {} } = request;
  let phaseStartMs = performance.now();
  const phase = (name: string): void => {
    timingsMs[name] = performance.now() - phaseStartMs;
    phaseStartMs = performance.now();
  };

  const copied = await copyMarked(cacheDir, MARKERS.cacheFingerprint, tree);
  if (copied?.text !== inputFingerprint) {
    const found = copied ? `is of ${copied.text}` : 'is gone';
    throw new SkeinError(
      'UNAVAILABLE',
      `${cacheDir} ${found} where ${inputFingerprint} was asked for; the dataset changed meanwhile. Try again`,
    );
  }
  failPoint('reference.after-copy');
  phase('copy');

  const kb = await readKbRows(tree);
  const { results, models, before } = await timedPhase('reference.encode', say, () => encode(request, kb));
  phase('encode');

  await writeModels(tree, database, models, before);
  const memories = annotateMemories(database, memoriesFor(database, kb), results);
  await writeFile(join(tree, 'memories.yaml'), renderMemories(memories));
  await writeDatasource(tree, database, portableUrl(database));
  await writeFile(join(tree, SETUP_RESULTS_FILE), jsonBytes(results, 2));
  const digest = contentDigest(await readTree(tree));
  await syncTree(tree);
  failPoint('reference.before-marker');
  await writeTemp(join(tree, MARKERS.referenceFingerprint), Buffer.from(`${inputFingerprint}\n`));
  await fsyncDirectory(tree);
  phase('write');
  return digest;
}

interface Encoded {
  readonly results: SetupResult[];
  readonly models: Map<string, Model>;
  readonly before: ReadonlyMap<string, Model>;
}

async function encode(request: TreeRequest, kb: readonly KbRow[]): Promise<Encoded> {
  const { database, datasetDir, encoder, work, tree, sessionsDir, signal } = request;
  const databasePath = join(work, `${database}.sqlite`);
  await copySqliteFile(databaseFiles(datasetDir, database).sqlite, databasePath);
  await writeDatasource(tree, database, absoluteUrl(databasePath));
  await writeFile(join(tree, 'memories.yaml'), renderMemories(memoriesFor(database, kb)));
  await mkdir(sessionsDir, { recursive: true });

  const models = await readModels(tree, database);
  const before = new Map([...models].map(([name, model]) => [name, structuredClone(model)]));
  const graph = kbGraph(kb);
  const found = await encodeAll(request, kb, graph, { models, databasePath });
  const results = settleCollisions(found, { models, before, childrenOf: graph.childrenOf });
  tidy(models, results, graph);
  await writeFile(join(sessionsDir, 'INDEX.md'), sessionsIndex(database, encoder, kb, results));
  await rm(databasePath, { force: true });
  signal?.throwIfAborted();
  return { results, models, before };
}

async function encodeAll(
  { database, datasetDir, encoder, sessionsDir, signal }: TreeRequest,
  kb: readonly KbRow[],
  graph: KbGraph,
  { models, databasePath }: { models: Map<string, Model>; databasePath: string },
): Promise<SetupResult[]> {
  const meanings = await readMeanings(datasetDir, database);
  await using session = await encoder.open({
    database,
    databasePath,
    models,
    meanings,
    kb: new Map(kb.map((row) => [row.id, row])),
    sessionsDir,
  });
  return await encodeDag(kb, graph, session, signal);
}

/** Takes away what items left that are not encoded, and brings the rest into the order of the graph. */
function tidy(models: Map<string, Model>, results: readonly SetupResult[], graph: KbGraph): void {
  const encoded = new Set(results.filter(({ status }) => status === 'encoded').map((result) => result.kb_id));
  dropTagged(models, (ids) => !ids.some((id) => encoded.has(id)));
  sortAdded(models, new Map(graph.order.map((id, place) => [id, place])));
}

async function writeDatasource(tree: string, database: string, url: string): Promise<void> {
  const folder = join(tree, 'datasources');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${database}.yaml`), renderDatasource(datasourceFor(database, url)));
}
