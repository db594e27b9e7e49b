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
import { join } from 'node:path';

import { z } from 'zod';

import { describeError } from '../kernel/errors.ts';
import { sha256, treeDigest } from '../kernel/digest.ts';
import { parseJson } from '../kernel/json.ts';
import { breath, readWhole } from '../store/descriptor.ts';
import { MARKERS } from '../store/layout.ts';
import { buildFacts } from './build-facts.ts';
import { corrupt, isCorrupt, isPlainFile, namedFiles, SHARD_RECORD, SIDE_CARS, type SliceFile } from './slice-files.ts';

export { SHARD_RECORD, SIDE_CARS, type SliceFile };

const {
  referenceFingerprint: REFERENCE_MARKER,
  sourceMtimes: SOURCE_MTIMES,
  uploadComplete: UPLOAD_COMPLETE,
} = MARKERS;

const NOT_CONTENT: ReadonlySet<string> = new Set([REFERENCE_MARKER, MARKERS.cacheFingerprint]);

/** `_skein_shard.json`. Shards of the original tool have none. */
export const shardRecordSchema = z.looseObject({
  version: z.literal(1),
  database: z.string(),
  /** Of the grant under which it was built; 0 where nobody granted it. Comparable within one run only. */
  epoch: z.number().int().nonnegative(),
  run_id: z.string(),
  built_at_ms: z.number(),
  /** Host, pid and version of what built it, and its build's own id; absent where the reference's record does not say. */
  builder: z.string().optional(),
  build_id: z.string().optional(),
  /** Digest of the content (DESIGN rule 6): no fingerprint files, side-cars or times in it. */
  content_digest: z.string(),
  files: z.record(z.string(), z.object({ size: z.number(), sha256: z.string() })),
  /** The reference's identity record as it stood beside it on the building machine. */
  identity: z.unknown(),
});
export type ShardRecord = z.infer<typeof shardRecordSchema>;

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
  | {
      readonly kind: 'unmarked';
      readonly shard: string;
      readonly files: readonly SliceFile[];
      readonly record: ShardRecord | undefined;
    }
  | {
      readonly kind: 'whole';
      readonly shard: string;
      readonly fingerprint: string;
      readonly order: BuildOrder;
      readonly files: readonly SliceFile[];
      readonly record: ShardRecord | undefined;
    };

/**
 * Reads and judges the slice of `database` in `shard`. A slice without our record is judged by the original's side-cars
 * alone, which have no digests: it is whole when all that they name is there.
 * @param sideCar `lenient`: of a slice without our record, what the side-car says no time of is passed over, and a side-car
 * that cannot be read names nothing (M-03, the original's rule); a slice of ours is judged strictly all the same
 * @throws for a disk that cannot be read, never for bad content
 */
export async function readSlice(
  shardDir: string,
  shard: string,
  database: string,
  sideCar: 'strict' | 'lenient' = 'strict',
): Promise<Slice> {
  const dir = join(shardDir, database);
  // What follows is done in place; a run of many slices starves nobody.
  await breath();
  if (!isPlainFile(join(dir, UPLOAD_COMPLETE)) || !isPlainFile(join(dir, SOURCE_MTIMES))) {
    return { kind: 'incomplete', shard };
  }
  try {
    return await judge(dir, shard, database, sideCar);
  } catch (error) {
    if (isCorrupt(error)) return { kind: 'refused', shard, reason: describeError(error) };
    throw error;
  }
}

async function judge(dir: string, shard: string, database: string, sideCar: 'strict' | 'lenient'): Promise<Slice> {
  const record = await readRecord(dir, database);
  const isLenient = sideCar === 'lenient' && !record;
  const mtimes = await readJson(dir, SOURCE_MTIMES).catch((error: unknown) => {
    if (isLenient && isCorrupt(error)) return {};
    throw error;
  });
  const files = namedFiles(dir, mtimes, isLenient);
  const contents = new Map<string, Buffer>();
  for (const { path, source } of files) contents.set(path, await readWhole(source));
  if (record) checkDigests(record, contents);

  const marker = contents.get(REFERENCE_MARKER);
  if (!marker) return { kind: 'unmarked', shard, files, record };
  const fingerprint = marker.toString('utf8').trim();
  if (fingerprint === '') throw corrupt(REFERENCE_MARKER, 'it is empty');
  const { inputFp } = buildFacts(record?.identity);
  if (inputFp !== undefined && inputFp !== fingerprint) {
    throw corrupt(SHARD_RECORD, `its identity is of ${inputFp}, and the marker says ${fingerprint.slice(0, 100)}`);
  }
  const digest = contentDigest(contents);
  if (record && record.content_digest !== digest) {
    throw corrupt(SHARD_RECORD, 'the content has another digest than it says');
  }
  const builtAtMs = record?.built_at_ms ?? 1000 * (files.find(({ path }) => path === REFERENCE_MARKER)?.mtimeS ?? 0);
  const order = { epoch: record?.epoch ?? 0, runId: record?.run_id ?? '', builtAtMs, digest };
  return { kind: 'whole', shard, fingerprint, order, files, record };
}

async function readRecord(dir: string, database: string): Promise<ShardRecord | undefined> {
  if (!isPlainFile(join(dir, SHARD_RECORD))) return undefined;
  const parsed = shardRecordSchema.safeParse(await readJson(dir, SHARD_RECORD));
  if (!parsed.success) throw corrupt(SHARD_RECORD, problemOf(parsed.error));
  if (parsed.data.database !== database) throw corrupt(SHARD_RECORD, `it is of database ${parsed.data.database}`);
  return parsed.data;
}

function problemOf({ issues: [issue] }: z.ZodError): string {
  return issue ? [issue.path.join('.'), issue.message].filter(Boolean).join(': ') : 'unreadable';
}

function checkDigests(record: ShardRecord, contents: ReadonlyMap<string, Buffer>): void {
  const unnamed = Object.keys(record.files).find((path) => !contents.has(path));
  if (unnamed !== undefined) throw corrupt(SHARD_RECORD, `${unnamed} is not in ${SOURCE_MTIMES}`);
  for (const [path, bytes] of contents) {
    const expected = Object.hasOwn(record.files, path) ? record.files[path] : undefined;
    if (!expected) throw corrupt(SHARD_RECORD, `${path} is not in it`);
    if (bytes.length !== expected.size)
      throw corrupt(path, `${bytes.length} bytes where ${expected.size} were uploaded`);
    if (sha256(bytes) !== expected.sha256) throw corrupt(path, 'other bytes than were uploaded');
  }
}

function readJson(dir: string, name: string): Promise<unknown> {
  return readWhole(join(dir, name)).then((bytes) => parseJson(name, bytes));
}

/** Digest of a reference's content: no fingerprint files, no side-cars, no times (DESIGN rule 6). */
export function contentDigest(contents: ReadonlyMap<string, Uint8Array>): string {
  return treeDigest([...contents].filter(([path]) => !NOT_CONTENT.has(path) && !SIDE_CARS.has(path)));
}
