import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, it } from 'vitest';

import { encodingOf, readGrant } from '../../src/head/grant-record.ts';
import { HeldState } from '../../src/gen/skein/v1/node.ts';
import { HEAD_FAIL_POINTS } from '../../src/kernel/failpoint.ts';
import { jsonBytes, parseJson } from '../../src/kernel/json.ts';
import { readCounts } from '../../src/run/run-counts.ts';
import { readStatus } from '../../src/run/status.ts';
import { manifestName, rowName } from '../../src/store/layout.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { manifestOf } from '../helpers/rows.ts';
import { KeptHead } from '../helpers/kept-head.ts';
import { heldTask, ScriptedNode } from '../helpers/scripted-node.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MANIFEST = manifestOf(['a_1', 'a_2'], { framework: 'encode' });
const POINTS = [
  ...HEAD_FAIL_POINTS,
  'head.run-leased',
  'head.before-beat',
  'head.before-beat:2',
  'status.before-terminal',
  'head.after-terminal',
];

async function rowOf(store: ObjectStore, id: string, attempt: number): Promise<unknown> {
  const stored = await store.read(rowName('r1', id, attempt));
  return stored && parseJson(stored.name, stored.bytes);
}

describe('a head daemon that is killed', () => {
  it.concurrent.for(POINTS)(
    'at %s is followed by one that ends the run, and starts nothing twice (X-05)',
    async (point, { expect: its }) => {
      const dir = await mkdtemp(join(tmpdir(), 'skein-head-'));
      try {
        await using store = await openStore(`file://${dir}`);
        await using heads = new KeptHead(dir);
        await heads.keep(point);
        await store.create(manifestName('r1'), jsonBytes(MANIFEST));
        const port = (): number => heads.port;
        const first = await ScriptedNode.join({
          port,
          store,
          name: 'n1',
          dataDirId: 'd1',
          bootId: 'b1',
          patienceMs: 30_000,
        });
        await heads.ask((client) => client.startRun('r1'));
        await first.has('a_1', 'a_2');
        first.started('a_1');
        await heads.ask(async (client) => {
          for await (const { inFlight } of client.watchRun('r1')) if (inFlight.length === 1) return;
        });
        await first[Symbol.asyncDispose]();

        // The node's next life: what it had begun is orphaned, the rest was never begun.
        const inventory = [heldTask('a_1', HeldState.ORPHANED)];
        await using second = await ScriptedNode.join({
          port,
          store,
          name: 'n1',
          dataDirId: 'd1',
          bootId: 'b2',
          patienceMs: 30_000,
          inventory,
        });
        await second.has('a_1', 'a_2');
        its(second.held.get('a_1')?.attempt).toBe(2);
        const epoch = second.batches.at(-1)?.grantEpoch ?? 0;
        its(epoch).toBeGreaterThanOrEqual(1);
        second.referenceReady({ runId: 'r1', database: 'a', grantEpoch: epoch, shard: 's1' });
        const grant = async () => (await readGrant(store, encodingOf(MANIFEST, 'a'), 'a')).record;
        await waitUntil(
          'the place of the reference is recorded',
          async () => (await grant())?.ready?.shard === 's1',
          30_000,
        );
        if (point === 'head.before-beat:2') await waitUntil('it died at a beat', () => heads.deaths === 1, 30_000);
        await second.ends('a_1');
        await second.ends('a_2');
        await waitUntil('it is done', async () => (await readStatus(store, 'r1'))?.terminal_state === 'done', 30_000);
        if (point === 'head.after-terminal') await waitUntil('it died after that', () => heads.deaths === 1);

        its(heads.deaths, `${point} was reached`).toBe(1);
        its(await readCounts(store, MANIFEST)).toMatchObject({ done: 2, ok: 2, errors: 0 });
        its(await rowOf(store, 'a_1', 1)).toMatchObject({ error: 'actor-lost', synthetic: { reason: 'actor-lost' } });
        its(await rowOf(store, 'a_1', 2)).toMatchObject({ error: null });
        its(await rowOf(store, 'a_2', 2)).toBeUndefined();
        // Every start but that of the lost attempt happened once.
        its([...first.given, ...second.given].filter((id) => id === 'a_1')).toHaveLength(2);
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    },
  );
});
