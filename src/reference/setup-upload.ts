/**
 * Ships a run's setup to the store, `runs/<id>/slayer_setup/<artifact>/<db>/…` (S-03). Whoever submits or resumes may call
 * it again: what stands there is confirmed.
 *
 * Invariants: U1 each folder is read as one whole, and its marker object is the last of its database and the first to
 * go when it is shipped again. U2 a required artifact that is missing ends the submit; an optional one is passed over,
 * database by database. U3 a reference's identity record travels with it, `<artifact>/.skein/<db>.json`.
 */
import { join } from 'node:path';

import pLimit from 'p-limit';

import { failPoint } from '../kernel/failpoint.ts';
import { jsonBytes } from '../kernel/json.ts';
import {
  callPatiently,
  createOrConfirm,
  overwrite,
  readPatiently,
  type PersistOptions,
} from '../store/create-or-confirm.ts';
import { nameBelow, setupDatabasePrefix, setupPrefix, type SetupArtifact } from '../store/layout.ts';
import type { ObjectInfo, ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';
import { buildFacts, readIdentityRecord } from './build-facts.ts';
import { readMarked, readTree } from './marked-tree.ts';
import { ARTIFACT_MARKERS, hasArtifact, missingError, setupNeeds, type RunCombo, type SetupRoots } from './setup.ts';

/** Objects in flight of all databases together. */
const UPLOADS_AT_ONCE = 16;

export interface SetupUpload extends PersistOptions {
  readonly combo: RunCombo;
  /** Roots of the artifacts that the combination needs. */
  readonly roots: SetupRoots;
  readonly databases: readonly string[];
  /**
   * Whose references go up as seeds: those that a preflight found fresh. A stale one would be rebuilt, under the same
   * fingerprint where only the encoder changed, and be taken for the seed (U-07). Default: every one that is there.
   */
  readonly seeds?: ReadonlySet<string>;
}

export interface SetupUploadReport {
  readonly artifact: SetupArtifact;
  readonly database: string;
  /** `absent`: optional, and not there or built by this run. `unchanged`: the store had it already. */
  readonly kind: 'uploaded' | 'unchanged' | 'absent';
  readonly files: number;
}

/** The object that holds a shipped reference's identity record. */
export function identityObjectName(runId: string, database: string): string {
  return nameBelow(setupPrefix(runId, 'slayer_models_otf'), `.skein/${database}.json`);
}

/** @throws SkeinError PREFLIGHT when a required artifact is missing, before anything is shipped; the store's errors */
export async function uploadSetup(
  store: ObjectStore,
  runId: string,
  upload: SetupUpload,
): Promise<SetupUploadReport[]> {
  const { combo, roots, databases } = upload;
  const limit = pLimit(UPLOADS_AT_ONCE);
  const jobs: (() => Promise<SetupUploadReport>)[] = [];
  for (const { artifact, isRequired } of setupNeeds(combo)) {
    const root = roots[artifact];
    const there = await Promise.all(
      databases.map(async (database) => {
        if (artifact === 'slayer_models_otf' && upload.seeds?.has(database) === false) return false;
        return root !== undefined && (await hasArtifact(artifact, root, database));
      }),
    );
    const missing = databases.filter((_, at) => !there[at]);
    if (isRequired && missing.length > 0) throw missingError(artifact, root, combo, missing);
    for (const [at, database] of databases.entries()) {
      jobs.push(() =>
        there[at] && root !== undefined
          ? ship({ store, runId, artifact, root, database, limit, upload })
          : Promise.resolve({ artifact, database, kind: 'absent', files: 0 }),
      );
    }
  }
  const reports = await Promise.all(jobs.map((job) => job()));
  failPoint('setup.after-upload');
  return reports;
}

interface Shipment {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly artifact: SetupArtifact;
  readonly root: string;
  readonly database: string;
  readonly limit: <T>(work: () => Promise<T>) => Promise<T>;
  readonly upload: SetupUpload;
}

async function ship(shipment: Shipment): Promise<SetupUploadReport> {
  const { store, runId, artifact, root, database, limit, upload } = shipment;
  const dir = join(root, database);
  const marker = ARTIFACT_MARKERS[artifact];
  const files =
    marker === undefined ? await readTree(dir) : (await readMarked(dir, marker, () => readTree(dir)))?.value;
  if (!files) return { artifact, database, kind: 'absent', files: 0 };

  const prefix = setupDatabasePrefix(runId, artifact, database);
  const objects = new Map([...files].map(([path, bytes]) => [nameBelow(prefix, path), bytes]));
  const markerName = marker === undefined ? undefined : prefix + marker;
  if (artifact === 'slayer_models_otf') {
    const identity = await readIdentityRecord(root, database);
    // What this very run built before it was interrupted is no seed: it is still to be shipped back (S-08).
    if (buildFacts(identity).runId === runId) return { artifact, database, kind: 'absent', files: 0 };
    if (identity !== undefined) objects.set(identityObjectName(runId, database), jsonBytes(identity, 2));
  }
  const isSame = await makeWay(shipment, prefix, objects, markerName);
  if (isSame) return { artifact, database, kind: 'unchanged', files: files.size };

  const put = async (name: string): Promise<void> => {
    const bytes = objects.get(name)!;
    const outcome = await createOrConfirm(store, name, bytes, upload);
    if (outcome.kind !== 'conflict') return;
    await overwrite(store, name, bytes, { ...upload, generation: outcome.standing.generation });
  };
  await Promise.all([...objects.keys()].filter((name) => name !== markerName).map((name) => limit(() => put(name))));
  failPoint('setup.before-marker-object');
  if (markerName !== undefined) await put(markerName);
  return { artifact, database, kind: 'uploaded', files: files.size };
}

/**
 * True when the store has it all, marker too. Else no marker stands there any more, nor a file that the folder does not
 * have. A fingerprint stands for its content, so sizes and the marker's own bytes are compared, and the record of whose
 * build a reference is.
 */
async function makeWay(
  { store, runId, database, artifact, upload }: Shipment,
  prefix: string,
  objects: ReadonlyMap<string, Uint8Array>,
  markerName: string | undefined,
): Promise<boolean> {
  const standing = new Map<string, ObjectInfo>();
  for await (const info of listAll(store, prefix, upload)) standing.set(info.name, info);
  if (standing.size === 0) return false;
  const compared = [markerName, artifact === 'slayer_models_otf' ? identityObjectName(runId, database) : undefined];
  const own = [...objects.keys()].filter((name) => name.startsWith(prefix));
  const sizesMatch =
    own.length === standing.size &&
    own.every((name) => standing.get(name)?.sizeBytes === objects.get(name)!.byteLength);
  if (markerName !== undefined && sizesMatch) {
    const same = await Promise.all(
      compared
        .filter((name) => name !== undefined)
        .map(async (name) => {
          const bytes = (await readPatiently(store, name, upload))?.bytes;
          const wanted = objects.get(name);
          return bytes === undefined || wanted === undefined ? bytes === wanted : bytes.equals(wanted);
        }),
    );
    if (same.every(Boolean)) return true;
  }
  const remove = ({ name, generation }: ObjectInfo): Promise<unknown> =>
    callPatiently(`removing ${name}`, upload, (signal) => store.remove(name, generation, { signal }));
  const marker = markerName === undefined ? undefined : standing.get(markerName);
  if (marker) await remove(marker);
  for (const info of standing.values()) if (!objects.has(info.name)) await remove(info);
  return false;
}
