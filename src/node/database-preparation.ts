/**
 * Gets a run's databases ready on this node, one batch's word after the other: brings what is missing, keeps a grant where
 * it lasts before anything is built under it, and says at once that a seed is a ready reference.
 *
 * Invariants: D1 the last word of the head on a database holds. D2 what fails for now (store, disk) is tried until it
 * works or the node stops; only what no try can mend is thrown.
 */
import { describeError, isSkeinError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { backoffMs, sleep } from '../kernel/retry.ts';
import type { DatabasePlace, PlaceOutcome, PlaceRequest, RunPlaces } from './database-place.ts';
import type { Spool } from './spool.ts';
import type { ReadyReference } from './upload-back.ts';

export interface DatabasePreparationOptions {
  readonly runId: string;
  readonly places: RunPlaces;
  readonly spool: Spool | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The granted reference is the run's seed. */
  readonly onSeed: (database: string, epoch: number, digest: string) => void;
  /** Told while something is tried again, and with undefined when it worked. */
  readonly onTrouble: (trouble: string | undefined) => void;
}

export class DatabasePreparation {
  readonly #options: DatabasePreparationOptions;
  readonly #places = new Map<string, DatabasePlace>();
  /** What the head said with each place. */
  readonly #words = new Map<string, string>();
  readonly #turns = new Map<string, Promise<unknown>>();
  /** The spool's record of each grant: `<db> <epoch>`. */
  readonly #grants = new Map<string, number>();

  constructor(options: DatabasePreparationOptions) {
    this.#options = options;
  }

  /** Where the database is, once it was prepared. */
  placeOf(database: string): DatabasePlace | undefined {
    return this.#places.get(database);
  }

  /** @throws SkeinError CANCELLED when the node stops; NOT_FOUND | CORRUPT | INVALID_INPUT …: nothing of this database can work here */
  async prepare(request: PlaceRequest): Promise<PlaceOutcome> {
    const { database } = request;
    const before = this.#turns.get(database);
    const turn = (async () => {
      await before?.catch(() => {});
      return await this.#prepareNow(request);
    })();
    this.#turns.set(database, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(database) === turn) this.#turns.delete(database);
    }
  }

  /** A granted reference is stored: the spool owes the word of it, under the id that is given, if it owed anything. */
  grantReady({ database, epoch, ...rest }: ReadyReference): number | undefined {
    const { spool, runId } = this.#options;
    const key = `${database} ${epoch}`;
    const grant = this.#grants.get(key);
    this.#grants.delete(key);
    return grant === undefined ? undefined : spool?.ready(grant, { runId, database, epoch, ...rest });
  }

  /** The run is over and all that was built is shipped: what was granted and never built is owed to nobody. */
  close(): void {
    for (const id of this.#grants.values()) this.#options.spool?.settle(id);
    this.#grants.clear();
  }

  async #prepareNow(request: PlaceRequest): Promise<PlaceOutcome> {
    const { places, onSeed } = this.#options;
    const { database, grantEpoch } = request;
    const word = JSON.stringify([grantEpoch, request.reference?.runId, request.reference?.shard]);
    const known = this.#places.get(database);
    // Most batches say what the one before has said.
    if (known && this.#words.get(database) === word) return { kind: 'ready', place: known };
    const outcome = await this.#patiently(database, async () => {
      const found = await places.prepare(request);
      if (found.kind === 'ready' && found.place.reference.kind === 'build') {
        await this.#keepGrant(database, found.place.reference.epoch, found.place.referenceRoot);
      }
      return found;
    });
    if (outcome.kind !== 'ready') return outcome;
    this.#places.set(database, outcome.place);
    this.#words.set(database, word);
    const { seedDigest } = outcome.place;
    if (seedDigest !== undefined && grantEpoch > 0) onSeed(database, grantEpoch, seedDigest);
    return outcome;
  }

  async #keepGrant(database: string, epoch: number, referenceRoot: string): Promise<void> {
    const { spool, runId } = this.#options;
    const key = `${database} ${epoch}`;
    if (!spool || epoch === 0 || this.#grants.has(key)) return;
    this.#grants.set(key, await spool.grant({ runId, database, epoch, referenceRoot }));
  }

  async #patiently<T>(database: string, work: () => Promise<T>): Promise<T> {
    const { runId, log, signal, onTrouble } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = await work();
        if (attempt > 1) onTrouble(undefined);
        return result;
      } catch (error) {
        if (signal.aborted || !isPassing(error)) throw error;
        const trouble = describeError(error);
        log.warn({ run: runId, database, attempt, trouble }, 'database not ready yet; it is tried again');
        onTrouble(isSkeinError(error, 'DISK_FULL') ? `disk full: ${trouble}` : trouble);
        await sleep(500 + backoffMs(attempt, 500, 10_000), signal);
      }
    }
  }
}

function isPassing(error: unknown): boolean {
  return isSkeinError(
    error,
    'STORE_UNAVAILABLE',
    'OUTCOME_UNKNOWN',
    'DEADLINE',
    'DISK_FULL',
    'UNAVAILABLE',
    'STORE_CONFLICT',
  );
}
