/** A node as a daemon: data dir, spool and a head that it dials again, on real threads and a real port. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Node } from '../../src/node/node.ts';
import { localReference } from '../../src/reference/local-reference.ts';
import { openDirectoryStore } from '../../src/store/directory.ts';
import { FaultPlan, withFaults } from '../../src/store/faults.ts';
import { shardsPrefix } from '../../src/store/layout.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { submitToStore, type ClusterRun } from '../helpers/cluster-run.ts';
import { startDataDirNode, type DataDirNode } from '../helpers/data-dir-node.ts';
import { kbRow, writeKbDataset } from '../helpers/kb-dataset.ts';
import { ScriptedHead } from '../helpers/scripted-head.ts';
import { namesIn, temporaryFolder } from '../helpers/store-fixtures.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const RUNAWAY = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n';

let folder: ReturnType<typeof temporaryFolder>;
let dir: string;
let store: ObjectStore;
let head: ScriptedHead;
let nodes: Node[];
beforeEach(async () => {
  folder = temporaryFolder();
  dir = folder.path;
  store = await openDirectoryStore(pathToFileURL(join(dir, 'bucket')).href);
  head = await ScriptedHead.start();
  nodes = [];
});
afterEach(async () => {
  for (const node of nodes) await node[Symbol.asyncDispose]();
  await head[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** A dataset of `shop` and `inn` with some tasks each; those called `<db>_9` have a gold SQL that never ends. */
async function makeDataset(): Promise<string> {
  const datasetDir = join(dir, 'dataset');
  await writeKbDataset(datasetDir, ['shop', 'inn'], [kbRow(0, -1, { definition: 'price * 2' })]);
  const lines = ['shop', 'inn'].flatMap((database) =>
    [1, 2, 3, 4, 5, 9].map((n) => ({
      instance_id: `${database}_${n}`,
      selected_database: database,
      amb_user_query: 'How many?',
      sol_sql: [n === 9 ? RUNAWAY : 'SELECT count(*) FROM items'],
    })),
  );
  await writeFile(join(datasetDir, 'mini_interact.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'));
  return datasetDir;
}

async function submit(ids: readonly string[], more: Partial<ClusterRun> = {}): Promise<void> {
  const datasetDir = existsSync(join(dir, 'dataset')) ? join(dir, 'dataset') : await makeDataset();
  await submitToStore(store, { runId: 'r1', datasetDir, cacheRoot: join(dir, 'submitter-cache'), ids, ...more });
}

const ORACLE = { settings: { mode: 'oracle', sql_timeout_ms: 60_000 } } as const;

async function start(name: string, more: Partial<DataDirNode> = {}): Promise<Node> {
  const node = await startDataDirNode({
    name,
    dataDir: join(dir, name),
    address: head.address,
    security: head.security,
    store,
    ...more,
  });
  nodes.push(node);
  await waitUntil(`${name} has joined`, () => head.of('inventory', name).length > 0);
  return node;
}

const rows = async (run = 'r1'): Promise<string[]> =>
  (await namesIn(store, `runs/${run}/rows/`)).map((name) => name.split('/').slice(3).join('/'));

async function referenceRoots(name: string): Promise<string[]> {
  const root = join(dir, name, 'references');
  return existsSync(root) ? (await readdir(root)).map((id) => join(root, id)) : [];
}

describe('a node on a data dir', () => {
  it('builds a reference under a grant, says where its shard is, and another node takes it from there (U-04, P-08)', async () => {
    await submit(['shop_1', 'shop_2', 'shop_3']);
    await start('one');
    await start('two');
    await head.openRun('one', 'r1');
    await head.openRun('two', 'r1');
    head.batch('one', 'r1', ['shop_1'], { grantEpoch: 7 });
    await waitUntil('the reference is ready', () => head.of('referenceReady').length > 0, 15_000);
    const [ready] = head.of('referenceReady', 'one');
    expect(ready).toMatchObject({ runId: 'r1', database: 'shop', grantEpoch: 7, wasEncoded: true });
    const shard = `${shardsPrefix('r1')}${ready!.shard}/shop/`;
    expect(await namesIn(store, shard)).toContain(`${shard}_upload_complete`);
    const record = JSON.parse((await store.read(`${shard}_skein_shard.json`))!.bytes.toString()) as object;
    expect(record).toMatchObject({ epoch: 7, content_digest: ready!.digest, identity: { epoch: 7, run_id: 'r1' } });

    head.batch('two', 'r1', ['shop_2', 'shop_3'], { reference: { runId: 'r1', shard: ready!.shard } });
    await waitUntil('all have ended', () => Object.keys(head.ends()).length === 3, 15_000);
    expect(head.ends()).toEqual({ shop_1: ['ok'], shop_2: ['ok'], shop_3: ['ok'] });
    expect(head.of('referenceReady')).toHaveLength(1);
    expect((await namesIn(store, shardsPrefix('r1'))).every((name) => name.startsWith(shard))).toBe(true);
    const [root] = await referenceRoots('two');
    expect((await localReference(root!, 'shop'))?.order.digest).toBe(ready!.digest);
    expect(await rows()).toEqual(['shop_1/attempt-1.json', 'shop_2/attempt-1.json', 'shop_3/attempt-1.json']);

    for (const name of ['one', 'two']) head.send(name, { $case: 'closeRun', value: { runId: 'r1' } });
    await waitUntil('the run is closed', () => head.of('runClosed').length === 2);
    for (const { helperFailures } of head.of('runClosed')) expect(helperFailures).toEqual({});
  });

  it('says of each of its phases when it began and how long it took, and the task of the build (V-24, P-47)', async () => {
    await submit(['shop_1']);
    const logPath = join(dir, 'log.jsonl');
    await start('one', { logPath });
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1'], { grantEpoch: 7 });
    await waitUntil('it has ended', () => Object.keys(head.ends()).length === 1, 15_000);
    head.send('one', { $case: 'closeRun', value: { runId: 'r1' } });
    await waitUntil('the run is closed', () => head.of('runClosed').length === 1);
    const log = await readFile(logPath, 'utf8');
    for (const phase of ['places of r1', 'dataset shop', 'cache shop', 'upload of the reference of shop']) {
      expect(log).toContain(`"[timing] ${phase} start"`);
      expect(log).toMatch(new RegExp(`"\\[timing\\] ${phase} done \\(\\d+\\.\\d{3} s\\)"`));
    }
    const task = (await store.read('runs/r1/logs/shop_1/attempt-1.log'))?.bytes.toString() ?? '';
    for (const phase of ['reference.lock', 'reference.encode', 'reference.commit', 'task']) {
      expect(task).toContain(`[timing] ${phase} start\n`);
      expect(task).toMatch(new RegExp(`\\[timing\\] ${phase} done \\(`));
    }
  });

  it('takes nothing new while its spool is full, says so, and goes on when the store has taken enough of it', async () => {
    const plan = new FaultPlan({ fault: { kind: 'delay', delayMs: 700 }, on: 'create', name: /attempt-1\.json$/ });
    const ids = ['shop_1', 'shop_2', 'shop_3', 'shop_4', 'shop_5'];
    await submit(ids, { settings: { framework: 'noop', query_mode: 'raw' } });
    await start('one', { store: withFaults(store, plan), limitBytes: 3_000, actors: 1 });
    await head.openRun('one', 'r1');
    const troubles = (): string[] => head.of('health', 'one').map(({ trouble }) => trouble);
    head.batch('one', 'r1', ids);
    await waitUntil('its spool is full', () => troubles().some((text) => text.startsWith('spool full: ')), 15_000);
    await waitUntil('all came back or ended', () => Object.keys(head.ends()).length === 5, 15_000);
    const ends = (): string[] => Object.values(head.ends()).map((words) => words.join(' '));
    expect(ends(), 'what waited goes back').toContain('returned');
    await waitUntil('work is taken again', () => troubles().at(-1) === '', 15_000);
    const again = Object.entries(head.ends()).filter(([, words]) => words.at(-1) === 'returned');
    // One by one: a batch that fills it again comes back again.
    for (const [id] of again) {
      await waitUntil('work is taken', () => troubles().at(-1) === '', 15_000);
      head.batch('one', 'r1', [id]);
      await waitUntil(`${id} has ended`, () => head.ends()[id]?.at(-1) === 'ok', 15_000);
    }
    expect((await rows()).length).toBe(5);
  });

  it('tells the next head of a reference that no head has heard of, also in its next life, until one has (P-07)', async () => {
    await submit(['shop_1', 'inn_1']);
    const logPath = join(dir, 'log.jsonl');
    const node = await start('one', { logPath });
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1'], { grantEpoch: 7 });
    await waitUntil('it has begun', () => head.of('taskStarted').length === 1, 15_000);
    const { port, security } = head;
    await head[Symbol.asyncDispose]();
    expect(head.of('referenceReady')).toEqual([]);
    await waitUntil('it is ready', async () => (await readFile(logPath, 'utf8')).includes('"reference ready"'), 15_000);
    await node.drain(10_000);
    await node[Symbol.asyncDispose]();
    nodes.pop();
    const shards = await namesIn(store, shardsPrefix('r1'));

    const boot = async (): Promise<ScriptedHead> => {
      head = await ScriptedHead.start({ port, security, epoch: 2 });
      await start('one');
      return head;
    };
    await boot();
    const heard = (): string[] => head.heard.map(({ event }) => event.$case);
    expect(head.of('referenceReady')).toMatchObject([
      { runId: 'r1', database: 'shop', grantEpoch: 7, wasEncoded: true },
    ]);
    expect(heard().indexOf('referenceReady')).toBeLessThan(heard().indexOf('inventory'));
    expect(shards.some((name) => name.includes(`/${head.of('referenceReady')[0]?.shard}/`))).toBe(true);
    // Said, and not built or shipped once more.
    expect(await namesIn(store, shardsPrefix('r1'))).toEqual(shards);
    await nodes.pop()![Symbol.asyncDispose]();
    await head[Symbol.asyncDispose]();

    await boot();
    expect(head.of('referenceReady')).toEqual([]);
  });

  it('gives back what it may not encode, and makes nothing', async () => {
    await submit(['shop_1', 'shop_2']);
    const logPath = join(dir, 'log.jsonl');
    await start('one', { logPath });
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1', 'shop_2']);
    await waitUntil('both are back', () => Object.keys(head.ends()).length === 2);
    expect(head.ends()).toEqual({ shop_1: ['returned'], shop_2: ['returned'] });
    expect(head.of('taskStarted')).toEqual([]);
    expect(await referenceRoots('one')).toEqual([]);
    expect(await readFile(logPath, 'utf8')).toMatch(/shop.*may not encode it/);
    head.batch('one', 'r1', ['shop_1'], { grantEpoch: 1 });
    await waitUntil('with a grant it runs', () => head.ends()['shop_1']?.length === 2, 15_000);
    expect(head.ends()['shop_1']).toEqual(['returned', 'ok']);
  });

  it('gives back what needs a reference that is not whole where the head says, and why', async () => {
    await submit(['shop_1']);
    await start('one');
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1'], { reference: { runId: 'r1', shard: 'nobody-1-x' } });
    await waitUntil('it is back', () => head.ends()['shop_1'] !== undefined);
    expect(head.of('taskEnded')[0]?.error).toMatch(/nobody-1-x.*not whole/);
    expect(head.ends()).toEqual({ shop_1: ['returned'] });
    expect(head.of('runFailed')).toEqual([]);
  });

  it('gives back the tasks of a database whose required setup is not there, says why, and goes on with the others (S-05)', async () => {
    await submit(['shop_1', 'inn_1']);
    const marker = 'runs/r1/slayer_setup/slayer_otf_cache/shop/_cache_fp.txt';
    await store.remove(marker, (await store.stat(marker))!.generation);
    await start('one');
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1'], { grantEpoch: 1 });
    head.batch('one', 'r1', ['inn_1'], { grantEpoch: 1 });
    await waitUntil('both have ended', () => Object.keys(head.ends()).length === 2, 15_000);
    expect(head.of('databaseFailed')).toMatchObject([{ runId: 'r1', database: 'shop' }]);
    expect(head.of('databaseFailed')[0]?.error).toMatch(/slayer_otf_cache\/shop.*not whole/);
    expect(head.ends()).toEqual({ shop_1: ['returned'], inn_1: ['ok'] });
    const heard = head.heard.map(({ event }) => event.$case);
    expect(heard.indexOf('databaseFailed')).toBeLessThan(heard.indexOf('taskEnded'));
    expect(head.of('runFailed')).toEqual([]);
  });

  it("takes the run's seed for the granted reference at once, in a root of its own (S-04, S-06)", async () => {
    await submit(['shop_1']);
    await start('one');
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1'], { grantEpoch: 1 });
    await waitUntil('it was built', () => head.ends()['shop_1'] !== undefined, 15_000);
    const [built] = await referenceRoots('one');
    await submit(['shop_2'], { runId: 'r2', referenceRoot: built! });
    await head.openRun('one', 'r2');
    head.batch('one', 'r2', ['shop_2'], { grantEpoch: 1 });
    await waitUntil('the other run has ended', () => head.ends()['shop_2'] !== undefined, 15_000);
    const ready = head.of('referenceReady').find(({ runId }) => runId === 'r2');
    expect(ready).toMatchObject({ shard: '', wasEncoded: false });
    expect(ready?.digest).toBe((await localReference(built!, 'shop'))?.order.digest);
    expect(await referenceRoots('one')).toHaveLength(2);
    expect(await namesIn(store, shardsPrefix('r2'))).toEqual([]);
  });

  it('gives back what is stolen, drops what is revoked, and starts no attempt twice', async () => {
    await submit(['shop_1', 'shop_2', 'shop_3', 'shop_4', 'shop_9'], ORACLE);
    await start('one', { actors: 1 });
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_9', 'shop_1', 'shop_2', 'shop_3']);
    await waitUntil('the long one runs', () => head.of('taskStarted').length === 1, 15_000);
    head.batch('one', 'r1', ['shop_9', 'shop_1', 'shop_4']);
    head.send('one', { $case: 'steal', value: { runId: 'r1', database: 'shop', count: 2 } });
    await waitUntil('two came back', () => Object.keys(head.ends()).length === 2);
    expect(head.ends()).toEqual({ shop_3: ['returned'], shop_4: ['returned'] });
    const tasks = ['shop_9', 'shop_2'].map((instanceId) => ({ instanceId, attempt: 1 }));
    head.send('one', { $case: 'revoke', value: { runId: 'r1', tasks } });
    await waitUntil('what was left has run', () => head.ends()['shop_1'] !== undefined, 15_000);
    head.batch('one', 'r1', ['shop_3']);
    await waitUntil('what came back may come again', () => head.ends()['shop_3']?.length === 2, 15_000);
    expect(head.ends()).toEqual({ shop_1: ['ok'], shop_3: ['returned', 'ok'], shop_4: ['returned'] });
    expect(head.of('taskStarted').map(({ instanceId }) => instanceId)).toEqual(['shop_9', 'shop_1', 'shop_3']);
    expect(await rows()).toEqual(['shop_1/attempt-1.json', 'shop_3/attempt-1.json']);
  });

  it('goes on while it is cut off, and tells the next head what it holds', async () => {
    await submit(['shop_1', 'shop_2', 'shop_9'], ORACLE);
    await start('one', { actors: 1 });
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_9', 'shop_1']);
    await waitUntil('the long one runs', () => head.of('taskStarted').length === 1, 15_000);
    const { port, security } = head;
    await head[Symbol.asyncDispose]();
    head = await ScriptedHead.start({ port, security, epoch: 2 });
    await waitUntil('it is back', () => head.of('inventory').length > 0, 10_000);
    expect(head.inventory('one')).toEqual(['shop_1 1 QUEUED', 'shop_9 1 RUNNING']);
    expect(head.of('inventory').at(-1)?.openRuns).toEqual(['r1']);
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1', 'shop_2']);
    head.send('one', { $case: 'revoke', value: { runId: 'r1', tasks: [{ instanceId: 'shop_9', attempt: 1 }] } });
    await waitUntil('the others end', () => Object.keys(head.ends()).length === 2, 15_000);
    expect(head.ends()).toEqual({ shop_1: ['ok'], shop_2: ['ok'] });
  });

  it('keeps its rows while the store refuses them, says so, takes nothing new, and ships them when it can (W-06, X-06)', async () => {
    await submit(['shop_1', 'shop_2', 'shop_3'], ORACLE);
    const faults = new FaultPlan();
    await start('one', { actors: 1, store: withFaults(store, faults) });
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1']);
    await waitUntil('the first has ended', () => head.ends()['shop_1'] !== undefined, 15_000);
    faults.add({ on: 'create', name: /\/rows\//, fault: { kind: 'refuse' } });
    head.batch('one', 'r1', ['shop_2']);
    const health = () => head.of('health').at(-1);
    await waitUntil('it says so', () => health()?.trouble.startsWith('store') === true, 15_000);
    head.batch('one', 'r1', ['shop_3']);
    await waitUntil('its row is owed', () => health()?.spoolRows === 1, 8_000);
    expect(head.of('taskStarted').map(({ instanceId }) => instanceId)).toEqual(['shop_1', 'shop_2']);
    expect(head.ends()['shop_2']).toBeUndefined();
    await waitUntil('it took nothing new', () => head.ends()['shop_3']?.[0] === 'returned');
    faults.clear();
    await waitUntil('the row is stored', () => head.ends()['shop_2'] !== undefined, 20_000);
    await waitUntil('all is well', () => health()?.trouble === '');
    head.batch('one', 'r1', ['shop_3']);
    await waitUntil('the other runs', () => head.ends()['shop_3']?.length === 2, 15_000);
    expect(head.ends()).toEqual({ shop_1: ['ok'], shop_2: ['ok'], shop_3: ['returned', 'ok'] });
  });

  it('starts nothing while its disk has too little room, and says so', async () => {
    await submit(['shop_1'], ORACLE);
    await start('one', { minFreeBytes: 2 ** 62 });
    await waitUntil('it says so', () => head.of('health').at(-1)?.trouble.startsWith('disk full: ') === true);
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_1']);
    await waitUntil('it is back', () => head.ends()['shop_1']?.[0] === 'returned');
    expect(head.of('taskStarted')).toEqual([]);
  });

  it('leaves in order: gives back what has not started, lets what runs end, ships it, and says goodbye', async () => {
    await submit(['shop_1', 'shop_2', 'shop_9', 'inn_9'], ORACLE);
    const node = await start('one', { actors: 1 });
    await head.openRun('one', 'r1');
    head.batch('one', 'r1', ['shop_9', 'shop_1', 'shop_2']);
    await waitUntil('the long one runs', () => head.of('taskStarted').length === 1, 15_000);
    await waitUntil('its actor lives', () => head.of('actorsChanged').at(-1)?.live === 1, 15_000);
    const drained = node.drain(300);
    await waitUntil('it says that it leaves', () => head.of('health').at(-1)?.trouble.startsWith('leaving') === true);
    head.batch('one', 'r1', ['inn_9']);
    await drained;
    await node[Symbol.asyncDispose]();
    nodes.pop();
    await waitUntil('goodbye', () => head.of('leaving').length === 1);
    expect(head.ends()).toEqual({
      shop_1: ['returned'],
      shop_2: ['returned'],
      inn_9: ['returned'],
      shop_9: ['returned'],
    });
    expect(existsSync(join(dir, 'one', 'work'))).toBe(true);
    expect(await readdir(join(dir, 'one', 'work'))).toEqual([]);
  });

  it('shares its actors between runs, and never has more of them than it may (P-48)', async () => {
    const ids = (database: string): string[] => [1, 2, 3, 4, 5].map((n) => `${database}_${n}`);
    await submit(ids('shop'), ORACLE);
    await submit(ids('inn'), { runId: 'r2', ...ORACLE });
    await start('one', { actors: 2 });
    await head.openRun('one', 'r1');
    await head.openRun('one', 'r2');
    head.batch('one', 'r1', ids('shop'));
    head.batch('one', 'r2', ids('inn'));
    await waitUntil('all have ended', () => Object.keys(head.ends()).length === 10, 30_000);
    expect(Object.values(head.ends()).flat()).toEqual(Array(10).fill('ok'));
    const counts = head.of('actorsChanged');
    expect(Math.max(...counts.map(({ live, pending }) => live + pending))).toBeLessThanOrEqual(2);
    expect(counts.some(({ pending }) => pending > 0)).toBe(true);
  });
});
