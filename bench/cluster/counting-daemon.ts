/**
 * A head or node daemon whose store counts what is asked of it: `counting-daemon.ts '{"kind":"head",…}'`. Prints its address
 * when it is ready, and the counts as one line of JSON when SIGTERM has ended it.
 */
import { readFile } from 'node:fs/promises';

import { startHeadDaemon } from '../../src/daemon/head-daemon.ts';
import { startNodeDaemon } from '../../src/daemon/node-daemon.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/port.ts';

export type CountingDaemon =
  | { readonly kind: 'head'; readonly dataDir: string; readonly storeUrl: string }
  | {
      readonly kind: 'node';
      readonly dataDir: string;
      readonly storeUrl: string;
      readonly address: string;
      readonly tokenFile: string;
      readonly actors: number;
    };

/** By operation and kind of object: `create rows`, `list runs/`. */
export type StoreCounts = Record<string, number>;

const OPERATIONS = new Set(['create', 'replace', 'read', 'stat', 'list', 'remove']);

function counted(store: ObjectStore, counts: StoreCounts): ObjectStore {
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...args: unknown[]) => unknown;
      if (typeof key !== 'string' || !OPERATIONS.has(key)) return call;
      return (name: string, ...rest: unknown[]) => {
        const kind = `${key} ${kindOf(name)}`;
        counts[kind] = (counts[kind] ?? 0) + 1;
        return call(name, ...rest);
      };
    },
  });
}

/** `rows`, `logs` … of a run; else the first part of the name. An empty prefix is the whole bucket. */
function kindOf(name: string): string {
  if (name === '') return 'the whole bucket';
  const [, below] = /^runs\/[^/]+\/([^/]+)/.exec(name) ?? [];
  return below ?? name.split('/', 1)[0] ?? name;
}

const asked = JSON.parse(process.argv[2] ?? '') as CountingDaemon;
const counts: StoreCounts = {};
const store = counted(await openStore(asked.storeUrl), counts);
const { dataDir } = asked;
const daemon =
  asked.kind === 'head'
    ? await startHeadDaemon({ dataDir, store, host: '127.0.0.1', port: 0, lostAfterMs: 60_000 })
    : await startNodeDaemon({
        dataDir,
        store,
        address: asked.address,
        security: { token: (await readFile(asked.tokenFile, 'utf8')).trim() },
        connectTimeoutMs: 10_000,
        actors: asked.actors,
        name: undefined,
        env: process.env,
      });
process.on('SIGTERM', () => {
  void daemon.stop(0).then(() => {
    process.stdout.write(`${JSON.stringify(counts)}\n`);
    process.exit(0);
  });
});
process.stdout.write(`${daemon.ready.address}\n`);
