/**
 * SIGKILL of a whole node at every durable step of its, each followed by a successor on the same data dir: what was made
 * is shipped, what was started and left nothing is known, and nothing is done twice.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, it } from 'vitest';

import { NODE_FAIL_POINTS, type FailPoint } from '../../src/kernel/failpoint.ts';
import { openDirectoryStore } from '../../src/store/directory.ts';
import { shardsPrefix } from '../../src/store/layout.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { submitToStore } from '../helpers/cluster-run.ts';
import { startDataDirNode } from '../helpers/data-dir-node.ts';
import { kbRow, writeKbDataset } from '../helpers/kb-dataset.ts';
import { ScriptedHead } from '../helpers/scripted-head.ts';
import { namesIn } from '../helpers/store-fixtures.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const CHILD = fileURLToPath(new URL('node-child.ts', import.meta.url));
const IDS = ['shop_1', 'shop_2', 'inn_1', 'inn_2'];
const POINTS: readonly FailPoint[] = [
  ...NODE_FAIL_POINTS,
  'row.before-write',
  'row.after-write',
  'log.after-write',
  'reference.before-commit',
  'reference.after-commit',
  'shard.before-sidecar',
  'shard.before-complete',
  'shard.after-complete',
];

/** Where a reference stands whole on the dead node's disk, and no task of the successor may need it any more. */
const BUILT_NOT_SHIPPED: readonly FailPoint[] = [
  'reference.after-commit',
  'shard.before-sidecar',
  'shard.before-complete',
];

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'skein-node-crash-'));
  const datasetDir = join(base, 'dataset');
  await writeKbDataset(datasetDir, ['shop', 'inn'], [kbRow(0, -1, { definition: 'price * 2' })]);
  const lines = IDS.map((id) => ({ instance_id: id, selected_database: id.split('_')[0], amb_user_query: 'q' }));
  await writeFile(join(datasetDir, 'mini_interact.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

/** The rows by id: `1 real`, `1 synthetic` … */
async function rowsOf(store: ObjectStore): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = Object.fromEntries(IDS.map((id) => [id, []]));
  for (const name of await namesIn(store, 'runs/r1/rows/')) {
    const [id = '', file = ''] = name.split('/').slice(3);
    const row = JSON.parse((await store.read(name))!.bytes.toString()) as { error: string | null; synthetic?: object };
    const kind = row.synthetic ? 'synthetic' : row.error ? `error ${row.error}` : 'real';
    rows[id]?.push(`${file.replace(/^attempt-|\.json$/g, '')} ${kind}`);
  }
  return rows;
}

const hasRealRow = (rows: readonly string[]): boolean => rows.some((row) => row.endsWith(' real'));

/** The digests of complete shards, by database. */
async function shardsOf(store: ObjectStore): Promise<Record<string, Set<string>>> {
  const digests: Record<string, Set<string>> = {};
  for (const name of await namesIn(store, shardsPrefix('r1'))) {
    if (!name.endsWith('/_upload_complete')) continue;
    const record = await store.read(name.replace('_upload_complete', '_skein_shard.json'));
    const { database, content_digest: digest } = JSON.parse(record!.bytes.toString()) as Record<string, string>;
    (digests[database!] ??= new Set()).add(digest!);
  }
  return digests;
}

/** `<shard>/<db>` of every slice that is whole. */
async function wholeShards(store: ObjectStore): Promise<string[]> {
  const names = await namesIn(store, shardsPrefix('r1'));
  const ends = names.filter((name) => name.endsWith('/_upload_complete'));
  return ends.map((name) => name.split('/').slice(-3, -1).join('/'));
}

const isSameSlice = (name: string, others: readonly string[]): boolean =>
  others.some((other) => other.split('/')[1] === name.split('/')[1]);

describe('a node that is killed', () => {
  it.concurrent.for(POINTS)('at %s is gone on with by its successor (X-04, P-07)', async (point, { expect: its }) => {
    const dir = join(base, point);
    await mkdir(dir);
    const storeUrl = pathToFileURL(join(dir, 'bucket')).href;
    await using store = await openDirectoryStore(storeUrl);
    const cacheRoot = join(dir, 'submitter-cache');
    await submitToStore(store, { runId: 'r1', datasetDir: join(base, 'dataset'), cacheRoot, ids: IDS });
    await using head = await ScriptedHead.start();
    const at = { address: head.address, name: 'one', dataDir: join(dir, 'one') };

    // A reference of a peer is met only where there is a peer.
    const peerShard = point.startsWith('peer-') ? await buildAtPeer(dir, store, head) : undefined;
    const given = peerShard === undefined ? {} : { shop: { runId: 'r1', shard: peerShard } };

    const options = JSON.stringify({ ...at, token: head.security.token, storeUrl, failPoint: point });
    const child = spawn(process.execPath, [CHILD, options], { stdio: ['ignore', 'ignore', 'inherit'] });
    const exited = once(child, 'exit');
    await waitUntil('the node has joined', () => head.of('inventory', 'one').length === 1, 30_000);
    await head.openRun('one', 'r1');
    handOut(head, IDS, 1, given);
    const [, signal] = (await exited) as [number | null, string | null];
    its(signal, `${point} was reached`).toBe('SIGKILL');
    const before = await rowsOf(store);
    const shipped = await wholeShards(store);
    // A node that died before its first actor has no such folder.
    const lives = (): Promise<string[]> => readdir(join(at.dataDir, 'work')).catch(() => []);
    const isGone = async (names: readonly string[]): Promise<boolean> => {
      const now = await lives();
      return !names.some((name) => now.includes(name));
    };
    const dead = await lives();

    await using successor = await startDataDirNode({ ...at, security: head.security, store });
    await waitUntil('the successor has joined', () => head.of('inventory', 'one').length === 2, 30_000);
    const inventory = head.inventory('one');
    await head.openRun('one', 'r1');
    const shipping = inventory.filter((line) => line.endsWith(' SHIPPING')).map((line) => line.split(' ')[0] ?? '');
    await waitUntil(`stored and ended: ${shipping.join(', ')}`, async () => {
      const stored = await rowsOf(store);
      return shipping.every((id) => hasRealRow(stored[id] ?? []) && head.ends('one')[id]?.includes('ok') === true);
    });
    const orphans = IDS.filter((id) => inventory.includes(`${id} 1 ORPHANED`));
    const now = await rowsOf(store);
    const undone = IDS.filter((id) => !hasRealRow(now[id] ?? []) && !orphans.includes(id));
    for (const id of IDS) {
      if (hasRealRow(before[id] ?? [])) its(undone, `${id} was stored before the death`).not.toContain(id);
    }
    // A head that does not know better may hand out again what the dead life had started.
    const known = head.of('taskStarted', 'one').length;
    handOut(head, [...shipping, ...orphans], 1, given, 2);
    await waitUntil('lost is said again', () => orphans.every((id) => head.ends('one')[id]?.includes('lost') === true));
    handOut(head, undone, 1, given, 2);
    handOut(head, orphans, 2, given, 2);
    await waitUntil(
      'every id has a real row',
      async () => Object.values(await rowsOf(store)).every(hasRealRow),
      40_000,
    );

    const rows = await rowsOf(store);
    for (const id of IDS) {
      its(rows[id], id).toEqual(orphans.includes(id) ? ['1 synthetic', '2 real'] : ['1 real']);
    }
    const starts = head.of('taskStarted', 'one').map(({ instanceId, attempt }) => `${instanceId} ${attempt}`);
    const again = starts.slice(known).filter((start) => [...shipping, ...orphans].some((id) => start === `${id} 1`));
    its(again, 'what the dead life had started').toEqual([]);
    if (point === 'shard.after-complete') its(shipped).not.toEqual([]);
    const twice = (await wholeShards(store)).filter((name) => !shipped.includes(name) && isSameSlice(name, shipped));
    its(twice, 'shipped under another name, though it was whole').toEqual([]);
    its(starts.length, 'no attempt was started twice').toBe(new Set(starts).size);
    head.send('one', { $case: 'closeRun', value: { runId: 'r1' } });
    await waitUntil('the run is closed', () => head.of('runClosed', 'one').length === 1, 30_000);
    // What no task of this life touched is shipped beside the run: a head waits for the word of it.
    await waitUntil(
      'what was built is in the store',
      async () => Object.keys(await shardsOf(store)).length === 2,
      30_000,
    );
    const shards = await shardsOf(store);
    its(Object.keys(shards).sort()).toEqual(['inn', 'shop']);
    for (const digests of Object.values(shards)) its(digests.size, 'one content a database').toBe(1);
    if (BUILT_NOT_SHIPPED.includes(point)) {
      const names = await namesIn(store, shardsPrefix('r1'));
      its(
        names.some((name) => /-recovered\/\w+\/_upload_complete$/.test(name)),
        'shipped by the successor',
      ).toBe(true);
    }
    its(successor.held).toEqual([]);
    await waitUntil('what the dead life left is cleared away', () => isGone(dead), 30_000);
    // A reference may be stored and not yet acknowledged when the successor stops: then it leaves that to the next.
    const left = await lives();
    await successor[Symbol.asyncDispose]();
    await using last = await startDataDirNode({ ...at, security: head.security, store });
    await waitUntil('nothing is owed any more', () => isGone(left), 30_000);
    its(last.held).toEqual([]);
  });
});

function handOut(
  head: ScriptedHead,
  ids: readonly string[],
  attempt: number,
  given: Readonly<Record<string, { runId: string; shard: string }>>,
  epoch = 1,
): void {
  for (const [database, members] of Map.groupBy(ids, (id) => id.split('_')[0] ?? '')) {
    const reference = given[database];
    head.batch('one', 'r1', members, { attempt, ...(reference ? { reference } : { grantEpoch: epoch }) });
  }
}

/** Lets another node build the reference of `shop`, without any task of ours: gives its shard. */
async function buildAtPeer(dir: string, store: ObjectStore, head: ScriptedHead): Promise<string> {
  await using _peer = await startDataDirNode({
    name: 'peer',
    dataDir: join(dir, 'peer'),
    address: head.address,
    security: head.security,
    store,
  });
  await waitUntil('the peer has joined', () => head.of('inventory', 'peer').length === 1, 30_000);
  await head.openRun('peer', 'r1');
  const tasks = [{ instanceId: 'shop_1', attempt: 9 }];
  head.send('peer', {
    $case: 'batch',
    value: { runId: 'r1', database: 'shop', tasks, grantEpoch: 1, reference: undefined },
  });
  await waitUntil('the peer has built it', () => head.of('referenceReady', 'peer').length === 1, 30_000);
  await waitUntil('and ended', () => head.ends('peer')['shop_1'] !== undefined, 30_000);
  const name = (await namesIn(store, 'runs/r1/rows/shop_1/'))[0] ?? '';
  const info = await store.stat(name);
  await store.remove(name, info?.generation ?? '');
  return head.of('referenceReady', 'peer')[0]!.shard;
}
