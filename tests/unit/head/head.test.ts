import { afterEach, describe, expect, it } from 'vitest';

import { HeldState, Outcome } from '../../../src/gen/skein/v1/node.ts';
import { NodeState, RunState } from '../../../src/gen/skein/v1/run.ts';
import { Head, type HeadOptions } from '../../../src/head/head.ts';
import { createLogger, createLoggerOn } from '../../../src/kernel/log.ts';
import { readLease } from '../../../src/run/lease.ts';
import type { Manifest } from '../../../src/run/manifest.ts';
import { makeStatus, readStatus, writeStatus } from '../../../src/run/status.ts';
import { grantName, runLeaseName } from '../../../src/store/layout.ts';
import { encodingOf } from '../../../src/head/grant-record.ts';
import { manifestOf, putRow, row } from '../../helpers/rows.ts';
import { heldTask, TOKEN, type ScriptedNode } from '../../helpers/scripted-node.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { ClusterScene } from './cluster-scene.ts';

const noop = (ids: readonly string[], fields: Partial<Manifest> = {}): Manifest =>
  manifestOf(ids, { framework: 'noop', query_mode: 'raw', ...fields });
const some = (database: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${database}_${at + 1}`);

let scene: ClusterScene;
const open = async (options: Partial<HeadOptions> = {}): Promise<ClusterScene> =>
  (scene = await ClusterScene.open(options));

/** Ends whatever `nodes` hold until every id has its row: what is idle at one may go to another meanwhile. */
const workOff = (nodes: readonly ScriptedNode[]): Promise<void> =>
  waitUntil('every id has its row', async () => {
    for (const node of nodes) for (const id of [...node.held.keys()]) if (node.held.has(id)) await node.ends(id);
    const { rowsOk, rowsError, total } = await scene.progress();
    return rowsOk + rowsError === total;
  });

afterEach(() => scene[Symbol.asyncDispose]());

describe('a run on nodes', () => {
  it('ends with a row for every id, its work spread over the nodes', async () => {
    await open();
    const nodes = [await scene.join('n1', { isEager: true }), await scene.join('n2', { isEager: true })];
    await scene.run(noop([...some('a', 60), ...some('b', 60)]));
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, total: 120, rowsOk: 120, nodes: 2 });
    for (const { given } of nodes) expect(given.length).toBeGreaterThan(20);
    expect(await scene.stored()).toMatchObject({ terminal_state: 'done', rows_done: 120, retried: 0 });
    expect(await readLease(scene.store, runLeaseName('r1'))).toMatchObject({ released: true, kind: 'daemon' });
  });

  it('a node that joins late gets work that another one has not started', async () => {
    await open();
    const first = await scene.join('n1');
    await scene.run(noop(some('a', 30)));
    await first.has(...some('a', 30));
    for (const id of ['a_1', 'a_2']) first.started(id);
    const second = await scene.join('n2');
    await waitUntil('the second node has its share', () => second.held.size >= 13);
    expect(first.held.has('a_1') && first.held.has('a_2')).toBe(true);
    expect(new Set([...first.held.keys(), ...second.held.keys()]).size).toBe(30);
  });

  it('hands a node its first tasks only when the store has it that they may be there', async () => {
    await open();
    await scene.join('n1');
    await scene.run(noop(some('a', 60)));
    // The beat that began the run knew of one node; the next one by itself is seconds away.
    const second = await scene.join('n2');
    await waitUntil('the second node has tasks', () => second.held.size > 0);
    expect((await scene.stored())?.nodes.map(({ node }) => node)).toEqual(['n1', 'n2']);
  });

  it('keeps no more out than max_in_flight allows', async () => {
    await open();
    const node = await scene.join('n1');
    await scene.run(noop(some('a', 9)), 3);
    await node.has('a_1', 'a_2', 'a_3');
    await node.ends('a_2');
    await node.has('a_4');
    expect([...node.held.keys()]).toEqual(['a_1', 'a_3', 'a_4']);
  });

  it('shares nodes fairly: a second run does not wait for the first one (P-48)', async () => {
    await open();
    const node = await scene.join('n1', { actors: 1 });
    await scene.run(noop(some('a', 200)));
    await waitUntil('the window is full', () => node.held.size === 24);
    await scene.run(noop(some('b', 5), { run_id: 'r2' }));
    await waitUntil('it is open', () => node.openRuns.has('r2'));
    for (const id of node.given.slice(0, 5)) await node.ends(id);
    await node.has(...some('b', 5));
  });

  it('gives nothing to a node with trouble, and goes on when that is over', async () => {
    await open();
    const node = await scene.join('n1');
    node.health('disk full: 0 bytes left');
    await waitUntil('the head knows', async () => (await scene.status()).nodes[0]?.trouble !== '');
    await scene.run(noop(['a_1']));
    await waitUntil('it is open', () => node.openRuns.has('r1'));
    expect(node.given).toEqual([]);
    node.health('');
    await node.has('a_1');
  });

  it('goes on with the others when a node cannot work on the run', async () => {
    await open();
    const [bad, good] = [await scene.join('n1'), await scene.join('n2')];
    await scene.run(noop(['a_1', 'a_2']));
    await waitUntil('both have it open', () => bad.openRuns.has('r1') && good.openRuns.has('r1'));
    bad.runFailed('r1', 'no dataset');
    await good.has('a_1', 'a_2');
    for (let times = 0; times < 3; times += 1) bad.runFailed('r1', 'no dataset');
    for (let times = 0; times < 3; times += 1) good.runFailed('r1', 'no dataset here either');
    expect(await scene.end()).toMatchObject({ state: RunState.FAILED, error: 'no dataset here either' });
  });

  it('gives the tasks of a database that one node cannot work on to another, and that node the rest', async () => {
    await open();
    const [bad, good] = [await scene.join('n1', { actors: 1 }), await scene.join('n2', { actors: 1 })];
    await scene.run(noop(['a_1', 'a_2', 'b_1', 'b_2']));
    await waitUntil('all are out', () => bad.held.size + good.held.size === 4);
    const database = [...bad.held.values()][0]!.database;
    bad.databaseFailed('r1', database, 'its setup is not whole');
    await good.has(`${database}_1`, `${database}_2`);
    await workOff([bad, good]);
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 4, rowsError: 0 });
  });

  it('ends what no node can work on with rows that say why, and everything else as ever (W-07, Q-40)', async () => {
    await open();
    const nodes = [await scene.join('n1'), await scene.join('n2')];
    await scene.run(noop(['a_1', 'a_2', 'b_1', 'b_2', 'b_3']));
    await waitUntil('all are out', () => nodes.reduce((sum, { held }) => sum + held.size, 0) === 5);
    for (const node of nodes) {
      for (let times = 0; times < 3; times += 1) node.databaseFailed('r1', 'a', 'its setup is not whole');
    }
    await waitUntil('they have their rows', async () => {
      // What was on its way to one when it said so comes back, too.
      for (const node of nodes) for (const id of node.held.keys()) if (id < 'b') node.says(id, Outcome.RETURNED);
      return (await scene.progress()).rowsError === 2;
    });
    await workOff(nodes);
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 3, rowsError: 2, retried: 0 });
    expect(await scene.row('a_1')).toMatchObject({
      error: 'dispatch-failure: no node can work on database a: its setup is not whole',
      attempt: 1,
      synthetic: { reason: 'dispatch-failure', cause: 'its setup is not whole' },
    });
  });

  it('tells what it is and what it does', async () => {
    await open();
    const node = await scene.join('n1', { actors: 3 });
    await scene.run(noop(['a_1', 'a_2']));
    await node.has('a_1', 'a_2');
    node.started('a_1');
    await waitUntil('it is shown', async () => (await scene.progress()).inFlight.length === 1);
    expect(await scene.progress()).toMatchObject({ inFlight: [{ instanceId: 'a_1', node: 'n1' }], nodes: 1 });
    expect(await scene.status()).toMatchObject({
      address: scene.head.address,
      headId: 'head-1',
      epoch: 1,
      hasLease: true,
      storeTrouble: '',
      nodes: [{ node: 'n1', state: NodeState.CONNECTED, actors: 3, tasksOut: 2 }],
      runs: [{ runId: 'r1', state: RunState.RUNNING, total: 2, out: 2 }],
    });
    expect(await scene.client.describe()).toMatchObject({ storeUrl: 'memory:', headId: 'head-1', epoch: 1 });
  });

  it('stops a drained run, which stays open for a resume and is not taken on by the next head', async () => {
    await open();
    const node = await scene.join('n1');
    await scene.run(noop(['a_1', 'a_2']));
    await node.has('a_1');
    await node.ends('a_1');
    await scene.client.drainRun('r1', 0);
    expect(await scene.end()).toMatchObject({ state: RunState.STOPPED, rowsOk: 1 });
    expect(await scene.stored()).toMatchObject({ terminal_state: null, stopped: true });
    await scene.killHead();
    await scene.startHead();
    await scene.head.adopted();
    expect((await scene.status()).runs).toEqual([]);
    await scene.client.startRun('r1');
    await node.has('a_2');
    await node.ends('a_2');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE });
  });
});

describe('a lost attempt', () => {
  it('of an actor is started again as the next attempt, and its row that stands does not count as done (P-49)', async () => {
    await open();
    const node = await scene.join('n1');
    await scene.run(noop(['a_1', 'a_2']));
    await node.has('a_1', 'a_2');
    await putRow(
      scene.store,
      row('a_1', { error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'exit 1' } }),
    );
    node.says('a_1', Outcome.LOST);
    await waitUntil('it is handed out again', () => node.batches.some(({ tasks }) => tasks[0]?.attempt === 2));
    await node.ends('a_2');
    await waitUntil('that counts', async () => (await scene.progress()).rowsOk === 1);
    expect(await scene.progress()).toMatchObject({ rowsOk: 1, rowsError: 0, retried: 1, state: RunState.RUNNING });
    await node.ends('a_1');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 2, rowsError: 0 });
  });

  it('is final when retry_lost is used up (P-49, N-05)', async () => {
    await open();
    const node = await scene.join('n1');
    await scene.run(noop(['a_1'], { retry_lost: 0 }));
    await node.has('a_1');
    node.says('a_1', Outcome.LOST);
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsError: 1, retried: 0 });
  });
});

describe('the death of a node', () => {
  it('is proven by its data dir dialling in with a new boot: what ran is lost at once, what did not waits again', async () => {
    await open();
    const node = await scene.join('n1', { dataDirId: 'd1', bootId: 'b1' });
    await scene.run(noop(['a_1', 'a_2', 'a_3']));
    await node.has('a_1', 'a_2', 'a_3');
    node.started('a_1');
    await node.ends('a_3');
    await waitUntil('the head knows', async () => (await scene.progress()).inFlight.length === 1);
    await node[Symbol.asyncDispose]();
    const next = await scene.join('n1', { dataDirId: 'd1', bootId: 'b2' });
    await next.has('a_1', 'a_2');
    expect(next.held.get('a_1')?.attempt).toBe(2);
    expect(next.held.get('a_2')?.attempt).toBe(1);
    expect(next.given).not.toContain('a_3');
    expect(await scene.row('a_1')).toMatchObject({
      instance_id: 'a_1',
      database: 'a',
      error: 'actor-lost',
      submission_status: 'never_submitted',
      synthetic: { reason: 'actor-lost', cause: expect.stringContaining('n1') },
    });
    expect(await scene.row('a_2')).toBeUndefined();
  });

  it('costs nothing that its next life still ships, and what it had begun without a result is lost', async () => {
    await open();
    const node = await scene.join('n1', { dataDirId: 'd1', bootId: 'b1' });
    await scene.run(noop(['a_1', 'a_2']));
    await node.has('a_1', 'a_2');
    await node[Symbol.asyncDispose]();
    const next = await scene.join('n1', {
      dataDirId: 'd1',
      bootId: 'b2',
      inventory: [heldTask('a_1', HeldState.SHIPPING), heldTask('a_2', HeldState.ORPHANED)],
    });
    await waitUntil('the orphan is started again', () => next.held.get('a_2')?.attempt === 2);
    expect(next.given).toEqual(['a_2']);
    await next.ends('a_1');
    await next.ends('a_2');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 2, retried: 1 });
  });

  it('never writes a verdict over a row that the node had stored before it died (X-04)', async () => {
    await open();
    const node = await scene.join('n1', { dataDirId: 'd1', bootId: 'b1' });
    await scene.run(noop(['a_1']));
    await node.has('a_1');
    node.started('a_1');
    await waitUntil('the head knows', async () => (await scene.progress()).inFlight.length === 1);
    await putRow(scene.store, row('a_1'));
    await node[Symbol.asyncDispose]();
    const next = await scene.join('n1', { dataDirId: 'd1', bootId: 'b2' });
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1, retried: 0 });
    expect(next.given).toEqual([]);
  });

  it('keeps a run that has all its rows open until its next life has shipped what it built (P-07, X-04)', async () => {
    await open();
    const node = await scene.join('n1', { dataDirId: 'd1', bootId: 'b1' });
    await scene.run(noop(['a_1']));
    await node.has('a_1');
    node.started('a_1');
    await putRow(scene.store, row('a_1'));
    await node[Symbol.asyncDispose]();
    const next = await scene.join('n1', { dataDirId: 'd1', bootId: 'b2', owedRuns: ['r1'] });
    let isShipped = false;
    const ended = scene.end().then(({ state }) => ({ state, isShipped }));
    await waitUntil('its row counts', async () => (await scene.progress()).rowsOk === 1);
    // The node has closed the run, or never opened it: an end would be there within these answers.
    for (let looks = 0; looks < 20; looks += 1) {
      expect((await scene.progress()).state).toBe(RunState.DRAINING);
    }
    isShipped = true;
    next.shipped('r1');
    expect(await ended).toEqual({ state: RunState.DONE, isShipped: true });
  });

  it('tells of uploads that failed while the run goes on, by kind, in progress, status and status.json (P-33)', async () => {
    await open();
    const node = await scene.join('n1');
    await scene.run(noop(['a_1']));
    await node.has('a_1');
    node.started('a_1');
    node.helpersFailed('r1', { snapshot: 2 });
    node.helpersFailed('r1', { snapshot: 1, log: 1 });
    const wanted = { snapshot: 3, log: 1 };
    await waitUntil('the head knows', async () => (await scene.progress()).helperFailures['log'] === 1);
    expect((await scene.progress()).helperFailures).toEqual(wanted);
    expect((await scene.status()).runs[0]?.helperFailures).toEqual(wanted);
    await node.ends('a_1');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, helperFailures: wanted });
    expect((await readStatus(scene.store, 'r1'))?.helper_failures).toEqual(wanted);
    expect((await scene.status()).runs[0]?.helperFailures, 'also of a run that ended').toEqual(wanted);
  });

  it('ends such a run without it when the node is lost for good', async () => {
    await open({ lostAfterMs: 500 });
    const node = await scene.join('n1', { dataDirId: 'd1', bootId: 'b1' });
    await scene.run(noop(['a_1']));
    await node.has('a_1');
    node.started('a_1');
    await putRow(scene.store, row('a_1'));
    await node[Symbol.asyncDispose]();
    const next = await scene.join('n1', { dataDirId: 'd1', bootId: 'b2', owedRuns: ['r1'] });
    await waitUntil('its row counts', async () => (await scene.progress()).rowsOk === 1);
    await next[Symbol.asyncDispose]();
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1 });
  });

  it('is believed of a node that says that it leaves', async () => {
    await open();
    const [going, staying] = [await scene.join('n1'), await scene.join('n2', { actors: 1 })];
    await scene.run(noop(['a_1']), 1);
    await waitUntil('somebody has it', () => going.held.size + staying.held.size === 1);
    const [holder, other] = going.held.size === 1 ? [going, staying] : [staying, going];
    holder.started('a_1');
    holder.leaves();
    await other.has('a_1');
    expect(other.held.get('a_1')?.attempt).toBe(2);
  });
});

describe('the silence of a node', () => {
  it('is not death: a node that comes back in time keeps what it runs, and nothing is started twice', async () => {
    await open();
    const node = await scene.join('n1');
    await scene.run(noop(['a_1']));
    await node.has('a_1');
    node.started('a_1');
    node.cut();
    await waitUntil('it is silent', async () => (await scene.status()).nodes[0]?.state === NodeState.SILENT);
    const other = await scene.join('n2');
    await waitUntil('the other one has it open', () => other.openRuns.has('r1'));
    node.heal();
    await node.ends('a_1');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1, retried: 0 });
    expect(other.given).toEqual([]);
  });

  it('counts as death after its time; a late result is kept beside the verdict and speaks for the id', async () => {
    await open({ lostAfterMs: 400 });
    const [node, other] = [await scene.join('n1'), await scene.join('n2', { actors: 1 })];
    await scene.run(noop(['a_1']), 1);
    await waitUntil('somebody has it', () => node.held.size + other.held.size === 1);
    const [silent, heard] = node.held.size === 1 ? [node, other] : [other, node];
    silent.started('a_1');
    await waitUntil('the head knows', async () => (await scene.progress()).inFlight.length === 1);
    silent.cut();
    await heard.has('a_1');
    expect(heard.held.get('a_1')?.attempt).toBe(2);
    expect(await scene.row('a_1')).toMatchObject({ error: 'actor-lost' });
    await silent.ends('a_1');
    silent.heal();
    // The attempt that nobody has begun is needless now.
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1, rowsError: 0, lateRows: 1, retried: 1 });
    expect(heard.ordersOf('revoke')).toMatchObject([{ runId: 'r1', tasks: [{ instanceId: 'a_1', attempt: 2 }] }]);
  });

  it('hands out again nothing that was begun and ended behind the cut: the store knows', async () => {
    await open({ lostAfterMs: 400 });
    const [node, other] = [await scene.join('n1'), await scene.join('n2', { actors: 1 })];
    await scene.run(noop(['a_1']), 1);
    await waitUntil('somebody has it', () => node.held.size + other.held.size === 1);
    const [silent, heard] = node.held.size === 1 ? [node, other] : [other, node];
    silent.cut();
    await silent.ends('a_1');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1, retried: 0 });
    expect(heard.given).toEqual([]);
  });

  it('may cost a run its tasks before the node is given up: they are revoked when it is back', async () => {
    await open();
    const [node, other] = [await scene.join('n1'), await scene.join('n2', { actors: 1 })];
    await scene.run(noop(['a_1'], { lost_after_ms: 300 }), 1);
    await waitUntil('somebody has it', () => node.held.size + other.held.size === 1);
    const [silent, heard] = node.held.size === 1 ? [node, other] : [other, node];
    silent.cut();
    await heard.has('a_1');
    expect(heard.held.get('a_1')?.attempt).toBe(1);
    silent.heal();
    await waitUntil('it is revoked there', () => silent.held.size === 0);
    expect(silent.ordersOf('revoke')).toMatchObject([{ tasks: [{ instanceId: 'a_1', attempt: 1 }] }]);
  });
});

describe('who encodes', () => {
  const encodingRun = (ids: readonly string[], fields: Partial<Manifest> = {}): Manifest =>
    manifestOf(ids, { framework: 'encode', lost_after_ms: 400, ...fields });

  it('is one node per database; the others take its reference when it is there', async () => {
    await open();
    const manifest = encodingRun([...some('a', 40), ...some('b', 3)]);
    const [first, second] = [await scene.join('n1', { actors: 1 }), await scene.join('n2', { actors: 1 })];
    await scene.run(manifest);
    await waitUntil('both work', () => first.held.size > 0 && second.held.size > 0);
    const databases = (node: typeof first): string[] => [...new Set(node.batches.map(({ database }) => database))];
    expect([...databases(first), ...databases(second)].sort()).toEqual(['a', 'b']);
    for (const { batches } of [first, second]) {
      for (const batch of batches) expect(batch).toMatchObject({ grantEpoch: 1, reference: undefined });
    }
    const [holder, other] = databases(first).includes('a') ? [first, second] : [second, first];
    expect(await scene.store.read(grantName(encodingOf(manifest, 'a'), 'a'))).toBeDefined();
    holder.referenceReady({ runId: 'r1', database: 'a', grantEpoch: 1, shard: 's1' });
    await waitUntil('the other gets some of it', () => databases(other).includes('a'));
    expect(other.batches.find(({ database }) => database === 'a')).toMatchObject({
      grantEpoch: 0,
      reference: { runId: 'r1', shard: 's1' },
    });
  });

  it('does not pass on when its holder dies with the reference in the store: its next life says so first', async () => {
    await open();
    const holder = await scene.join('n1', { bootId: 'b1' });
    const manifest = encodingRun(some('a', 40));
    await scene.run(manifest);
    await holder.has('a_1');
    const other = await scene.join('n2');
    await holder[Symbol.asyncDispose]();
    const ready = { runId: 'r1', database: 'a', grantEpoch: 1, shard: 's1', digest: 'd', wasEncoded: true };
    const next = await scene.join('n1', { bootId: 'b2', references: [ready] });
    await waitUntil('both have some of it', () => next.batches.length > 0 && other.batches.length > 0);
    for (const node of [next, other]) {
      expect(node.batches[0]).toMatchObject({ grantEpoch: 0, reference: { runId: 'r1', shard: 's1' } });
    }
    const name = grantName(encodingOf(manifest, 'a'), 'a');
    const record = async (): Promise<unknown> => JSON.parse(String((await scene.store.read(name))?.bytes));
    await waitUntil('the place is recorded', async () => ((await record()) as { ready: unknown }).ready !== null);
    expect(await record()).toMatchObject({ epoch: 1, ready: { run_id: 'r1', shard: 's1' } });
  });

  it('passes on when its holder is lost, under the next epoch, and what the former holder brings is refused', async () => {
    await open({ lostAfterMs: 400 });
    const [first, second] = [await scene.join('n1'), await scene.join('n2')];
    await scene.run(encodingRun(['a_1', 'a_2']));
    await waitUntil('one has it', () => first.held.size + second.held.size === 2);
    const [holder, other] = first.held.size > 0 ? [first, second] : [second, first];
    holder.cut();
    await other.has('a_1', 'a_2');
    expect(other.batches).toMatchObject([{ grantEpoch: 2 }]);
    holder.heal();
    await waitUntil('it is back', () => holder.sessions === 2);
    holder.referenceReady({ runId: 'r1', database: 'a', grantEpoch: 1, shard: 'zombie' });
    other.referenceReady({ runId: 'r1', database: 'a', grantEpoch: 2, shard: 's2' });
    const record = async (): Promise<unknown> =>
      JSON.parse(String((await scene.store.read(grantName(encodingOf(encodingRun(['a_1']), 'a'), 'a')))?.bytes));
    await waitUntil('the place is recorded', async () => ((await record()) as { ready: unknown }).ready !== null);
    expect(await record()).toMatchObject({ epoch: 2, node: other.options.name, ready: { run_id: 'r1', shard: 's2' } });
  });
});

describe('the death of the head', () => {
  it('is a pause: nodes say what they hold, nothing starts again, and the run ends by itself (X-05)', async () => {
    await open();
    const node = await scene.join('n1', { dataDirId: 'd1', bootId: 'b1' });
    await scene.run(noop(['a_1', 'a_2', 'a_3']));
    await node.has('a_1', 'a_2', 'a_3');
    node.started('a_1');
    await scene.killHead();
    await node.ends('a_2');
    await scene.startHead();
    expect(scene.head.epoch).toBe(2);
    await scene.head.adopted();
    await waitUntil('it has said what it holds', () => node.sessions === 2);
    await node.ends('a_1');
    await node.ends('a_3');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 3, retried: 0 });
    expect(node.given.sort()).toEqual(['a_1', 'a_2', 'a_3']);
  });

  it('concludes nothing from the first pages of what a node holds', async () => {
    const lines: { msg: string }[] = [];
    await open({ log: createLoggerOn({ write: (line: string) => void lines.push(JSON.parse(line)) }) });
    const node = await scene.join('n1', { pageSize: 2 });
    await scene.run(noop(some('a', 5)));
    await node.has(...some('a', 5));
    for (const id of some('a', 5)) node.started(id);
    // In order: with a last beat that has all five in flight.
    await scene.head[Symbol.asyncDispose]();
    scene.client[Symbol.dispose]();
    await scene.startHead();
    await scene.head.adopted();
    await waitUntil('it has said what it holds', () => node.sessions === 2);
    for (const id of some('a', 5)) await node.ends(id);
    expect(await scene.end()).toMatchObject({ rowsOk: 5, retried: 0 });
    expect(node.given).toHaveLength(5);
    expect(lines.filter(({ msg }) => msg === 'inventory')).toMatchObject([{ tasks: 0 }, { tasks: 5, runs: 1 }]);
    expect(lines.filter(({ msg }) => msg === 'the node does not name these')).toEqual([]);
  });

  it('leaves what its status has in flight at a node until that node is lost, by the clock of the next head', async () => {
    await open({ lostAfterMs: 700 });
    await scene.put(noop(['a_1', 'a_2']));
    await writeStatus(
      scene.store,
      'r1',
      makeStatus({
        last_heartbeat_ts: Date.now() / 1000 - 3600,
        in_flight: [{ instance_id: 'a_1', elapsed_s: 9, attempt: 1, node: 'gone' }],
        nodes: [{ node: 'gone', data_dir_id: 'd9', boot_id: 'b9', tasks_out: 2 }],
      }),
    );
    const node = await scene.join('n1');
    await scene.client.startRun('r1');
    expect(node.given).toEqual([]);
    await node.has('a_2');
    expect(await scene.row('a_1')).toBeUndefined();
    await node.has('a_1');
    expect(node.held.get('a_1')?.attempt).toBe(2);
    expect(await scene.row('a_1')).toMatchObject({ error: 'actor-lost' });
  });

  it('logs each attempt that may start a second time, because a node that may have begun it does not speak', async () => {
    const lines: { msg: string; instances?: string[]; silent?: string[] }[] = [];
    const log = createLoggerOn({ write: (line: string) => void lines.push(JSON.parse(line)) });
    await open({ settleMs: 300, log });
    const [silent, other] = [await scene.join('n1'), await scene.join('n2')];
    await scene.run(noop(['a_1', 'a_2', 'b_1', 'b_2', 'b_3']));
    await waitUntil('both have theirs', () => silent.held.size > 0 && other.held.size > 0);
    const theirs = [...silent.held.keys()];
    // Begun after the last beat, and the head hears of it; the next one does not.
    for (const id of theirs) silent.started(id);
    await scene.killHead();
    silent.cut();
    const doubted = (): string[] => lines.filter(({ msg }) => /may have begun these/.test(msg)).flatMap(namesOf);
    const namesOf = ({ instances = [] }: { instances?: string[] }): string[] => instances;
    expect(doubted()).toEqual([]);
    await scene.startHead();
    await other.has(...theirs);
    expect(doubted().sort()).toEqual(theirs.map((id) => `${id}#1`).sort());
    expect(lines.find(({ silent: nodes }) => nodes)?.silent).toEqual(['n1']);
  });

  describe('after the last row', () => {
    const leftOpen = async (settleMs: number): Promise<void> => {
      await open({ settleMs });
      await scene.put(noop(['a_1']));
      await putRow(scene.store, row('a_1'));
      const nodes = [{ node: 'n1', data_dir_id: 'd1', boot_id: 'b1', tasks_out: 1 }];
      await writeStatus(scene.store, 'r1', makeStatus({ last_heartbeat_ts: Date.now() / 1000, nodes }));
      await scene.client.startRun('r1');
    };

    it('leaves the run open until the nodes it worked with have said what they still owe, and shipped it (P-07)', async () => {
      await leftOpen(60_000);
      let isShipped = false;
      const ended = scene.end().then(({ state }) => ({ state, isShipped }));
      const node = await scene.join('n1', { dataDirId: 'd1', bootId: 'b2', owedRuns: ['r1'] });
      for (let looks = 0; looks < 20; looks += 1) expect((await scene.progress()).state).toBe(RunState.DRAINING);
      isShipped = true;
      node.shipped('r1');
      expect(await ended).toEqual({ state: RunState.DONE, isShipped: true });
    });

    it('ends the run as soon as they have said that they owe nothing, or after their time for that', async () => {
      await leftOpen(60_000);
      await scene.join('n1', { dataDirId: 'd1', bootId: 'b1' });
      expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1 });
      await scene[Symbol.asyncDispose]();
      await leftOpen(300);
      expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1 });
    });
  });

  it('with what stands in the store alone, another head goes on (X-05)', async () => {
    await open();
    const node = await scene.join('n1', { isEager: true });
    await scene.put(noop(['a_1', 'a_2']));
    await putRow(scene.store, row('a_1', { error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'x' } }));
    await scene.store.create('runs/r1/rows/a_2/attempt-1.json', Buffer.from('{"torn'));
    await scene.client.startRun('r1');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 2 });
    expect(node.batches.flatMap(({ tasks }) => tasks.map(({ attempt }) => attempt))).toEqual([2, 2]);
  });

  it('closes at the nodes what nobody runs any more', async () => {
    await open();
    const node = await scene.join('n1');
    await scene.run(noop(['a_1']));
    await node.has('a_1');
    await scene.killHead();
    await writeStatus(scene.store, 'r1', makeStatus({ terminal_state: 'done' }));
    await scene.startHead();
    await waitUntil('it is closed', () => !node.openRuns.has('r1'));
    expect(node.held.size).toBe(0);
  });
});

describe('two heads', () => {
  it('the second one on a bucket is refused, and told where the first one is', async () => {
    await open({ leaseTimes: { ttlMs: 600, renewMs: 100 } });
    const second = Head.start({
      store: scene.store,
      security: { token: TOKEN },
      log: createLogger(),
      kind: 'daemon',
      headId: 'head-2',
      bootId: 'b',
      leaseTimes: { ttlMs: 600, renewMs: 100 },
    });
    await expect(second).rejects.toMatchObject({
      code: 'PREFLIGHT',
      message: expect.stringContaining(scene.head.address),
    });
  });

  it('one that lost its lease says so and hands out nothing any more', async () => {
    await open({ leaseTimes: { ttlMs: 600, renewMs: 100 } });
    const node = await scene.join('n1');
    const other = await Head.start({
      store: scene.store,
      security: { token: TOKEN },
      log: createLogger(),
      kind: 'daemon',
      // The same data dir, copied: what nobody should do.
      headId: 'head-1',
      bootId: 'other',
    });
    await waitUntil('it knows', async () => !(await scene.status()).hasLease);
    await scene.put(noop(['a_1']));
    await expect(scene.client.startRun('r1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(node.given).toEqual([]);
    await other[Symbol.asyncDispose]();
  });

  it('a command with a head of its own does not take a run from a living daemon', async () => {
    await open();
    await scene.join('n1');
    await scene.run(noop(['a_1']));
    await using embedded = await Head.start({
      store: scene.store,
      security: { token: TOKEN },
      log: createLogger(),
      kind: 'embedded',
      headId: 'command',
      bootId: 'b',
    });
    const { HeadClient } = await import('../../../src/wire/head-client.ts');
    using client = new HeadClient(embedded.address, { token: TOKEN });
    await expect(client.startRun('r1')).rejects.toMatchObject({
      code: 'PREFLIGHT',
      message: expect.stringContaining(scene.head.address),
    });
  });
});
