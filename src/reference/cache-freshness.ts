/** Whether a stage-1 cache must be built. Apart from the building, so that asking does not load what builds. */
import { join } from 'node:path';

import { cacheFingerprint } from './cache-place.ts';
import { stage1Fingerprint } from './fingerprint.ts';

export interface CacheQuestion {
  /** The dataset, or just where it is. */
  readonly dataset: { readonly dir: string };
  readonly database: string;
  readonly cacheRoot: string;
}

/**
 * Whether the cache of `database` stands there and is that of the dataset's present content. It hashes the inputs: half
 * a gigabyte a second.
 * @throws SkeinError INVALID_INPUT when an input is missing (D-01)
 */
export async function isCacheFresh({ dataset, database, cacheRoot }: CacheQuestion): Promise<boolean> {
  const marked = await cacheFingerprint(join(cacheRoot, database));
  return marked !== undefined && marked === (await stage1Fingerprint(dataset.dir, database));
}
