/**
 * Brings a whole reference that another node of the cluster built, from its shard in the store to a root of this machine.
 *
 * Invariants: R1 only a complete shard whose every byte is what its record says is taken (U-04, M-11). R2 the folder
 * appears by one rename under the database's lock, marker and record with it; one of another content is never replaced:
 * roots are named by content.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { parseJson } from '../kernel/json.ts';
import { writeIdentityRecord } from '../reference/build-facts.ts';
import { commitTree } from '../reference/commit.ts';
import { sweepDeadTemps } from '../reference/dead-temps.ts';
import { markerOf, syncTree } from '../reference/marked-tree.ts';
import { readSlice, SHARD_RECORD, shardRecordSchema, SIDE_CARS } from '../reference/shard-slice.ts';
import { readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { MARKERS, shardDatabasePrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { downloadTree } from '../store/prefix.ts';
import type { LockKeeper } from './lock-keeper.ts';

export interface ShardPlace {
  readonly runId: string;
  readonly shard: string;
  readonly database: string;
}

export interface ReferenceDownload extends PersistOptions {
  readonly store: ObjectStore;
  readonly locks: LockKeeper;
}

/** The digest of the content of a complete shard. @throws SkeinError NOT_FOUND (absent or incomplete) | CORRUPT | the store's */
export async function shardDigest(download: ReferenceDownload, place: ShardPlace): Promise<string> {
  const prefix = shardDatabasePrefix(place.runId, place.shard, place.database);
  const [complete, record] = await Promise.all([
    readPatiently(download.store, prefix + MARKERS.uploadComplete, download),
    readPatiently(download.store, prefix + SHARD_RECORD, download),
  ]);
  if (!complete || !record) {
    throw new SkeinError('NOT_FOUND', `the reference ${prefix} is not whole in ${download.store.url}`);
  }
  const parsed = shardRecordSchema.safeParse(parseJson(prefix + SHARD_RECORD, record.bytes));
  if (!parsed.success) throw new SkeinError('CORRUPT', `${prefix}${SHARD_RECORD} cannot be understood`);
  return parsed.data.content_digest;
}

/** Puts the shard's reference to `<root>/<db>` if none stands there. @throws as `shardDigest`, and the disk's */
export async function downloadReference(download: ReferenceDownload, place: ShardPlace, root: string): Promise<void> {
  const { locks, signal } = download;
  const { database, runId } = place;
  const target = join(root, database);
  const isThere = async (): Promise<boolean> => (await markerOf(target, MARKERS.referenceFingerprint)) !== undefined;
  if (await isThere()) return;
  await locks.hold({ root, database, owner: `reference of run ${runId}`, signal }, async () => {
    if (!(await isThere())) await fetchReference(download, place, root);
  });
}

async function fetchReference(download: ReferenceDownload, place: ShardPlace, root: string): Promise<void> {
  const { runId, shard, database } = place;
  await mkdir(root, { recursive: true });
  const start = `.${database}.shard-`;
  await sweepDeadTemps(root, start);
  const work = join(root, `${start}${process.pid}-${randomBytes(4).toString('hex')}`);
  const tree = join(work, 'slice', database);
  try {
    await mkdir(tree, { recursive: true });
    await downloadTree(download.store, shardDatabasePrefix(runId, shard, database), tree, download);
    const slice = await readSlice(join(work, 'slice'), shard, database);
    if (slice.kind !== 'whole') {
      const reason = slice.kind === 'refused' ? slice.reason : slice.kind;
      throw new SkeinError('CORRUPT', `the reference of ${database} in shard ${shard} of run ${runId}: ${reason}`);
    }
    for (const name of SIDE_CARS) await rm(join(tree, name), { force: true });
    for (const { source, mtimeS } of slice.files) await utimes(source, mtimeS, mtimeS);
    await syncTree(tree);
    failPoint('peer-reference.before-commit');
    await commitTree({
      tree,
      target: join(root, database),
      marker: MARKERS.referenceFingerprint,
      aside: join(work, 'replaced'),
      writeRecord: () => writeIdentityRecord(root, database, slice.record?.identity),
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
