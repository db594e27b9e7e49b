/**
 * What a fetch of a run would change in the reference root, without changing anything: the run's shards are mirrored into a
 * folder of their own, judged there, and thrown away. Results are not looked at; they only ever add to what is there.
 *
 * Invariant: nothing below the reference root or the output folder is made or touched, not even a lock.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { MergeMode } from '../reference/merge-candidate.ts';
import type { MergeReport } from '../reference/merge-report.ts';
import { mergeShards } from '../reference/merge.ts';
import { readManifest } from '../run/manifest.ts';
import { shardsPrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { downloadTree, type DownloadReport } from '../store/prefix.ts';
import { missingShardObjects } from './fetch.ts';

export interface PreviewOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  /** It need not exist. */
  readonly referenceRoot: string;
  /** Default `whole`. */
  readonly mergeMode?: MergeMode | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Preview {
  /** With `changes` for every database. */
  readonly report: MergeReport;
  readonly skippedObjects: DownloadReport['skipped'];
}

/** @throws SkeinError NOT_FOUND (no such run) | CORRUPT (manifest) | DISK_FULL (temporary folder) | the store's | CANCELLED */
export async function previewFetch(options: PreviewOptions): Promise<Preview> {
  const { store, runId, referenceRoot, mergeMode = 'whole', signal } = options;
  await readManifest(store, runId);
  const mirror = await mkdtemp(join(tmpdir(), 'skein-dry-run-'));
  try {
    const { skipped } = await downloadTree(store, shardsPrefix(runId), mirror, { onError: 'skip', signal });
    const report = await mergeShards({
      shardsDir: mirror,
      referenceRoot,
      withLock: (_database, work) => work(),
      mode: mergeMode,
      isDryRun: true,
      missing: missingShardObjects(runId, skipped),
      ...(signal && { signal }),
    });
    return { report, skippedObjects: skipped };
  } finally {
    await rm(mirror, { recursive: true, force: true });
  }
}
