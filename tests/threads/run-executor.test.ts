import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { SkeinError } from '../../src/kernel/errors.ts';
import type { Task } from '../../src/dataset/task.ts';
import { DEFAULT_MODEL_SETTINGS, type FrameworkSettings, type TaskRow } from '../../src/frameworks/framework.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { ActorHost } from '../../src/node/actor-host.ts';
import { ActorSlots } from '../../src/node/actor-slots.ts';
import type { DatabasePlace } from '../../src/node/database-place.ts';
import { DatabasePreparation } from '../../src/node/database-preparation.ts';
import { RunExecutor } from '../../src/node/run-executor.ts';
import { Shipper } from '../../src/node/shipper.ts';
import { Snapshots } from '../../src/node/snapshots.ts';
import { TaskActors } from '../../src/node/task-actors.ts';
import type { TaskEnd } from '../../src/node/task-end.ts';
import { UploadBack } from '../../src/node/upload-back.ts';
import { FaultPlan, withFaults } from '../../src/store/faults.ts';
import { logName, rowName } from '../../src/store/layout.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { checkLeaksAfterEach } from '../helpers/leaks.ts';
import { namesIn } from '../helpers/store-fixtures.ts';
import { taskOf } from '../helpers/task-of.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

checkLeaksAfterEach();

// After the leak check in the file, so before it at the end of a test.
const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

const SETTINGS: FrameworkSettings = {
  ...DEFAULT_MODEL_SETTINGS,
  framework: 'noop',
  queryMode: 'raw',
  mode: 'a-interact',
  slayerSetup: 'on-the-fly',
  encoder: 'rules',
  sqlTimeoutMs: 1_000,
};

const task = (instanceId: string): Task => taskOf({ instance_id: instanceId, selected_database: 'farm' });

interface Rig {
  readonly store: ObjectStore;
  readonly executor: RunExecutor;
  /** An actor that waits for it goes on: `ends_1`. */
  readonly letEnd: () => Promise<void>;
  readonly ends: Map<string, TaskEnd>;
  readonly started: string[];
  readonly add: (...ids: string[]) => void;
  readonly row: (id: string) => Promise<TaskRow | undefined>;
  /** Where the actors' own logs are. */
  readonly logDir: string;
}

async function rig(
  options: {
    runId?: string;
    workDir?: string;
    actors?: number;
    slots?: ActorSlots;
    unresponsiveMs?: number;
    exportName?: string;
    faults?: FaultPlan;
    /** Between two snapshots; default none. */
    everyMs?: number;
    /** Names that the store has no room for. */
    full?: RegExp;
  } = {},
): Promise<Rig> {
  const { runId = 'r1', actors = 2, unresponsiveMs = 0, exportName = 'ScriptedTasks' } = options;
  const { faults = new FaultPlan(), slots = new ActorSlots(actors), everyMs = 0, full } = options;
  const { workDir = await temporaryFolder() } = options;
  const plain = createMemoryStore();
  const store = full ? withoutRoom(plain, full) : withFaults(plain, faults);
  const host = new ActorHost({ logDir: join(workDir, 'actors'), env: {} });
  const tasks = new Map<string, Task>();
  const ends = new Map<string, TaskEnd>();
  const started: string[] = [];
  const shipper = new Shipper({ store, runId, log: createLogger() });
  const databasePath = join(workDir, 'farm.sqlite');
  await writeFile(databasePath, '');
  await mkdir(join(workDir, 'run'), { recursive: true });
  const place: DatabasePlace = {
    datasetDir: workDir,
    databasePath,
    cacheRoot: workDir,
    referenceRoot: workDir,
    reference: { kind: 'build', epoch: 0 },
  };
  const { signal } = new AbortController();
  const databases = new DatabasePreparation({
    runId,
    places: { taskById: tasks, prepare: async () => ({ kind: 'ready', place }) },
    spool: undefined,
    log: createLogger(),
    signal,
    onSeed: () => {},
    onTrouble: () => {},
  });
  const executor = new RunExecutor({
    runId,
    node: 'n1',
    taskById: tasks,
    databases,
    actors,
    slots,
    taskActors: new TaskActors({
      runtime: host,
      settings: SETTINGS,
      services: {},
      unresponsiveMs,
      logDir: join(workDir, 'logs'),
      location: { module: new URL('../fixtures/actors/scripted-tasks.ts', import.meta.url).href, exportName },
    }),
    shipper,
    snapshots: new Snapshots({ store, runId, shipper, everyMs }),
    uploadBack: await UploadBack.open({
      store: plain,
      runId,
      placeOf: (database) => databases.placeOf(database),
      shipper,
      log: createLogger(),
      signal,
      settings: {
        framework: SETTINGS,
        databases: ['farm'],
        taskCount: 0,
        actorBlockTimeoutMs: 0,
        snapshotEveryMs: 0,
      },
    }),
    reports: {
      started: ({ instanceId }) => started.push(instanceId),
      ended: ({ instanceId }, end) => {
        expect(ends.has(instanceId), `${instanceId} is reported once`).toBe(false);
        ends.set(instanceId, end);
      },
      actorsChanged: () => {},
      databaseFailed: () => {},
    },
    log: createLogger(),
    workDir: join(workDir, 'run'),
  });
  cleanUps.push(async () => {
    await executor.destroy();
    await host.stop();
  });
  return {
    logDir: join(workDir, 'logs'),
    store: plain,
    executor,
    letEnd: () => writeFile(`${databasePath}.go`, ''),
    ends,
    started,
    add(...ids) {
      for (const id of ids) tasks.set(id, task(id));
      executor.add({
        database: 'farm',
        grantEpoch: 0,
        reference: undefined,
        tasks: ids.map((instanceId) => ({ instanceId, attempt: 1 })),
      });
    },
    async row(id) {
      const stored = await plain.read(rowName('r1', id, 1));
      return stored && (JSON.parse(stored.bytes.toString()) as TaskRow);
    },
  };
}

/** Such a refusal is not tried again. */
function withoutRoom(store: ObjectStore, names: RegExp): ObjectStore {
  return new Proxy(store, {
    get: (target, key) => {
      const verb = Reflect.get(target, key, target) as unknown;
      if (typeof verb !== 'function') return verb;
      return async (name: string, ...rest: unknown[]) => {
        if (key === 'create' && names.test(name)) throw new SkeinError('DISK_FULL', `${name}: no room`);
        return (verb as (...args: unknown[]) => unknown).call(target, name, ...rest);
      };
    },
  });
}

describe('RunExecutor', () => {
  it('fails no task by an upload of log, bundle or snapshot that fails, and counts each by its kind (U-06, M2, P-33)', async () => {
    const { add, ends, executor, row, store, letEnd } = await rig({ full: /\/(logs|sessions)\//, everyMs: 20 });
    add('leaves_1');
    await waitUntil('a snapshot failed', () => executor.failures['snapshot'] !== undefined);
    await letEnd();
    await waitUntil('it has ended', () => ends.size === 1);
    const failures = await executor.close();
    expect(ends.get('leaves_1')).toEqual({ kind: 'ok' });
    expect(await row('leaves_1')).toMatchObject({ phase1_passed: true, error: null });
    expect(failures).toMatchObject({ log: 1, 'debug-bundle': 1 });
    expect(await namesIn(store, 'runs/r1/')).toEqual([rowName('r1', 'leaves_1', 1)]);
  });

  it('says in the row of a lost actor how much the store may lack, and ships the rest behind it (P-06, X-02)', async () => {
    const { add, ends, executor, row, store, letEnd } = await rig({ everyMs: 50 });
    const name = 'runs/r1/sessions/dies_1/attempt-1/state';
    const startedMs = Date.now();
    add('dies_1');
    await waitUntil('a snapshot is there', async () => (await store.read(name)) !== undefined);
    const beforeMs = Date.now();
    await letEnd();
    await waitUntil('it has ended', () => ends.size === 1);
    const endedMs = Date.now();
    await executor.close();
    expect(ends.get('dies_1')).toEqual({ kind: 'lost', error: 'actor-lost' });
    const { synthetic } = (await row('dies_1'))!;
    expect(synthetic?.reason).toBe('actor-lost');
    const lastMs = 1000 * (synthetic?.last_snapshot_at ?? 0);
    expect(lastMs).toBeGreaterThan(startedMs);
    expect(lastMs).toBeLessThan(endedMs);
    expect(synthetic?.lost_s).toBeGreaterThanOrEqual(0);
    // The snapshot that was seen, or a later one.
    expect(1000 * (synthetic?.lost_s ?? Infinity)).toBeLessThanOrEqual(endedMs - beforeMs + 1_000);
    expect((await store.read(name))?.bytes.toString(), 'written right before the death').toBe('begun, and died');
  });

  it('says of an actor that was lost before any snapshot that the store may lack all of it (P-06)', async () => {
    const { add, ends, row, letEnd, store } = await rig();
    add('dies_1');
    await letEnd();
    await waitUntil('it has ended', () => ends.size === 1);
    const { synthetic } = (await row('dies_1'))!;
    expect(synthetic).toMatchObject({ last_snapshot_at: null, lost_s: expect.any(Number) });
    await waitUntil('its bundle follows', async () => (await namesIn(store, 'runs/r1/sessions/')).length === 1);
  });

  it('stores a row and the log of every task (W-04, X-01)', async () => {
    const { add, ends, executor, row, store } = await rig();
    add('runs_1', 'runs_2', 'errs_1');
    await waitUntil('all ended', () => ends.size === 3);
    await executor.close();
    expect(ends.get('runs_1')).toEqual({ kind: 'ok' });
    expect(ends.get('errs_1')).toEqual({ kind: 'error', error: 'it did not work' });
    expect(await row('runs_2')).toMatchObject({ instance_id: 'runs_2', phase1_passed: true });
    expect((await store.read(logName('r1', 'runs_1', 1)))?.bytes.toString()).toBe('ran runs_1\n');
  });

  it('stores a row that is too long cut, with a note of what it had, and of which node it is', async () => {
    const { add, ends, row, store } = await rig();
    add('huge_1', 'runs_1');
    await waitUntil('all ended', () => ends.size === 2);
    expect(ends.get('huge_1')).toEqual({ kind: 'ok' });
    expect((await store.stat(rowName('r1', 'huge_1', 1)))?.sizeBytes).toBeLessThanOrEqual(8 * 2 ** 20);
    expect((await row('huge_1'))?.truncated_fields).toEqual({ trajectory: expect.any(Number) });
    expect((await row('runs_1'))?.truncated_fields).toBeUndefined();
    expect((await row('runs_1'))?.node).toBe('n1');
  });

  it('bounds the log of a task that prints 200 MB, on the disk and in the store, and no other task waits for it (W-12)', async () => {
    const { add, ends, executor, started, store, logDir } = await rig({ actors: 2 });
    add('floods_1');
    await waitUntil('it prints', () => started.length === 1);
    let longest = 0;
    const look = setInterval(() => {
      if (!existsSync(logDir)) return;
      const sizes = readdirSync(logDir).map(
        (name) => statSync(join(logDir, name), { throwIfNoEntry: false })?.size ?? 0,
      );
      longest = Math.max(longest, ...sizes);
    }, 5);
    const others = Array.from({ length: 20 }, (_, n) => `runs_${n}`);
    add(...others);
    await waitUntil('the others ended', () => others.every((id) => ends.has(id)), 10_000);
    const wasPrinting = !ends.has('floods_1');
    await waitUntil('all ended', () => ends.size === 21, 15_000);
    clearInterval(look);
    await executor.close();
    expect(wasPrinting).toBe(true);
    const log = (await store.read(logName('r1', 'floods_1', 1)))?.bytes.toString() ?? '';
    expect(log.length).toBeLessThan(2.1 * 2 ** 20);
    expect(log).toMatch(/^ran floods_1\nx+\n/);
    expect(log).toMatch(/y\nthe very end\n$/);
    const [, missing] = /^\[skein: (\d+) bytes of this log are left out here\]$/m.exec(log) ?? [];
    const kept = log.length - `[skein: ${missing} bytes of this log are left out here]\n`.length;
    const printed = 'ran floods_1\nthe very end\n'.length + 2_000_000 * 100;
    // A child may write in the very moment of a cut: what falls into it is lost and not counted.
    expect(printed - kept - Number(missing)).toBeLessThan(printed / 100);
    expect(longest).toBeGreaterThan(0);
    expect(longest).toBeLessThan(100 * 2 ** 20);
  });

  it('writes actor-lost for the task of an actor that exits, and no other task suffers (W-05, W-03, P-36, X-02, X-03, Q-40)', async () => {
    const { add, ends, executor, row } = await rig();
    add('runs_1', 'exits_1', 'runs_2', 'runs_3', 'runs_4');
    await waitUntil('all ended', () => ends.size === 5);
    await executor.close();
    expect(ends.get('exits_1')).toEqual({ kind: 'lost', error: 'actor-lost' });
    const lost = await row('exits_1');
    expect(lost).toMatchObject({ error: 'actor-lost', database: 'farm', synthetic: { reason: 'actor-lost' } });
    expect(lost?.synthetic?.cause).toMatch(/3/);
    expect([...ends.values()].filter(({ kind }) => kind === 'ok')).toHaveLength(4);
  });

  it('gives up on an actor whose loop stands still, and on no other', async () => {
    const { add, ends, row } = await rig({ unresponsiveMs: 500 });
    add('spins_1', 'runs_1', 'runs_2');
    await waitUntil('all ended', () => ends.size === 3, 10_000);
    expect((await row('spins_1'))?.error).toBe('actor-lost');
    expect(ends.get('runs_2')).toEqual({ kind: 'ok' });
  });

  it('writes actor-task-error when something escapes the task, and goes on with the same actor (W-06, X-01)', async () => {
    const { add, ends, row } = await rig({ actors: 1 });
    add('throws_1', 'runs_1');
    await waitUntil('all ended', () => ends.size === 2);
    expect((await row('throws_1'))?.error).toMatch(/^actor-task-error: .*the actor itself cannot go on/);
    expect(ends.get('runs_1')).toEqual({ kind: 'ok' });
  });

  it('gives every id a row when no actor ever starts, also those that come later (W-08, X-03, Q-40)', async () => {
    const { add, ends, row } = await rig({ exportName: 'NeverStarts' });
    add('runs_1', 'runs_2', 'runs_3');
    await waitUntil('all ended', () => ends.size === 3, 10_000);
    add('runs_4');
    await waitUntil('the late one ended', () => ends.size === 4);
    for (const id of ['runs_1', 'runs_2', 'runs_3', 'runs_4']) {
      expect((await row(id))?.error).toBe('undispatched: no live actors');
    }
  });

  it('returns what was not started, and after the grace what runs, without a row', async () => {
    const { add, ends, executor, row, started } = await rig({ actors: 1 });
    add('waits_1', 'runs_1');
    await waitUntil('the first runs', () => started.length === 1);
    executor.drain(50);
    await waitUntil('all ended', () => ends.size === 2);
    expect([...ends.values()]).toEqual([{ kind: 'returned' }, { kind: 'returned' }]);
    expect(await row('waits_1')).toBeUndefined();
  });

  it('lets what runs end within the grace', async () => {
    const { add, ends, executor, started } = await rig({ actors: 1 });
    add('runs_1');
    await waitUntil('it runs', () => started.length === 1);
    executor.drain(10_000);
    await waitUntil('it ended', () => ends.size === 1);
    expect(ends.get('runs_1')).toEqual({ kind: 'ok' });
  });

  it('takes a lost answer of the store for what it was, and writes no second row', async () => {
    const faults = new FaultPlan();
    faults.add({ on: 'create', name: /\/rows\//, fault: { kind: 'lose-answer' }, count: 1 });
    const { add, ends, store } = await rig({ faults });
    add('runs_1');
    await waitUntil('it ended', () => ends.size === 1);
    expect(ends.get('runs_1')).toEqual({ kind: 'ok' });
    const { objects } = await store.list('runs/r1/rows/');
    expect(objects.map(({ name }) => name)).toEqual([rowName('r1', 'runs_1', 1)]);
  });

  it('keeps a real row that finds a synthetic one in its place as the late one, and a second real one as a duplicate', async () => {
    const { add, ends, store } = await rig();
    await store.create(
      rowName('r1', 'runs_1', 1),
      Buffer.from(JSON.stringify({ instance_id: 'runs_1', error: 'actor-lost', synthetic: {} })),
    );
    await store.create(rowName('r1', 'runs_2', 1), Buffer.from(JSON.stringify({ instance_id: 'runs_2', error: null })));
    add('runs_1', 'runs_2');
    await waitUntil('all ended', () => ends.size === 2);
    const { objects } = await store.list('runs/r1/rows/');
    expect(objects.map(({ name }) => name.replace('runs/r1/rows/', ''))).toEqual([
      'runs_1/attempt-1.json',
      'runs_1/attempt-1.late.json',
      'runs_2/attempt-1.dup-1.json',
      'runs_2/attempt-1.json',
    ]);
  });

  it('gives two starts of one task scratch folders of their own, also in one place (T-05, V-26)', async () => {
    const workDir = await temporaryFolder();
    const logs = await Promise.all(
      [1, 2].map(async () => {
        const { add, executor, store } = await rig({ workDir });
        add('shows_1');
        await waitUntil('its log is stored', async () => (await store.stat(logName('r1', 'shows_1', 1))) !== undefined);
        await executor.close();
        return (await store.read(logName('r1', 'shows_1', 1)))!.bytes.toString().split('\n')[1];
      }),
    );
    for (const path of logs) expect(path).toMatch(/\/bird_interact_slayer_otf\/shows_1-/);
    expect(new Set(logs).size).toBe(2);
  });

  it('asks for a slot only when it has something to do, however often others ask', async () => {
    const slots = new ActorSlots(1);
    const [busy, idle, other] = await Promise.all([
      rig({ runId: 'busy', actors: 1, slots }),
      rig({ runId: 'idle', actors: 3, slots }),
      rig({ runId: 'other', actors: 3, slots }),
    ]);
    busy.add('waits_1');
    await waitUntil('the only slot is taken', () => busy.started.length === 1);
    other.add('runs_1', 'runs_2');
    await waitUntil('another run waits for it', () => slots.isWantedElsewhere('busy'));
    // The idle run has heard of it by now; if it asked as well, its asking would wake the others, and so for ever.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(slots.isWantedElsewhere('other')).toBe(false);
    expect(idle.ends.size).toBe(0);
    busy.executor.drain(0);
    await waitUntil('it got the slot', () => other.ends.size === 2);
  });
});
