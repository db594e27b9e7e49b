/**
 * The upload side: one actor's new reference as a shard of the run (U-03 … U-05), and the sessions of its encoder (U-02).
 * Plain functions that throw; that no failure of theirs fails a task is their caller's business (U-06).
 *
 * Invariants: S1 `_upload_complete` goes last, and first away if the slice is written again: who sees it sees a whole
 * slice of one build (U-04). S2 what is shipped was read as one whole: nothing is read from the tree after the marker
 * has been looked at for the second time (U-07). S3 our own records lie beside the content, as side-cars.
 */
import { statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import pLimit from 'p-limit';

import { sha256 } from '../kernel/digest.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { isName } from '../kernel/ids.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import {
  callPatiently,
  createOrConfirm,
  overwrite,
  readPatiently,
  type PersistOptions,
} from '../store/create-or-confirm.ts';
import { MARKERS, nameBelow, setupSessionsPrefix, shardDatabasePrefix, shardsPrefix } from '../store/layout.ts';
import type { ObjectStore, StoredObject } from '../store/port.ts';
import { listFolders, uploadTree } from '../store/prefix.ts';
import { buildFacts, thisBuilder } from './build-facts.ts';
import { localReference, type LocalReference } from './local-reference.ts';
import { SHARD_RECORD, shardRecordSchema, type BuildOrder, type ShardRecord } from './shard-slice.ts';

/** Objects in flight: shards are small, and several actors ship at once. */
const UPLOADS_AT_ONCE = 8;

export interface ShipQuestion {
  readonly database: string;
  /** Of the reference as it stands; undefined if it has no marker. */
  readonly fingerprint: string | undefined;
  /** Whether it has been shipped whole (U-05). */
  readonly isShipped: boolean;
  /**
   * Whether it is what the run was seeded with, by the bucket's word and never the disk's (S-08). A fingerprint says what went
   * into a reference, so one that was encoded again from the same inputs is told from the seed by its content (U-07).
   */
  readonly isSeed: boolean;
  readonly run: EncodingChoice;
}

/** What of a run says whether it encodes. */
export interface EncodingChoice {
  readonly queryMode: string;
  readonly framework: string;
  readonly slayerSetup: string;
  /** Set: the framework is a user's own. Those work on references as ours do. */
  readonly own?: unknown;
}

/** The frameworks that build references: ours, and its name in the original. */
const ENCODING_FRAMEWORKS: ReadonlySet<string> = new Set(['encode', 'pydantic_ai_otf_encode']);

/** Whether runs of this combination encode, so that their references are theirs to ship (U-03). */
export function encodes({ queryMode, slayerSetup, framework, own }: EncodingChoice): boolean {
  if (queryMode !== 'slayer' || slayerSetup !== 'on-the-fly') return false;
  return ENCODING_FRAMEWORKS.has(framework) || (own !== undefined && own !== null);
}

/** Whether a database's reference is new and this run's to ship (U-03). */
export function shouldShip({ database, fingerprint, isShipped, isSeed, run }: ShipQuestion): boolean {
  return encodes(run) && fingerprint !== undefined && !database.startsWith('.') && !isShipped && !isSeed;
}

export interface ShardUpload extends PersistOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  /** `shardId(hostname, pid, actor)` of store/layout. */
  readonly shard: string;
  readonly database: string;
  readonly referenceRoot: string;
  /** Of the grant to build; default what the identity record says, else 0. */
  readonly epoch?: number;
}

export type ShardOutcome =
  | { readonly kind: 'uploaded'; readonly shard: string; readonly files: number; readonly order: BuildOrder }
  /** This shard, perhaps of an earlier life of ours, holds this very reference already. */
  | { readonly kind: 'unchanged'; readonly shard: string; readonly order: BuildOrder }
  /** No marked reference stands there: nothing to ship. */
  | { readonly kind: 'absent' };

/**
 * Ships the reference of `database` as `post_run/slayer_models_otf/<shard>/<db>/`. It may be called with or without the
 * database's lock.
 * @throws SkeinError the store's; UNAVAILABLE if the reference keeps changing. The slice is then incomplete
 */
export async function uploadShard(upload: ShardUpload): Promise<ShardOutcome> {
  const { store, runId, shard, database, referenceRoot } = upload;
  const reference = await localReference(referenceRoot, database);
  if (!reference) return { kind: 'absent' };
  const prefix = shardDatabasePrefix(runId, shard, database);
  const record = recordOf(upload, reference);
  if (await holdsAlready(upload, prefix, record)) return { kind: 'unchanged', shard, order: reference.order };
  // Who built it may have died between its last object and its word.
  const isOurs = buildFacts(reference.identity).builder === thisBuilder();
  const standing = isOurs ? undefined : await wholeShard(upload, record);
  if (standing !== undefined) return { kind: 'unchanged', shard: standing, order: reference.order };
  await takeCompleteOff(upload, prefix);

  const limit = pLimit(UPLOADS_AT_ONCE);
  await Promise.all(
    [...reference.files].map(([path, { bytes }]) => limit(() => put(upload, nameBelow(prefix, path), bytes))),
  );
  failPoint('shard.before-sidecar');
  const mtimes = Object.fromEntries([...reference.files].map(([path, { mtimeS }]) => [path, mtimeS]));
  await put(upload, prefix + SHARD_RECORD, jsonBytes(record, 2));
  await put(upload, prefix + MARKERS.sourceMtimes, jsonBytes(mtimes, 2));
  failPoint('shard.before-complete');
  await createOrConfirm(store, prefix + MARKERS.uploadComplete, Buffer.from('ok'), upload);
  failPoint('shard.after-complete');
  return { kind: 'uploaded', shard, files: reference.files.size, order: reference.order };
}

/** The shard of the run that holds `record`'s content under its epoch whole, undefined if none does. */
async function wholeShard(upload: ShardUpload, record: ShardRecord): Promise<string | undefined> {
  const { store, runId, database } = upload;
  const prefix = shardsPrefix(runId);
  for await (const folder of listFolders(store, prefix, upload)) {
    const shard = folder.slice(prefix.length, -1);
    if (!isName(shard)) continue;
    const slice = shardDatabasePrefix(runId, shard, database);
    const standing = await readPatiently(store, slice + SHARD_RECORD, upload);
    if (!standing || !(await readPatiently(store, slice + MARKERS.uploadComplete, upload))) continue;
    const other = shardRecordSchema.safeParse(jsonOrNothing(standing)).data;
    if (other?.epoch === record.epoch && other.content_digest === record.content_digest) return shard;
  }
  return undefined;
}

function jsonOrNothing({ name, bytes }: StoredObject): unknown {
  try {
    return parseJson(name, bytes);
  } catch {
    return undefined;
  }
}

function recordOf(upload: ShardUpload, reference: LocalReference): ShardRecord {
  const facts = buildFacts(reference.identity);
  return {
    version: 1,
    database: upload.database,
    epoch: upload.epoch ?? facts.epoch,
    run_id: upload.runId,
    built_at_ms: reference.order.builtAtMs,
    ...(facts.builder !== undefined && { builder: facts.builder }),
    ...(facts.buildId !== undefined && { build_id: facts.buildId }),
    content_digest: reference.order.digest,
    files: Object.fromEntries(
      [...reference.files].map(([path, { bytes }]) => [path, { size: bytes.length, sha256: sha256(bytes) }]),
    ),
    identity: reference.identity ?? null,
  };
}

/** Whether the slice is complete and of these very files: an upload that died after its last object, or a repeated one. */
async function holdsAlready(upload: ShardUpload, prefix: string, record: ShardRecord): Promise<boolean> {
  const [complete, standing] = await Promise.all([
    readPatiently(upload.store, prefix + MARKERS.uploadComplete, upload),
    readPatiently(upload.store, prefix + SHARD_RECORD, upload),
  ]);
  return complete !== undefined && standing?.bytes.equals(jsonBytes(record, 2)) === true;
}

/** A shard's name can come again (pid 1 in a container): its earlier slice is opened before it is written over. */
async function takeCompleteOff(upload: ShardUpload, prefix: string): Promise<void> {
  const name = prefix + MARKERS.uploadComplete;
  for (;;) {
    const info = await callPatiently(`looking at ${name}`, upload, (signal) => upload.store.stat(name, { signal }));
    if (!info) return;
    await callPatiently(`removing ${name}`, upload, (signal) => upload.store.remove(name, info.generation, { signal }));
  }
}

async function put(upload: ShardUpload, name: string, bytes: Uint8Array): Promise<void> {
  const outcome = await createOrConfirm(upload.store, name, bytes, upload);
  if (outcome.kind !== 'conflict') return;
  await overwrite(upload.store, name, bytes, { ...upload, generation: outcome.standing.generation });
}

/**
 * Ships the encoder's sessions of every database below `root` that has a file from `sinceMs` on, its whole folder (U-02).
 * The databases that went.
 */
export async function uploadSetupSessions(
  { store, runId, ...options }: PersistOptions & { readonly store: ObjectStore; readonly runId: string },
  { root, sinceMs }: { root: string; sinceMs: number },
): Promise<string[]> {
  if (!isFolder(root)) return [];
  const shipped: string[] = [];
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const dir = join(root, entry.name);
    if (!(await hasFileSince(dir, sinceMs))) continue;
    await uploadTree(store, dir, setupSessionsPrefix(runId, entry.name), options);
    shipped.push(entry.name);
  }
  return shipped;
}

async function hasFileSince(dir: string, sinceMs: number): Promise<boolean> {
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && (await stat(join(entry.parentPath, entry.name))).mtimeMs >= sinceMs) return true;
  }
  return false;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
