/** The references that runs left: their digests, in a root of the submitting side and in the bucket. */
import { readdir } from 'node:fs/promises';

import { localReference } from '../../../src/reference/local-reference.ts';
import { MARKERS, parseShardName, shardsPrefix } from '../../../src/store/layout.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { listAll } from '../../../src/store/prefix.ts';

/** Digest of each whole reference under `root`, by database (DESIGN rule 6). */
export async function referenceDigests(root: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.') || entry.name.endsWith('.lock')) continue;
    const reference = await localReference(root, entry.name);
    if (reference) digests[entry.name] = reference.order.digest;
  }
  return digests;
}

/** How many whole shards of each database the run left in the bucket: one for each time it was encoded and shipped. */
export async function wholeShards(store: ObjectStore, runId: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for await (const { name } of listAll(store, shardsPrefix(runId))) {
    const file = parseShardName(name);
    if (file?.path === MARKERS.uploadComplete) counts[file.database] = (counts[file.database] ?? 0) + 1;
  }
  return counts;
}
