/** A resubmitted run at a head daemon with scripted nodes: old rows count for nobody, in whatever life of the head. */
import { afterEach, describe, expect, it } from 'vitest';

import { Outcome } from '../../../src/gen/skein/v1/node.ts';
import { RunState } from '../../../src/gen/skein/v1/run.ts';
import type { HeadOptions } from '../../../src/head/head.ts';
import { jsonBytes } from '../../../src/kernel/json.ts';
import { readManifest } from '../../../src/run/manifest.ts';
import { beginResubmit } from '../../../src/run/resubmit.ts';
import { readCounts } from '../../../src/run/run-counts.ts';
import { lateRowName } from '../../../src/store/layout.ts';
import { manifestOf, putRow, row } from '../../helpers/rows.ts';
import type { ScriptedNode } from '../../helpers/scripted-node.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { ClusterScene } from './cluster-scene.ts';

const MANIFEST = manifestOf(['b_1', 'a_2', 'a_1', 'a_3'], { framework: 'noop', query_mode: 'raw' });

let scene: ClusterScene;
afterEach(() => scene[Symbol.asyncDispose]());

/** A run that is done at this head: a_1 is good, the others failed. */
async function failedRun(options: Partial<HeadOptions> = {}): Promise<ScriptedNode> {
  scene = await ClusterScene.open(options);
  const node = await scene.join('n1');
  await scene.run(MANIFEST);
  await node.has('a_1', 'a_2', 'a_3', 'b_1');
  await node.ends('a_1');
  for (const id of ['a_2', 'a_3', 'b_1']) await node.ends(id, { error: 'quota' });
  expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 1, rowsError: 3 });
  node.batches.length = 0;
  return node;
}

async function resubmit(): Promise<void> {
  const manifest = await readManifest(scene.store, 'r1');
  expect(await beginResubmit({ store: scene.store, manifest, reason: 'quota', by: 'me' })).toMatchObject({
    attempt: 2,
  });
  await scene.client.startRun('r1');
}

const handedOut = (node: ScriptedNode): string[] =>
  node.batches.flatMap(({ tasks }) => tasks.map(({ instanceId, attempt }) => `${instanceId}#${attempt}`));

describe('a resubmitted run', () => {
  it('runs what has no good row as the next attempt, in (database, id) order, and nothing else (L-11, L-15)', async () => {
    const node = await failedRun();
    await resubmit();
    await node.has('a_2', 'a_3', 'b_1');
    expect(await scene.progress()).toMatchObject({ total: 4, rowsOk: 1, rowsError: 0, state: RunState.RUNNING });
    for (const id of ['a_2', 'a_3']) await node.ends(id);
    await node.ends('b_1', { error: 'again' });
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 3, rowsError: 1 });
    expect(handedOut(node)).toEqual(['a_2#2', 'a_3#2', 'b_1#2']);
    expect(await scene.stored()).toMatchObject({ terminal_state: 'done', attempt: 2, rows_done: 4 });
    expect(await readCounts(scene.store, MANIFEST)).toMatchObject({ ok: 3, errors: 1, missing: 0 });
  });

  it('goes on as the same attempt when its head dies in the midst of it (L-12, V-14, X-05)', async () => {
    const node = await failedRun();
    await resubmit();
    await node.has('a_2', 'a_3', 'b_1');
    await node.ends('a_2');
    await waitUntil('the head knows', async () => (await scene.progress()).rowsOk === 2);
    await scene.killHead();
    await scene.startHead();
    await scene.head.adopted();
    await waitUntil('it is taken on', async () => (await scene.progress()).rowsOk === 2);
    expect(await scene.progress()).toMatchObject({ rowsOk: 2, rowsError: 0 });
    await node.has('a_3', 'b_1');
    expect(node.held.get('a_3')?.attempt).toBe(2);
    for (const id of ['a_3', 'b_1']) await node.ends(id);
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 4, rowsError: 0 });
    expect(await scene.row('a_1', 2)).toBeUndefined();
  });

  it('is taken for what it is by a head that finds no status of it (L-12)', async () => {
    const node = await failedRun();
    await resubmit();
    await node.has('a_2', 'a_3', 'b_1');
    await scene.killHead();
    const status = await scene.store.stat('runs/r1/status.json');
    await scene.store.remove('runs/r1/status.json', status!.generation);
    await scene.startHead();
    await scene.head.adopted();
    for (const id of ['a_2', 'a_3', 'b_1']) {
      await node.has(id);
      expect(node.held.get(id)?.attempt).toBe(2);
      await node.ends(id);
    }
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 4 });
    expect((await scene.stored())?.attempt).toBe(2);
  });

  it('has lost attempts started again as often as any other, whatever was lost before', async () => {
    const node = await failedRun();
    await resubmit();
    await node.has('a_2', 'a_3', 'b_1');
    for (const id of ['a_3', 'b_1']) await node.ends(id);
    node.started('a_2');
    const lost = row('a_2', { error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'exit 1' } });
    await putRow(scene.store, lost, 2);
    node.says('a_2', Outcome.LOST);
    await waitUntil('it is out again', () => node.held.get('a_2')?.attempt === 3);
    await node.ends('a_2');
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 4, retried: 1 });
  });

  it('does not end an id by a late error of an attempt before it, but by a late result that is none', async () => {
    scene = await ClusterScene.open();
    const lost = (id: string) => row(id, { error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'gone' } });
    await scene.put(MANIFEST);
    for (const id of MANIFEST.instance_ids) {
      await putRow(scene.store, lost(id), 1);
      await putRow(scene.store, lost(id), 2);
    }
    const manifest = await readManifest(scene.store, 'r1');
    await beginResubmit({ store: scene.store, manifest, reason: '', by: '' });
    // What a node that was cut off brings at last.
    await scene.store.create(lateRowName('r1', 'a_1', 1), jsonBytes(row('a_1')));
    await scene.store.create(lateRowName('r1', 'a_2', 1), jsonBytes(row('a_2', { error: 'timeout' })));
    const node = await scene.join('n1');
    await scene.client.startRun('r1');
    await node.has('a_2', 'a_3', 'b_1');
    expect(handedOut(node)).toEqual(['a_2#3', 'a_3#3', 'b_1#3']);
    for (const id of ['a_2', 'a_3', 'b_1']) await node.ends(id);
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 4 });
  });
});
