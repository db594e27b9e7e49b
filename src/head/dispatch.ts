/**
 * Which batch a node gets next, and from whom an idle one steals: pure choices over what waits and what the nodes hold
 * (DESIGN "Dispatch", P-09).
 *
 * - A node holds at most `windowOf(actors)` unfinished tasks, so that it never idles and nothing is hoarded.
 * - As long as it works on fewer databases than it has actors, it gets another database: an encode keeps one actor busy
 *   and must not hold up the rest.
 * - Else more of a database that it holds already; else of the database with the most waiting tasks.
 * - What another node encodes is not in the choice: the caller leaves it out.
 */
export interface DispatchInput {
  readonly actors: number;
  /** Unfinished tasks at the node, over all runs. */
  readonly held: number;
  /** Databases that the node works on, in this run. */
  readonly heldDatabases: ReadonlySet<string>;
  /** Databases with waiting tasks that this node may have, in this run. */
  readonly waiting: readonly { readonly database: string; readonly count: number }[];
  /** Tasks that the run may still have out; absent: no limit. */
  readonly room?: number;
}

export interface BatchChoice {
  readonly database: string;
  readonly count: number;
}

const MAX_BATCH = 32;

/** How many unfinished tasks a node with so many actors may hold. */
export function windowOf(actors: number): number {
  return 16 + 8 * actors;
}

/** The next batch, or undefined when the node has enough or nothing waits for it. */
export function chooseBatch(input: DispatchInput): BatchChoice | undefined {
  const { actors, held, heldDatabases, waiting } = input;
  const room = Math.min(windowOf(actors) - held, input.room ?? Infinity);
  if (room <= 0 || waiting.length === 0) return undefined;
  const fresh = waiting.filter(({ database }) => !heldDatabases.has(database));
  const known = waiting.filter(({ database }) => heldDatabases.has(database));
  const preferred = heldDatabases.size < actors ? [fresh, known] : [known, fresh];
  const candidates = preferred.find((list) => list.length > 0) ?? waiting;
  const largest = candidates.reduce((best, next) => (next.count > best.count ? next : best));
  // While databases are still to be spread, one of them may not fill the whole window.
  const share = Math.max(1, Math.ceil(windowOf(actors) / Math.max(actors, 1)));
  return { database: largest.database, count: Math.min(largest.count, room, share, MAX_BATCH) };
}

/** The node with the least to do for its actors comes first; among equals the order stays. */
export function leastLoaded<Node extends { readonly held: number; readonly actors: number }>(
  nodes: readonly Node[],
): Node | undefined {
  const load = ({ held, actors }: Node): number => held / Math.max(1, actors);
  return nodes.reduce<Node | undefined>((best, next) => (best && load(best) <= load(next) ? best : next), undefined);
}

/** What one node holds of one database of one run, and has not started. */
export interface StealSource {
  readonly node: string;
  readonly actors: number;
  /** Unfinished tasks at that node, over all runs. */
  readonly held: number;
  readonly runId: string;
  readonly database: string;
  readonly unstarted: number;
}

export interface StealChoice {
  readonly node: string;
  readonly runId: string;
  readonly database: string;
  readonly count: number;
}

/**
 * What a node with an idle actor takes from the others when nothing waits for it, or undefined.
 * @param sources what the thief may work on too; never its own
 */
export function chooseSteal(
  thief: { readonly actors: number; readonly held: number },
  sources: readonly StealSource[],
): StealChoice | undefined {
  if (thief.held >= thief.actors) return undefined;
  // A node with no more tasks than actors is about to start them all.
  const worthwhile = sources.filter(({ held, actors, unstarted }) => unstarted > 0 && held > actors);
  if (worthwhile.length === 0) return undefined;
  const richest = worthwhile.reduce((best, next) => (next.unstarted > best.unstarted ? next : best));
  const { node, runId, database, unstarted, held, actors } = richest;
  // So that both have the same load afterwards, as far as this one database goes.
  const even = Math.floor((held * thief.actors - thief.held * actors) / (actors + thief.actors));
  return { node, runId, database, count: Math.max(1, Math.min(unstarted, even)) };
}
