/** Stage 1 on an actor's thread, so that a submit builds the caches of several databases at once (V-06). */
import type { CacheResult } from './stage1.ts';
import { ensureCache } from './stage1.ts';

export interface CacheBuildRequest {
  /** Absolute. */
  readonly datasetDir: string;
  readonly database: string;
  readonly cacheRoot: string;
  readonly force?: boolean;
}

export class CacheBuilder {
  /** `ensureCache` with plain data in and out. @throws what `ensureCache` throws */
  build({ datasetDir, ...request }: CacheBuildRequest): Promise<CacheResult> {
    return ensureCache({ dataset: { dir: datasetDir }, ...request });
  }
}
