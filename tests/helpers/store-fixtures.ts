/** Stores for the contract suite, each in its own folder that is gone after the test, and small verbs for tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { openDirectoryStore } from '../../src/store/directory.ts';
import { FaultPlan, withFaults } from '../../src/store/faults.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { GcsServer } from './gcs-server/server.ts';

/** A folder that goes with `using`. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'skein-store-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface StoreFixture extends AsyncDisposable {
  readonly store: ObjectStore;
  /** The directory under the store, if it has one. */
  readonly root: string | undefined;
}

/** Every store. A store is made anew for each test. */
export const STORE_KINDS: readonly { readonly kind: string; readonly make: () => Promise<StoreFixture> }[] = [
  {
    kind: 'memory',
    make: async () => ({ store: createMemoryStore(), root: undefined, [Symbol.asyncDispose]: async () => {} }),
  },
  { kind: 'directory', make: () => directoryFixture((store) => store) },
  { kind: 'gs:// with a prefix', make: () => gcsFixture('gs://skein-test/some/prefix') },
];

/** The stores of the contract suite itself: also one whose answers come late, which must change no outcome. */
export const CONTRACT_KINDS: typeof STORE_KINDS = [
  ...STORE_KINDS,
  { kind: 'gs://', make: () => gcsFixture('gs://skein-test') },
  {
    kind: 'directory that answers late',
    make: () =>
      directoryFixture((store) =>
        withFaults(
          store,
          new FaultPlan({ on: ['read', 'stat', 'create', 'replace'], fault: { kind: 'delay', delayMs: 1 } }),
        ),
      ),
  },
];

/** A bucket of a server of its own, with the real client library between. */
async function gcsFixture(url: string): Promise<StoreFixture> {
  const server = await GcsServer.start({ buckets: ['skein-test'] });
  const store = await openStore(url, '--store', { gcsEndpoint: server.url });
  return {
    store,
    root: undefined,
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function directoryFixture(wrap: (store: ObjectStore) => ObjectStore): Promise<StoreFixture> {
  const folder = temporaryFolder();
  const root = join(folder.path, 'bucket');
  const inner = await openDirectoryStore(pathToFileURL(root).href);
  return {
    store: wrap(inner),
    root,
    [Symbol.asyncDispose]: async () => {
      await inner[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

export const bytesOf = (text: string): Buffer => Buffer.from(text);

/** What stands under `name` as text, or undefined. */
export async function textOf(store: ObjectStore, name: string): Promise<string | undefined> {
  return (await store.read(name))?.bytes.toString('utf8');
}

/** The generation that a write must have given. */
export async function mustCreate(store: ObjectStore, name: string, text: string): Promise<string> {
  const outcome = await store.create(name, bytesOf(text));
  if (outcome.kind !== 'written') throw new Error(`${name} could not be created: ${outcome.kind}`);
  return outcome.generation;
}

/** All names below `prefix`, over pages of `pageSize`, in the order in which they came. */
export async function namesIn(store: ObjectStore, prefix: string, pageSize = 1000): Promise<string[]> {
  const names: string[] = [];
  for (let token: string | undefined; ;) {
    const page = await store.list(prefix, { pageSize, ...(token !== undefined && { pageToken: token }) });
    names.push(...page.objects.map((object) => object.name));
    token = page.nextPageToken;
    if (token === undefined) return names;
  }
}
