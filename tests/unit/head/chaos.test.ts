import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { HeldState, type HeldTask } from '../../../src/gen/skein/v1/node.ts';
import { jsonBytes } from '../../../src/kernel/json.ts';
import { readCounts } from '../../../src/run/run-counts.ts';
import { readStatus } from '../../../src/run/status.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { manifestName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { manifestOf } from '../../helpers/rows.ts';
import { heldTask, type ScriptedNode } from '../../helpers/scripted-node.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { ClusterScene } from './cluster-scene.ts';

/** A small seeded generator: the same seed makes the same choices. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** One data dir on one machine: works by itself, remembers its starts as a spool does, and dies when it is told to. */
class Machine {
  readonly #scene: ClusterScene;
  readonly #store: ObjectStore;
  readonly #name: string;
  readonly #random: () => number;
  readonly #starts: Map<string, string[]>;
  readonly #orphans = new Map<string, HeldTask>();
  #node: ScriptedNode | undefined;
  #isOver = false;

  constructor(scene: ClusterScene, store: ObjectStore, name: string, rng: () => number, starts: Map<string, string[]>) {
    this.#scene = scene;
    this.#store = store;
    this.#name = name;
    this.#random = rng;
    this.#starts = starts;
  }

  async boot(): Promise<void> {
    const inventory = [...this.#orphans.values()];
    this.#node = await this.#scene.join(this.#name, { bootId: randomUUID(), inventory, store: this.#store });
  }

  /** SIGKILL, and a new life on the same data dir. */
  async restart(): Promise<void> {
    for (const { instanceId, attempt, state } of this.#node?.held.values() ?? []) {
      if (state === HeldState.RUNNING) {
        this.#orphans.set(`${instanceId}#${attempt}`, heldTask(instanceId, HeldState.ORPHANED, attempt));
      }
    }
    const old = this.#node;
    this.#node = undefined;
    await old?.[Symbol.asyncDispose]();
    await this.boot();
  }

  cut(): void {
    this.#node?.cut();
  }

  heal(): void {
    this.#node?.heal();
  }

  async work(): Promise<void> {
    while (!this.#isOver) {
      await delay(2 + this.#random() * 6);
      const node = this.#node;
      const tasks = [...(node?.held.values() ?? [])];
      const task = tasks[Math.floor(this.#random() * tasks.length)];
      if (!node || !task) continue;
      if (task.state === HeldState.QUEUED) {
        const key = `${task.instanceId}#${task.attempt}`;
        const life = `${this.#name} ${node.options.bootId} at ${new Date().toISOString()}`;
        this.#starts.set(key, [...(this.#starts.get(key) ?? []), life]);
        node.started(task.instanceId);
      } else if (task.state === HeldState.RUNNING) {
        await node.ends(task.instanceId);
      }
    }
  }

  stop(): void {
    this.#isOver = true;
  }
}

it.each([1, 2, 3])(
  'ends with a real row for every id, each attempt begun once, whatever dies and whatever is cut (seed %i)',
  { timeout: 60_000 },
  async (seed) => {
    const rng = random(seed);
    const ids = Array.from({ length: 150 }, (_, at) => `d${at % 5}_${at}`);
    const manifest = manifestOf(ids, { framework: 'noop', query_mode: 'raw', retry_lost: 50 });
    const starts = new Map<string, string[]>();
    // The head's line to the store is a bad one: answers get lost, calls are refused.
    const plan = new FaultPlan();
    for (let turn = 0; turn < 12; turn += 1) {
      const kind = rng() < 0.6 ? 'lose-answer' : 'refuse';
      plan.add({ fault: { kind }, on: ['create', 'replace', 'read'], skip: Math.floor(rng() * 60), count: 1 });
    }
    const store = createMemoryStore();
    await using scene = await ClusterScene.open({ settleMs: 10_000 }, withFaults(store, plan));
    const machines = ['n1', 'n2', 'n3'].map((name) => new Machine(scene, store, name, rng, starts));
    for (const machine of machines) await machine.boot();
    const working = machines.map((machine) => machine.work());
    await store.create(manifestName('r1'), jsonBytes(manifest));
    await scene.client.startRun('r1');

    const isDone = async (): Promise<boolean> => (await readStatus(store, 'r1'))?.terminal_state === 'done';
    for (let turn = 0; turn < 12 && !(await isDone()); turn += 1) {
      await delay(20 + rng() * 80);
      const machine = machines[Math.floor(rng() * machines.length)]!;
      const dice = rng();
      if (dice < 0.4) {
        await machine.restart();
      } else if (dice < 0.7) {
        machine.cut();
        await delay(rng() * 200);
        machine.heal();
      } else {
        await scene.killHead();
        await delay(rng() * 100);
        await scene.startHead();
      }
    }
    await waitUntil('the run is done', isDone, 40_000);
    for (const machine of machines) machine.stop();
    await Promise.all(working);

    expect(await readCounts(store, manifest)).toMatchObject({ done: 150, ok: 150, errors: 0, missing: 0 });
    const twice = [...starts].filter(([, lives]) => lives.length > 1);
    expect(twice, 'attempts that were begun twice').toEqual([]);
  },
);
