/** Builds the reference of a site (a folder with dataset, caches, references, sessions, opens) under the real locks. */
import { join } from 'node:path';

import { LockKeeper } from '../../src/node/lock-keeper.ts';
import { buildReference, type Reference } from '../../src/reference/build-reference.ts';
import { fakeEncoder, type FakeEncoderOptions } from './fake-encoder.ts';

export async function buildSite(dir: string, database: string, options: FakeEncoderOptions = {}): Promise<Reference> {
  await using keeper = new LockKeeper();
  const root = join(dir, 'references');
  return await buildReference({
    database,
    datasetDir: join(dir, 'dataset'),
    cacheRoot: join(dir, 'caches'),
    referenceRoot: root,
    encoder: fakeEncoder({ countFile: join(dir, 'opens'), ...options }),
    lock: async () => {
      const grant = await keeper.acquire({ root, database, owner: 'a build' });
      return { verify: () => Promise.resolve(grant.verify()), release: () => grant.release() };
    },
    setupSessionsRoot: join(dir, 'sessions'),
  });
}
