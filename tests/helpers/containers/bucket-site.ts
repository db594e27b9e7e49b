/**
 * What a suite in containers has of a bucket: a network, the emulator in it, and a way to it that can be made bad in every
 * manner. Client → toxiproxy → storm relay → emulator; and beside that way the truth, for the test itself.
 */
import type { StartedNetwork } from 'testcontainers';

import { openStore } from '../../../src/store/open.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import type { Engine } from './engine.ts';
import { startFakeGcs, type FakeGcs, type FakeGcsOptions } from './fake-gcs.ts';
import { startNetwork } from './network.ts';
import { startStormRelay, type StormRelay } from './storm.ts';
import { startToxiproxy, type Line, type Toxiproxy } from './toxiproxy.ts';

export interface BucketSite extends AsyncDisposable {
  readonly network: StartedNetwork;
  readonly gcs: FakeGcs;
  readonly storm: StormRelay;
  readonly proxy: Toxiproxy;
  /** The way to the bucket. */
  readonly line: Line;
  /** The way is good again. */
  mend(): Promise<void>;
  /** `gs://…` beside the way. */
  truth(url: string): Promise<ObjectStore>;
}

export async function startBucketSite(
  engine: Engine,
  bucket: string,
  options: Pick<FakeGcsOptions, 'backend'> = {},
): Promise<BucketSite> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await startNetwork(engine));
  const gcs = stack.use(await startFakeGcs(engine, { ...options, network }));
  const storm = stack.use(await startStormRelay(engine, network, gcs.innerAddress));
  const proxy = stack.use(await startToxiproxy(engine, network));
  const line = await proxy.layLine('bucket', storm.innerAddress);
  // The emulator's own port changes when it is started again.
  const truth = await proxy.layLine('truth', gcs.innerAddress);
  await gcs.createBucket(bucket);
  const kept = stack.move();
  return {
    network,
    gcs,
    storm,
    proxy,
    line,
    mend: async () => {
      await line.mend();
      await storm.set(undefined);
    },
    truth: (url) => openStore(url, '--store', { gcsEndpoint: truth.url }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
