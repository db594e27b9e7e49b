import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { databaseFiles, openDataset, type Dataset } from '../../../src/dataset/dataset.ts';
import { EncodeFramework } from '../../../src/frameworks/encode.ts';
import type { TaskContext, TaskRow } from '../../../src/frameworks/framework.ts';
import type { KnowledgeCoverage } from '../../../src/frameworks/knowledge-coverage.ts';
import { buildReference, type Reference } from '../../../src/reference/build-reference.ts';
import type { Encoder } from '../../../src/reference/encoder.ts';
import { treeDigest } from '../../../src/kernel/digest.ts';

/** Encodes nothing: every item is put off with a question. */
const PUT_OFF: Encoder = {
  id: 'put-off',
  version: '1',
  isPaid: false,
  open: async () => ({
    encode: async (row) => ({
      kb_id: row.id,
      status: 'deferred',
      entities: [],
      notes: '',
      error: null,
      clarifying_questions: [`what is ${row.knowledge}?`],
    }),
    [Symbol.asyncDispose]: async () => undefined,
  }),
};

let dir: string;
let dataset: Dataset;
let reference: Reference;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skein-encode-'));
  dataset = await openDataset(resolve('examples/mini-interact'));
  reference = await buildReference({
    database: 'ferries',
    datasetDir: dataset.dir,
    cacheRoot: join(dir, 'cache'),
    referenceRoot: join(dir, 'reference'),
    setupSessionsRoot: join(dir, 'sessions'),
    encoder: PUT_OFF,
    lock: async () => ({ verify: async () => undefined, release: async () => undefined }),
  });
});
afterAll(async () => await rm(dir, { recursive: true, force: true }));

async function encode(instanceId: string): Promise<{ row: TaskRow; scratchDir: string }> {
  const task = dataset.taskById.get(instanceId);
  if (!task) throw new Error(`no task ${instanceId} in the examples`);
  const scratchDir = join(dir, 'scratch', instanceId);
  await mkdir(scratchDir, { recursive: true });
  const context: TaskContext = {
    transcript: () => {},
    runId: 'r',
    attempt: 1,
    scratchDir,
    databasePath: databaseFiles(dataset.dir, 'ferries').sqlite,
    signal: new AbortController().signal,
    log: () => undefined,
    sql: () => Promise.reject(new Error('encode runs no SQL')),
    reference: () => Promise.resolve(reference),
  };
  return { row: await new EncodeFramework().runTask(task, context), scratchDir };
}

async function digestOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return treeDigest(
    await Promise.all(paths.map(async (path): Promise<[string, Buffer]> => [path, await readFile(path)])),
  );
}

describe('the framework encode', () => {
  it('reports how the knowledge of a task is covered, in the row and in the bundle', async () => {
    const { row, scratchDir } = await encode('ferries_1');
    expect(row).toMatchObject({
      submission_status: 'never_submitted',
      error: null,
      submitted_sql: null,
      deleted_kb_ids: [],
      variant_storage_path: null,
      reference_fingerprint: reference.fingerprint,
    });
    const coverage = row.knowledge_coverage as KnowledgeCoverage;
    expect(coverage.items[0]).toMatchObject({ kb_id: 0, need: 'external_knowledge', status: 'deferred' });
    expect(coverage.items[0]?.questions).toEqual([expect.stringMatching(/^what is .+\?$/)]);
    expect(JSON.parse(await readFile(join(scratchDir, 'coverage.json'), 'utf8'))).toEqual(coverage);
    expect(await readFile(join(scratchDir, 'INDEX.md'), 'utf8')).toContain('# ferries_1 (ferries)');
  });

  it('leaves a store without what the task must not see, and the reference as it was (T-03, T-04)', async () => {
    const before = await digestOf(reference.dir);
    const { row, scratchDir } = await encode('ferries_2');
    const storeDir = join(scratchDir, 'slayer_storage');
    expect(row).toMatchObject({ deleted_kb_ids: [10], variant_storage_path: storeDir });
    expect((row.knowledge_coverage as KnowledgeCoverage).items[0]).toMatchObject({ kb_id: 10, status: 'masked' });
    const memories = await readFile(join(storeDir, 'memories.yaml'), 'utf8');
    expect(memories).toContain('ferries_kb_0');
    expect(memories).not.toContain('ferries_kb_10');
    expect(await digestOf(reference.dir)).toBe(before);
  });
});
