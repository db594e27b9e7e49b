/**
 * How the items of a knowledge base depend on each other (G-01, G-02, G-04), as far as rows are there: an id that no row
 * has counts as satisfied.
 */
import { childIds } from '../dataset/knowledge.ts';
import type { KbRow } from '../dataset/task.ts';

export interface KbGraph {
  /** Every id, children first; among those that could go next, the smaller first. Without the blocked ones. */
  readonly order: readonly number[];
  /** What an item depends on directly, each once. */
  readonly childrenOf: ReadonlyMap<number, readonly number[]>;
  /** The items that depend on an item directly and are not blocked, ascending. */
  readonly parentsOf: ReadonlyMap<number, readonly number[]>;
  /** Why an item can never be encoded: it is on a cycle, or depends on one; the text names the cycle. */
  readonly blocked: ReadonlyMap<number, string>;
}

export function kbGraph(kb: readonly KbRow[]): KbGraph {
  const known = new Set(kb.map((row) => row.id));
  const childrenOf = new Map(kb.map((row) => [row.id, childIds(row).filter((id) => known.has(id))]));
  const allParents = invert(childrenOf);
  const order = peel(childrenOf, allParents);
  const free = new Set(order);
  const parentsOf = new Map([...allParents].map(([id, parents]) => [id, parents.filter((parent) => free.has(parent))]));
  const stuck = [...known].filter((id) => !free.has(id));
  return { order, childrenOf, parentsOf, blocked: explain(stuck, childrenOf) };
}

type Edges = ReadonlyMap<number, readonly number[]>;

function invert(childrenOf: Edges): Map<number, number[]> {
  const parentsOf = new Map<number, number[]>([...childrenOf.keys()].map((id) => [id, []]));
  for (const [id, children] of childrenOf) for (const child of children) parentsOf.get(child)?.push(id);
  for (const parents of parentsOf.values()) parents.sort((a, b) => a - b);
  return parentsOf;
}

/** Takes away, again and again, what has no child left: what is on a cycle or above one stays. */
function peel(childrenOf: Edges, parentsOf: Edges): number[] {
  const left = new Map([...childrenOf].map(([id, children]) => [id, children.length]));
  const order: number[] = [];
  let ready = [...left.keys()].filter((id) => left.get(id) === 0);
  while (ready.length > 0) {
    ready.sort((a, b) => a - b);
    order.push(...ready);
    const next: number[] = [];
    for (const id of ready) {
      for (const parent of parentsOf.get(id) ?? []) {
        const count = left.get(parent)! - 1;
        left.set(parent, count);
        if (count === 0) next.push(parent);
      }
    }
    ready = next;
  }
  return order;
}

function explain(stuck: readonly number[], childrenOf: Edges): Map<number, string> {
  const among = new Set(stuck);
  const next = (id: number): number[] =>
    (childrenOf.get(id) ?? []).filter((child) => among.has(child)).sort((a, b) => a - b);
  const cycles = new Map(stuck.map((id) => [id, pathFrom(id, next, (at) => at === id)]));
  const notes = new Map<number, string>();
  for (const id of stuck) {
    const own = cycles.get(id);
    if (own) {
      notes.set(id, `KB ${id} is on the dependency cycle ${arrows(own)}`);
      continue;
    }
    const way = pathFrom(id, next, (at) => cycles.get(at) !== undefined) ?? [];
    const at = way.at(-1) ?? id;
    notes.set(id, `KB ${id} depends on KB ${at}, which is on the dependency cycle ${arrows(cycles.get(at) ?? [])}`);
  }
  return notes;
}

/** The shortest way of at least one step from `start` to an id that `isGoal` accepts. */
function pathFrom(
  start: number,
  next: (id: number) => readonly number[],
  isGoal: (id: number) => boolean,
): number[] | undefined {
  const from = new Map<number, number>();
  const queue = [start];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const id of next(at)) {
      if (from.has(id)) continue;
      from.set(id, at);
      if (isGoal(id)) return trace(id, start, from);
      queue.push(id);
    }
  }
  return undefined;
}

function trace(goal: number, start: number, from: ReadonlyMap<number, number>): number[] {
  const path = [goal];
  for (let at = from.get(goal); at !== undefined; at = from.get(at)) {
    path.unshift(at);
    if (at === start) break;
  }
  return path;
}

const arrows = (ids: readonly number[]): string => ids.map((id) => `KB ${id}`).join(' → ');
