/**
 * One database of one shard, as it lies in the local mirror of a run: `post_run/slayer_models_otf/<shard>/<db>/`.
 * Looks and judges; changes nothing.
 *
 * Side-cars, none of which belongs to the reference itself: `_source_mtimes.json` and `_upload_complete` (U-04), and
 * `_skein_shard.json`, ours: who built it and when, and the digest of every file.
 *
 * Invariants: S1 a slice without both of the first two is an upload in progress and gives nothing (M-02). S2 a slice is
 * taken whole or not at all: a path that leads outside, a file that is named and absent, or a byte that differs from its
 * digest refuses all of it before anything local is touched (M-11).
 */
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { describeError, isSkeinError, SkeinError, systemCode } from '../kernel/errors.ts';
import { sha256, treeDigest } from '../kernel/digest.ts';
import { parseJson } from '../kernel/json.ts';
import { MARKERS } from '../store/layout.ts';
import { objectNameProblem } from '../store/object-name.ts';

const {
  referenceFingerprint: REFERENCE_MARKER,
  sourceMtimes: SOURCE_MTIMES,
  uploadComplete: UPLOAD_COMPLETE,
} = MARKERS;
export const SHARD_RECORD = '_skein_shard.json';
/** What lies in a slice without being a part of the reference. */
export const SIDE_CARS: ReadonlySet<string> = new Set([SOURCE_MTIMES, UPLOAD_COMPLETE, SHARD_RECORD]);

const NOT_CONTENT: ReadonlySet<string> = new Set([REFERENCE_MARKER, MARKERS.cacheFingerprint]);

/** `_skein_shard.json`. Shards of the original tool have none. */
export const shardRecordSchema = z.looseObject({
  version: z.literal(1),
  database: z.string(),
  /** Of the grant under which it was built; 0 where nobody granted it. Comparable within one run only. */
  epoch: z.number().int().nonnegative(),
  run_id: z.string(),
  built_at_ms: z.number(),
  /** Digest of the content (DESIGN rule 6): no fingerprint files, side-cars or times in it. */
  content_digest: z.string(),
  files: z.record(z.string(), z.object({ size: z.number(), sha256: z.string() })),
  /** The reference's identity record as it stood beside it on the building machine. */
  identity: z.unknown(),
});
export type ShardRecord = z.infer<typeof shardRecordSchema>;

export interface SliceFile {
  /** Relative, `/`-separated. */
  readonly path: string;
  readonly source: string;
  /** Seconds since the epoch on the building machine. */
  readonly mtimeS: number;
}

/** The order between shards of one database: epoch, then build time, then digest (DESIGN rule 5). */
export interface BuildOrder {
  readonly epoch: number;
  readonly runId: string;
  readonly builtAtMs: number;
  readonly digest: string;
}

export type Slice =
  /** Still being uploaded, or its upload died (M-02). */
  | { readonly kind: 'incomplete'; readonly shard: string }
  | { readonly kind: 'refused'; readonly shard: string; readonly reason: string }
  /** Whole, but without the reference's marker: not to be trusted (M-05). */
  | { readonly kind: 'unmarked'; readonly shard: string; readonly files: readonly SliceFile[] }
  | {
      readonly kind: 'whole';
      readonly shard: string;
      readonly fingerprint: string;
      readonly order: BuildOrder;
      readonly files: readonly SliceFile[];
      readonly record: ShardRecord | undefined;
    };

/** Reads and judges the slice of `database` in `shard`. @throws for a disk that cannot be read, never for bad content */
export async function readSlice(shardDir: string, shard: string, database: string): Promise<Slice> {
  const dir = join(shardDir, database);
  if (!(await isFile(join(dir, UPLOAD_COMPLETE))) || !(await isFile(join(dir, SOURCE_MTIMES)))) {
    return { kind: 'incomplete', shard };
  }
  try {
    return await judge(dir, shard, database);
  } catch (error) {
    if (isSkeinError(error, 'CORRUPT')) return { kind: 'refused', shard, reason: describeError(error) };
    throw error;
  }
}

async function judge(dir: string, shard: string, database: string): Promise<Slice> {
  const files = await namedFiles(dir, await readJson(dir, SOURCE_MTIMES));
  const contents = new Map<string, Buffer>();
  for (const { path, source } of files) contents.set(path, await readFile(source));
  const record = await readRecord(dir, database);
  if (record) checkDigests(record, contents);

  const marker = contents.get(REFERENCE_MARKER);
  if (!marker) return { kind: 'unmarked', shard, files };
  const digest = contentDigest(contents);
  if (record && record.content_digest !== digest) corrupt(SHARD_RECORD, 'the content has another digest than it says');
  const builtAtMs = record?.built_at_ms ?? 1000 * (files.find(({ path }) => path === REFERENCE_MARKER)?.mtimeS ?? 0);
  return {
    kind: 'whole',
    shard,
    fingerprint: marker.toString('utf8').trim(),
    order: { epoch: record?.epoch ?? 0, runId: record?.run_id ?? '', builtAtMs, digest },
    files,
    record,
  };
}

async function namedFiles(dir: string, mtimes: unknown): Promise<SliceFile[]> {
  if (mtimes === null || typeof mtimes !== 'object' || Array.isArray(mtimes)) corrupt(SOURCE_MTIMES, 'no JSON object');
  const files: SliceFile[] = [];
  for (const [path, mtimeS] of Object.entries(mtimes as object)) {
    if (SIDE_CARS.has(path)) continue;
    const problem = path.includes('\\') ? 'it holds a backslash' : objectNameProblem(path);
    if (problem !== undefined) corrupt(SOURCE_MTIMES, `path ${JSON.stringify(path)} is refused: ${problem}`);
    if (typeof mtimeS !== 'number' || !Number.isFinite(mtimeS)) corrupt(SOURCE_MTIMES, `${path} has no time`);
    const source = join(dir, path);
    if (!(await isFile(source))) corrupt(SOURCE_MTIMES, `${path} is named and not there`);
    files.push({ path, source, mtimeS });
  }
  return files;
}

async function readRecord(dir: string, database: string): Promise<ShardRecord | undefined> {
  if (!(await isFile(join(dir, SHARD_RECORD)))) return undefined;
  const parsed = shardRecordSchema.safeParse(await readJson(dir, SHARD_RECORD));
  if (!parsed.success) corrupt(SHARD_RECORD, parsed.error.issues[0]?.message ?? 'unreadable');
  if (parsed.data.database !== database) corrupt(SHARD_RECORD, `it is of database ${parsed.data.database}`);
  return parsed.data;
}

function checkDigests(record: ShardRecord, contents: ReadonlyMap<string, Buffer>): void {
  const unnamed = Object.keys(record.files).find((path) => !contents.has(path));
  if (unnamed !== undefined) corrupt(SHARD_RECORD, `${unnamed} is not in ${SOURCE_MTIMES}`);
  for (const [path, bytes] of contents) {
    const expected = Object.hasOwn(record.files, path) ? record.files[path] : undefined;
    if (!expected) corrupt(SHARD_RECORD, `${path} is not in it`);
    if (bytes.length !== expected.size) corrupt(path, `${bytes.length} bytes where ${expected.size} were uploaded`);
    if (sha256(bytes) !== expected.sha256) corrupt(path, 'other bytes than were uploaded');
  }
}

function readJson(dir: string, name: string): Promise<unknown> {
  return readFile(join(dir, name)).then((bytes) => parseJson(name, bytes));
}

function corrupt(name: string, what: string): never {
  throw new SkeinError('CORRUPT', `${name}: ${what}`);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** Digest of a reference's content: no fingerprint files, no side-cars, no times (DESIGN rule 6). */
export function contentDigest(contents: ReadonlyMap<string, Uint8Array>): string {
  return treeDigest([...contents].filter(([path]) => !NOT_CONTENT.has(path) && !SIDE_CARS.has(path)));
}
