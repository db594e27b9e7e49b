/** Runs as a submit with an address leaves them in the store: manifest, setup and the dataset by its content. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { openDataset } from '../../src/dataset/dataset.ts';
import { sha256 } from '../../src/kernel/digest.ts';
import { jsonBytes } from '../../src/kernel/json.ts';
import { datasetDigest } from '../../src/node/dataset-download.ts';
import { ensureCache } from '../../src/reference/stage1.ts';
import { uploadSetup } from '../../src/reference/setup-upload.ts';
import { createManifest, makeManifest, type ManifestInput } from '../../src/run/manifest.ts';
import { createOrConfirm } from '../../src/store/create-or-confirm.ts';
import { datasetPrefix, datasetTasksName, MARKERS } from '../../src/store/layout.ts';
import type { ObjectStore } from '../../src/store/port.ts';

export interface ClusterRun {
  readonly runId: string;
  readonly datasetDir: string;
  /** The submitter's. */
  readonly cacheRoot: string;
  /** The submitter's; what stands there goes up as the seed. */
  readonly referenceRoot?: string;
  readonly ids: readonly string[];
  readonly settings?: Partial<ManifestInput>;
}

/** Puts the run into the store. */
export async function submitToStore(store: ObjectStore, run: ClusterRun): Promise<void> {
  const { runId, datasetDir, cacheRoot, referenceRoot, ids, settings } = run;
  const dataset = await openDataset(datasetDir);
  const databases = [...new Set(ids.map((id) => dataset.taskById.get(id)?.selected_database ?? ''))];
  const content = await shipDataset(store, datasetDir, dataset.tasksPath, databases);
  const manifest = makeManifest({
    run_id: runId,
    framework: 'encode',
    query_mode: 'slayer',
    slayer_setup: 'on-the-fly',
    instance_ids: [...ids] as [string, ...string[]],
    databases: Object.fromEntries(ids.map((id) => [id, dataset.taskById.get(id)?.selected_database ?? ''])),
    dataset_content: content,
    ...settings,
  });
  if (manifest.mode !== 'oracle' && manifest.framework === 'encode') {
    for (const database of databases) await ensureCache({ dataset, database, cacheRoot });
    await uploadSetup(store, runId, {
      combo: { queryMode: 'slayer', slayerSetup: 'on-the-fly', framework: 'encode' },
      roots: { slayer_otf_cache: cacheRoot, ...(referenceRoot !== undefined && { slayer_models_otf: referenceRoot }) },
      databases,
    });
  }
  await createManifest(store, manifest);
}

async function shipDataset(
  store: ObjectStore,
  dir: string,
  tasksPath: string,
  databases: readonly string[],
): Promise<{ tasks: string; databases: Record<string, string> }> {
  const digests: Record<string, string> = {};
  for (const database of databases) {
    const contents = new Map<string, Buffer>();
    for (const name of await readdir(join(dir, database)))
      contents.set(name, await readFile(join(dir, database, name)));
    const files = Object.fromEntries(
      [...contents].map(([name, bytes]) => [name, { size: bytes.byteLength, sha256: sha256(bytes) }]),
    );
    const digest = datasetDigest(files);
    digests[database] = digest;
    const prefix = datasetPrefix(database, digest);
    for (const [name, bytes] of contents) await createOrConfirm(store, prefix + name, bytes);
    await createOrConfirm(store, prefix + MARKERS.uploadComplete, jsonBytes({ files }));
  }
  const tasks = await readFile(tasksPath);
  const tasksDigest = sha256(tasks).slice(0, 32);
  await createOrConfirm(store, datasetTasksName(tasksDigest), tasks);
  return { tasks: tasksDigest, databases: digests };
}
