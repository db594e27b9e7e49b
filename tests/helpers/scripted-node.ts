/**
 * A node whose hands are the test's: the real link to the head, and tasks that start and end when the test says so. It
 * writes rows as a node does, and stands behind a relay that can be cut.
 */
import { randomUUID } from 'node:crypto';

import {
  HeldState,
  Outcome,
  type Batch,
  type HeldTask,
  type Inspected,
  type LinkResponse,
  type ReferenceReady,
} from '../../src/gen/skein/v1/node.ts';
import { jsonBytes } from '../../src/kernel/json.ts';
import { VERSION } from '../../src/kernel/version.ts';
import { HeadLink, type Order } from '../../src/node/head-link.ts';
import { lateRowName, rowName } from '../../src/store/layout.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { Link } from './cluster/link.ts';
import { row } from './rows.ts';
import { waitUntil } from './wait-until.ts';

export type { LinkResponse };

export interface ScriptedNodeOptions {
  readonly port: number | (() => number);
  readonly store: ObjectStore;
  readonly name: string;
  readonly actors?: number;
  /** The same for two lives of one data dir. */
  readonly dataDirId?: string;
  readonly bootId?: string;
  /** What it says that it holds when a session begins. Default: what it was handed and has not ended. */
  readonly inventory?: readonly HeldTask[];
  /** Tasks in one page of its inventory. Default: all in one. */
  readonly pageSize?: number;
  /** What an earlier life had ready and no head has heard of: said in front of its inventory. */
  readonly references?: readonly ReferenceReady[];
  /** Runs that it ships references of an earlier life for, until `shipped`. */
  readonly owedRuns?: readonly string[];
  /** How long `has` waits. Default 5,000. */
  readonly patienceMs?: number;
  /** What it answers when it is asked what it sees. Default: it says nothing. */
  readonly sees?: Partial<Inspected>;
  /** Ends every task at once, without an error. */
  readonly isEager?: boolean;
}

export const TOKEN = 'a-token-of-tests';

export class ScriptedNode implements AsyncDisposable {
  readonly options: ScriptedNodeOptions;
  /** All that was handed out to it, in order. */
  readonly batches: Batch[] = [];
  readonly orders: Order[] = [];
  readonly held = new Map<string, HeldTask>();
  readonly openRuns = new Set<string>();
  /** What the head gave it for each run. */
  readonly secrets = new Map<string, Readonly<Record<string, string>>>();
  sessions = 0;
  readonly #relay: Link;
  #link: HeadLink | undefined;

  private constructor(options: ScriptedNodeOptions, relay: Link) {
    this.options = options;
    this.#relay = relay;
  }

  static async join(options: ScriptedNodeOptions): Promise<ScriptedNode> {
    const { port, name, actors = 2, dataDirId = `dir-${name}`, bootId = randomUUID() } = options;
    const relay = await Link.open(typeof port === 'number' ? () => port : port);
    const node = new ScriptedNode(options, relay);
    try {
      const link = await HeadLink.open({
        address: relay.address,
        security: { token: TOKEN },
        hello: { node: name, bootId, dataDirId, version: VERSION, actors },
        reconnect: true,
        onOrder: (order) => node.#obey(order),
        onSession: (isNew) => queueMicrotask(() => isNew && node.#sayInventory()),
        onCut: () => {},
        onFatal: () => {},
      });
      node.#link = link;
      if (node.sessions > 0) node.#sendInventory();
      return node;
    } catch (error) {
      await relay[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Ids that it was handed, whatever became of them. */
  get given(): string[] {
    return this.batches.flatMap(({ tasks }) => tasks.map(({ instanceId }) => instanceId));
  }

  ordersOf<Case extends Order['$case']>($case: Case): Extract<Order, { $case: Case }>['value'][] {
    return this.orders.flatMap((order) => (order.$case === $case ? (order.value as never) : []));
  }

  async has(...ids: string[]): Promise<void> {
    const what = `node ${this.options.name} holds ${ids.join(', ')}`;
    await waitUntil(what, () => ids.every((id) => this.held.has(id)), this.options.patienceMs ?? 5_000);
  }

  started(id: string): void {
    const task = this.#taskOf(id);
    task.state = HeldState.RUNNING;
    const { runId, instanceId, attempt } = task;
    this.#link?.send({ $case: 'taskStarted', value: { runId, instanceId, attempt } });
  }

  /** Stores its row, or a late one if a row stands there, and says so. */
  async ends(id: string, fields: Record<string, unknown> = {}): Promise<void> {
    const { store } = this.options;
    const task = this.#taskOf(id);
    // Nobody may take it from here on.
    task.state = HeldState.RUNNING;
    const { runId, instanceId, attempt } = task;
    const bytes = jsonBytes(row(id, fields));
    const written = await store.create(rowName(runId, instanceId, attempt), bytes);
    const isLate = written.kind === 'conflict';
    if (isLate) await store.create(lateRowName(runId, instanceId, attempt), bytes);
    this.says(id, fields['error'] ? Outcome.ERROR : Outcome.OK, isLate);
  }

  /** The end of a task as the head hears of it; nothing is stored. */
  says(id: string, outcome: Outcome, isLate = false, error = ''): void {
    const { runId, instanceId, attempt } = this.#taskOf(id);
    this.held.delete(id);
    this.#link?.send({
      $case: 'taskEnded',
      value: { runId, instanceId, attempt, outcome, error, isLate, isDuplicate: false },
    });
  }

  referenceReady(value: Partial<ReferenceReady> & Pick<ReferenceReady, 'runId' | 'database'>): void {
    this.#link?.send({
      $case: 'referenceReady',
      value: { grantEpoch: 0, shard: '', digest: 'd', wasEncoded: true, ...value },
    });
  }

  health(trouble: string): void {
    this.#link?.send({ $case: 'health', value: { trouble, spoolBytes: 0, spoolRows: 0, rssBytes: 0 } });
  }

  actors(live: number, pending: number): void {
    this.#link?.send({ $case: 'actorsChanged', value: { live, pending } });
  }

  runFailed(runId: string, error: string): void {
    this.#link?.send({ $case: 'runFailed', value: { runId, error } });
  }

  /** It cannot work on a database: says so, and gives back what it has of it. */
  databaseFailed(runId: string, database: string, error: string): void {
    this.#link?.send({ $case: 'databaseFailed', value: { runId, database, error } });
    const own = [...this.held.values()].filter((task) => task.database === database);
    for (const { instanceId } of own) this.says(instanceId, Outcome.RETURNED);
  }

  shipped(runId: string): void {
    this.#link?.send({ $case: 'shipped', value: { runId } });
  }

  leaves(): void {
    this.#link?.send({ $case: 'leaving', value: { reason: 'asked to' } });
  }

  /** The network is gone; nobody is told until `heal`. */
  cut(): void {
    this.#relay.refuse();
  }

  heal(): void {
    this.#relay.heal();
  }

  /** Dies without a word. What it held may be handed to its next life's `inventory`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#relay.refuse();
    await this.#link?.[Symbol.asyncDispose]();
    await this.#relay[Symbol.asyncDispose]();
  }

  #taskOf(id: string): HeldTask {
    const task = this.held.get(id);
    if (!task) throw new Error(`node ${this.options.name} does not hold ${id}`);
    return task;
  }

  #sayInventory(): void {
    this.sessions += 1;
    if (this.#link) this.#sendInventory();
  }

  #sendInventory(): void {
    const left = [...(this.options.inventory ?? [])];
    // What an earlier life had begun is said in every session of this one.
    const orphans = left.filter(({ state }) => state === HeldState.ORPHANED);
    const tasks = this.sessions > 1 ? [...orphans, ...this.held.values()] : left;
    for (const task of tasks) if (task.state !== HeldState.ORPHANED) this.held.set(task.instanceId, task);
    const { pageSize = Infinity, references = [], owedRuns = [] } = this.options;
    for (const reference of references) this.referenceReady(reference);
    for (let at = 0; at === 0 || at < tasks.length; at += pageSize) {
      const hasMore = at + pageSize < tasks.length;
      const openRuns = hasMore ? [] : [...this.openRuns];
      const keyedRuns = openRuns.filter((runId) => this.secrets.has(runId));
      const last = { openRuns, keyedRuns, owedRuns: hasMore ? [] : [...owedRuns] };
      const value = { tasks: tasks.slice(at, at + pageSize), hasMore, ...last };
      this.#link?.send({ $case: 'inventory', value });
    }
  }

  #sayOpened(runId: string): void {
    this.#link?.send({ $case: 'runOpened', value: { runId, hasSecrets: this.secrets.has(runId) } });
  }

  /** Uploads of helpers that failed. */
  helpersFailed(runId: string, counts: Record<string, number>): void {
    this.#link?.send({ $case: 'helperFailures', value: { runId, counts } });
  }

  #obey(order: Order): void {
    this.orders.push(order);
    switch (order.$case) {
      case 'openRun':
        this.openRuns.add(order.value.runId);
        if (Object.keys(order.value.secrets).length > 0) this.secrets.set(order.value.runId, order.value.secrets);
        this.#sayOpened(order.value.runId);
        return;
      case 'batch': {
        const { runId, database, tasks } = order.value;
        this.batches.push(order.value);
        for (const { instanceId, attempt } of tasks) {
          this.held.set(instanceId, { runId, instanceId, attempt, database, state: HeldState.QUEUED, startedMs: 0 });
          if (!this.options.isEager) continue;
          this.started(instanceId);
          void this.ends(instanceId);
        }
        return;
      }
      case 'steal': {
        const { database, count } = order.value;
        const idle = [...this.held.values()].filter(
          (task) => task.database === database && task.state === HeldState.QUEUED,
        );
        for (const { instanceId } of idle.slice(0, count)) this.says(instanceId, Outcome.RETURNED);
        return;
      }
      case 'revoke':
        for (const { instanceId } of order.value.tasks) this.held.delete(instanceId);
        return;
      case 'drain':
        for (const { instanceId, runId } of [...this.held.values()]) {
          if (runId === order.value.runId) this.says(instanceId, Outcome.RETURNED);
        }
        return;
      case 'inspect': {
        const { sees } = this.options;
        const { requestId } = order.value;
        const nothing = { actors: [], log: [], spoolRows: 0, spoolBytes: 0 };
        if (sees) this.#link?.send({ $case: 'inspected', value: { ...nothing, ...sees, requestId } });
        return;
      }
      case 'welcome':
      case 'referenceAvailable':
        return;
      case 'closeRun':
        this.openRuns.delete(order.value.runId);
        this.secrets.delete(order.value.runId);
        this.#link?.send({ $case: 'runClosed', value: { runId: order.value.runId, helperFailures: {} } });
        return;
    }
  }
}

/** What a node may say that it holds. */
export function heldTask(instanceId: string, state: HeldState, attempt = 1, runId = 'r1'): HeldTask {
  return { runId, instanceId, attempt, database: instanceId.split('_')[0] ?? '', state, startedMs: 0 };
}
