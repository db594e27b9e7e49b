/** What a head does with the secrets of a run: on to its nodes, in memory, and nowhere else (W-13). */
import { afterEach, describe, expect, it } from 'vitest';

import { RunState } from '../../../src/gen/skein/v1/run.ts';
import { createLoggerOn } from '../../../src/kernel/log.ts';
import { Secrets } from '../../../src/kernel/secrets.ts';
import type { Manifest } from '../../../src/run/manifest.ts';
import { runDetail } from '../../../src/run/run-list.ts';
import { waitForRun } from '../../../src/run/run-state.ts';
import { listAll } from '../../../src/store/prefix.ts';
import { manifestOf } from '../../helpers/rows.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { ClusterScene } from './cluster-scene.ts';

const KEY = 'sk-canary-7f3a9c';
const SECRETS = new Secrets({ A_KEY: KEY });
const keyed = (ids: readonly string[], fields: Partial<Manifest> = {}): Manifest =>
  manifestOf(ids, { framework: 'noop', query_mode: 'raw', secret_names: ['A_KEY'], ...fields });
const IDS = ['a_1', 'a_2', 'a_3'];

let scene: ClusterScene;
afterEach(() => scene[Symbol.asyncDispose]());

/** All that stands in the store, as one text. */
async function stored(): Promise<string> {
  let all = '';
  for await (const { name } of listAll(scene.store, '')) {
    all += `${name}\n${(await scene.store.read(name))?.bytes.toString('utf8')}\n`;
  }
  return all;
}

describe('the secrets of a run', () => {
  it('go to every node that opens it, early or late, and into nothing that is stored, told or logged (W-13, P-26)', async () => {
    let log = '';
    scene = await ClusterScene.open({ log: createLoggerOn({ write: (line) => void (log += line) }, 'debug') });
    const first = await scene.join('n1');
    await scene.put(keyed(IDS));
    await scene.client.startRun('r1', 0, SECRETS);
    await first.has(...IDS);
    const second = await scene.join('n2');
    await waitUntil('the second node has its share', () => second.held.size > 0);
    expect([first, second].map(({ secrets }) => secrets.get('r1'))).toEqual([{ A_KEY: KEY }, { A_KEY: KEY }]);
    const told = JSON.stringify([await scene.status(), await scene.progress()]);
    for (const node of [first, second]) for (const id of [...node.held.keys()]) await node.ends(id);
    await scene.end();
    for (const text of [told, log, await stored()]) {
      expect(text).toContain('r1');
      expect(text).not.toContain(KEY);
    }
  });

  it('outlive a head at the nodes that have them; a new life has none, and then the run waits and says for what (P-27)', async () => {
    scene = await ClusterScene.open();
    const node = await scene.join('n1', { actors: 1 });
    await scene.put(keyed(IDS));
    await scene.client.startRun('r1', 0, SECRETS);
    await node.has(...IDS);
    await scene.killHead();
    await scene.startHead();
    await node.ends('a_1');
    await waitUntil('it goes on', async () => (await scene.progress()).rowsOk === 1);
    expect((await scene.progress()).waitingFor).toBe('');

    // Another node has never heard of them, and gets nothing.
    const other = await scene.join('n2');
    await waitUntil('it has opened the run', () => other.openRuns.has('r1'));
    node.leaves();
    await node[Symbol.asyncDispose]();
    const reason = 'needs its secrets (A_KEY): skein resume r1';
    await waitUntil('the run waits', async () => (await scene.progress()).waitingFor === reason);
    expect(other.given).toEqual([]);
    expect((await scene.status()).runs).toMatchObject([{ runId: 'r1', waitingFor: reason, state: RunState.RUNNING }]);
    await waitUntil('the store says so too', async () => (await scene.stored())?.waiting_for === reason, 8_000);
    expect(await runDetail(scene.store, 'r1')).toMatchObject({ waitingFor: reason, done: 1 });
    expect(await waitForRun({ store: scene.store, runId: 'r1', pollMs: 0 })).toMatchObject({
      kind: 'stalled',
      hint: `1 of 3 ids have a row; the run ${reason}`,
    });

    await scene.client.startRun('r1', 0, SECRETS);
    await other.has('a_2', 'a_3');
    for (const id of ['a_2', 'a_3']) await other.ends(id);
    expect(await scene.end()).toMatchObject({ state: RunState.DONE, rowsOk: 3, rowsError: 0, waitingFor: '' });
    expect(other.secrets.size).toBe(0);
  });

  it('that somebody gives anew replace those that nodes have; names that steer a process are refused', async () => {
    scene = await ClusterScene.open();
    const node = await scene.join('n1');
    await scene.put(keyed(IDS));
    await scene.client.startRun('r1', 0, SECRETS);
    await node.has(...IDS);
    await scene.client.startRun('r1', 0, new Secrets({ A_KEY: 'another-value' }));
    await waitUntil('it has the new ones', () => node.secrets.get('r1')?.['A_KEY'] === 'another-value');
    const bad = scene.client.startRun('r1', 0, new Secrets({ NODE_OPTIONS: KEY }));
    await expect(bad).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.not.stringContaining(KEY) as string,
    });
  });
});

describe('a run with an end of its time', () => {
  it('is stopped then, says why, and keeps to that end under the next head; resume goes on (L-02)', async () => {
    scene = await ClusterScene.open();
    const node = await scene.join('n1');
    const hours = 1.5 / 3600;
    await scene.run(
      keyed(IDS, { secret_names: [], grace_ms: 0, render_inputs: { max_runtime_hours: hours } as never }),
    );
    await node.has(...IDS);
    await node.ends('a_1');
    await waitUntil('the store knows the end', async () => typeof (await scene.stored())?.deadline_ms === 'number');
    const deadlineMs = (await scene.stored())?.deadline_ms ?? 0;
    await scene.killHead();
    await scene.startHead();
    const drained = (): boolean => node.ordersOf('drain').length > 0;
    await waitUntil('it is stopped', drained);
    expect(Date.now()).toBeGreaterThanOrEqual(deadlineMs - 5);
    for (const id of [...node.held.keys()]) node.says(id, 4);
    const reason = expect.stringContaining('its time is over (--max-runtime-hours') as string;
    expect(await scene.end()).toMatchObject({ state: RunState.STOPPED, rowsOk: 1, error: reason });
    expect(await scene.stored()).toMatchObject({ stopped: true, terminal_state: null, error: reason });
    expect(await waitForRun({ store: scene.store, runId: 'r1', pollMs: 0 })).toMatchObject({
      kind: 'headless',
      hint: expect.stringMatching(/its time is over.*skein resume r1/) as string,
    });
    await scene.client.startRun('r1');
    await node.has('a_2', 'a_3');
  });
});
