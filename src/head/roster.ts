/**
 * The nodes that the head knows: those that dialled in, and those that an earlier head named and that are waited for.
 *
 * Not here: what is out at them (`run-ledger.ts`), their streams (`node-sessions.ts`).
 *
 * Invariants: N1 one record per name. N2 silence is counted only while this process runs: a head that was frozen does not
 * take its own sleep for theirs. N3 what a node said that it holds of a run is kept until a run of that id is there.
 */
import type { HeldTask, Inventory, NodeHealth } from '../gen/skein/v1/node.ts';
import type { NodeSession } from './node-session.ts';

export interface NodeRecord {
  readonly name: string;
  dataDirId: string;
  /** Of its last known life. */
  bootId: string;
  /** Undefined: it has not dialled in since this head started. */
  session: NodeSession | undefined;
  /** For how long it has been silent, 0 while it is connected. */
  silentMs: number;
  /** What it has said of its holdings in this session so far, while there is more to come. */
  inventoryPages: Inventory[];
  /** Whether this life of it has said what it holds. */
  isInventoried: boolean;
  /** Whether the life that said so is another one than that which was handed the tasks. */
  isNewLife: boolean;
  health: NodeHealth;
  /** Of runs that are not active here (yet): what it holds, by run. */
  readonly unclaimed: Map<string, Map<string, HeldTask>>;
  /** Runs that it has open and that are not active here (yet). */
  readonly unclaimedRuns: Set<string>;
  /** Runs that it has open with all their secrets, as it said when this session began. */
  keyedRuns: ReadonlySet<string>;
  /** Runs, active or not, that it ships references of an earlier life for. */
  owedRuns: ReadonlySet<string>;
}

const HEALTHY: NodeHealth = { trouble: '', spoolBytes: 0, spoolRows: 0, rssBytes: 0 };
/** A tick that comes later than this means that this process did not run. */
const LONGEST_TICK_MS = 1_000;

export class Roster {
  readonly #records = new Map<string, NodeRecord>();
  #tickedMs = performance.now();

  list(): NodeRecord[] {
    return [...this.#records.values()];
  }

  get(name: string): NodeRecord | undefined {
    return this.#records.get(name);
  }

  /** Those that can be given work. */
  able(): NodeRecord[] {
    return this.list().filter(({ session, health }) => session?.state === 'connected' && health.trouble === '');
  }

  connected(): NodeRecord[] {
    return this.list().filter(({ session }) => session?.state === 'connected');
  }

  /** A node that an earlier head left something at: it is waited for, from now on. */
  expect(name: string, dataDirId: string, bootId: string): NodeRecord {
    const known = this.#records.get(name);
    if (known) return known;
    const record = this.#add(name);
    record.dataDirId = dataDirId;
    record.bootId = bootId;
    return record;
  }

  /** A node with a new session. `renamed`: the name under which its data dir was known. */
  join(session: NodeSession): { readonly record: NodeRecord; readonly renamed: string | undefined } {
    const { node, dataDirId, bootId } = session;
    const before = dataDirId === '' ? undefined : this.list().find((each) => each.dataDirId === dataDirId);
    const renamed = before && before.name !== node ? before.name : undefined;
    if (renamed !== undefined) this.#records.delete(renamed);
    const record = this.#records.get(node) ?? this.#add(node);
    const lastBoot = renamed === undefined ? record.bootId : before?.bootId;
    record.isNewLife = lastBoot !== undefined && lastBoot !== '' && lastBoot !== bootId;
    record.dataDirId = dataDirId;
    record.bootId = bootId;
    record.session = session;
    record.silentMs = 0;
    record.isInventoried = false;
    record.inventoryPages = [];
    record.health = HEALTHY;
    record.unclaimed.clear();
    record.unclaimedRuns.clear();
    record.owedRuns = new Set();
    record.keyedRuns = new Set();
    return { record, renamed };
  }

  remove(record: NodeRecord): void {
    if (this.#records.get(record.name) === record) this.#records.delete(record.name);
  }

  /** Keeps what a node holds of runs that are not active here. */
  keepInventory(
    record: NodeRecord,
    { tasks, openRuns, owedRuns, keyedRuns }: Inventory,
    isActive: (runId: string) => boolean,
  ): void {
    record.owedRuns = new Set(owedRuns);
    record.keyedRuns = new Set(keyedRuns);
    for (const task of tasks) {
      if (isActive(task.runId)) continue;
      let held = record.unclaimed.get(task.runId);
      if (!held) record.unclaimed.set(task.runId, (held = new Map()));
      held.set(task.instanceId, task);
    }
    for (const runId of openRuns) if (!isActive(runId)) record.unclaimedRuns.add(runId);
  }

  /** Counts the time since the last tick as silence of the silent ones. Those that are. */
  tick(nowMs = performance.now()): NodeRecord[] {
    const passedMs = Math.min(nowMs - this.#tickedMs, LONGEST_TICK_MS);
    this.#tickedMs = nowMs;
    const silent = this.list().filter(({ session }) => session === undefined || session.silentSinceMs !== undefined);
    for (const record of silent) record.silentMs += passedMs;
    return silent;
  }

  /** Actors of the connected ones. */
  actors(): { live: number; pending: number } {
    const sessions = this.connected().flatMap(({ session }) => session ?? []);
    return {
      live: sessions.reduce((sum, { actorsLive }) => sum + actorsLive, 0),
      pending: sessions.reduce((sum, { actorsPending }) => sum + actorsPending, 0),
    };
  }

  #add(name: string): NodeRecord {
    const record: NodeRecord = {
      name,
      dataDirId: '',
      bootId: '',
      session: undefined,
      silentMs: 0,
      inventoryPages: [],
      isInventoried: false,
      isNewLife: false,
      health: HEALTHY,
      unclaimed: new Map(),
      unclaimedRuns: new Set(),
      owedRuns: new Set(),
      keyedRuns: new Set(),
    };
    this.#records.set(name, record);
    return record;
  }
}
