/** Which tasks of one run are out at which node, counted so that a choice of the next batch reads a few numbers. */
import type { InFlightTask, LedgerTask } from './run-ledger.ts';

/** What is out at one node. */
export interface Holding {
  readonly count: number;
  /** By database: how many are out, and how many of them no actor has yet. */
  readonly databases: ReadonlyMap<string, { readonly out: number; readonly unstarted: number }>;
  readonly tasks: readonly LedgerTask[];
}

interface Held {
  readonly tasks: Map<string, LedgerTask>;
  readonly databases: Map<string, { out: number; unstarted: number }>;
}

const NOTHING: Holding = { count: 0, databases: new Map(), tasks: [] };

export class NodeHoldings {
  readonly #held = new Map<string, Held>();
  #count = 0;

  /** Over all nodes. */
  get count(): number {
    return this.#count;
  }

  nodes(): string[] {
    return [...this.#held.keys()];
  }

  add(node: string, task: LedgerTask, startedMs: number | undefined): void {
    let held = this.#held.get(node);
    if (!held) this.#held.set(node, (held = { tasks: new Map(), databases: new Map() }));
    held.tasks.set(task.instanceId, task);
    const counts = held.databases.get(task.database) ?? { out: 0, unstarted: 0 };
    counts.out += 1;
    if (startedMs === undefined) counts.unstarted += 1;
    held.databases.set(task.database, counts);
    this.#count += 1;
  }

  /** Call it once per start, after the phase has changed. */
  started(node: string, task: LedgerTask): void {
    const counts = this.#held.get(node)?.databases.get(task.database);
    if (counts) counts.unstarted -= 1;
  }

  /** Call it while the task's phase still is `out`. */
  remove(node: string, task: LedgerTask): void {
    const held = this.#held.get(node);
    if (!held?.tasks.delete(task.instanceId)) return;
    this.#count -= 1;
    const counts = held.databases.get(task.database);
    if (counts) {
      counts.out -= 1;
      if (task.phase.kind === 'out' && task.phase.startedMs === undefined) counts.unstarted -= 1;
      if (counts.out === 0) held.databases.delete(task.database);
    }
    if (held.tasks.size === 0) this.#held.delete(node);
  }

  of(node: string): Holding {
    const held = this.#held.get(node);
    if (!held) return NOTHING;
    const { tasks, databases } = held;
    return {
      count: tasks.size,
      databases,
      get tasks() {
        return [...tasks.values()];
      },
    };
  }

  /** Started tasks, the longest-running first. */
  inFlight(): InFlightTask[] {
    const found: InFlightTask[] = [];
    for (const [node, { tasks }] of this.#held) {
      for (const { instanceId, attempt, database, phase } of tasks.values()) {
        if (phase.kind !== 'out' || phase.startedMs === undefined) continue;
        found.push({ instanceId, attempt, database, node, startedMs: phase.startedMs });
      }
    }
    return found.sort((a, b) => a.startedMs - b.startedMs);
  }
}
