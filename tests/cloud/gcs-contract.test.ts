/**
 * What every store promises, over the real client and the real emulator. Rows that the emulator gets wrong are named with
 * the reason; the exact preconditions of GCS are proved on the in-process server of `tests/contract/`.
 */
import { afterAll, beforeAll, describe } from 'vitest';

import { openStore } from '../../src/store/open.ts';
import { engineOrSkip, type Engine } from '../helpers/containers/engine.ts';
import { startFakeGcs, type FakeGcs } from '../helpers/containers/fake-gcs.ts';
import { objectStoreContract, type KnownWrong } from '../helpers/object-store-contract.ts';

/** Of fake-gcs-server 1.56.1, as tried. */
const WRONG_HERE: KnownWrong = {
  'removes at the generation only': 'a delete takes no notice of ifGenerationMatch',
  'lists folders once each with a delimiter, over pages of two':
    'every page repeats all prefixes, and they do not count against its size',
};

const engine = engineOrSkip();

describe.skipIf(engine === undefined)('the emulator', () => {
  const stack = new AsyncDisposableStack();
  let gcs: FakeGcs;
  let buckets = 0;

  beforeAll(async () => {
    gcs = stack.use(await startFakeGcs(engine as Engine));
  });
  afterAll(() => stack.disposeAsync());

  for (const [kind, prefix] of [
    ['a whole bucket', ''],
    ['a prefix of a bucket', '/some/prefix'],
  ] as const) {
    objectStoreContract(
      `fake-gcs-server in a container, ${kind}`,
      async () => {
        buckets += 1;
        const bucket = `skein-contract-${buckets}`;
        await gcs.createBucket(bucket);
        const store = await openStore(`gs://${bucket}${prefix}`, '--store', { gcsEndpoint: gcs.url });
        return { store, root: undefined, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
      },
      WRONG_HERE,
    );
  }
});
