/**
 * Which batch a node gets next: a pure choice over what waits and what the node holds (DESIGN "Dispatch", P-09).
 *
 * - A node holds at most `windowOf(actors)` unfinished tasks, so that it never idles and nothing is hoarded.
 * - As long as it works on fewer databases than it has actors, it gets another database: an encode keeps one actor busy
 *   and must not hold up the rest.
 * - Else more of a database that it holds already; else of the database with the most waiting tasks.
 */
export interface DispatchInput {
  readonly actors: number;
  /** Unfinished tasks at the node, over all runs. */
  readonly held: number;
  /** Databases that the node works on, in this run. */
  readonly heldDatabases: ReadonlySet<string>;
  /** Databases with waiting tasks, in this run. */
  readonly waiting: readonly { readonly database: string; readonly count: number }[];
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

/** The next batch, or undefined when the node has enough or nothing waits. */
export function chooseBatch({ actors, held, heldDatabases, waiting }: DispatchInput): BatchChoice | undefined {
  const room = windowOf(actors) - held;
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
