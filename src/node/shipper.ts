/**
 * Ships what a task leaves behind from this node straight to the store, in the order of W-10: row, log, then the
 * upload-back triple (debug bundle, setup sessions, reference shard).
 *
 * Invariants: S1 first writer wins: a row that finds another in its place is kept as `.late` (the other is synthetic) or
 * `.dup-<k>` (DESIGN rule 2). S2 helpers (everything but the row) never fail a task; they are counted by kind (U-06,
 * P-33). S3 a lost answer is read back before anything is called a conflict. S4 with `keepTrying` a row is given up only
 * when the node stops: it lies in the spool meanwhile.
 */
import { describeError, isSkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { parseJson } from '../kernel/json.ts';
import type { Logger } from '../kernel/log.ts';
import { backoffMs, sleep } from '../kernel/retry.ts';
import { createOrConfirm, readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { duplicateRowName, lateRowName, logName, rowName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';

export type RowEnd =
  /** Stored under its own name. */
  | { readonly kind: 'stored' }
  /** A synthetic row stood there: kept beside it and canonical from now on. */
  | { readonly kind: 'late' }
  /** Another real row stood there: kept beside it, counted. */
  | { readonly kind: 'duplicate' }
  /** The node stopped before the store had it: it stays in the spool. */
  | { readonly kind: 'kept' }
  | { readonly kind: 'unstored'; readonly error: unknown };

export interface ShippedRow {
  readonly instanceId: string;
  readonly attempt: number;
  /** The row as JSON. */
  readonly bytes: Buffer;
  /** Whether no framework wrote it. */
  readonly isSynthetic: boolean;
}

/** The kinds of helper whose failures are counted. */
export type HelperKind = 'log' | 'snapshot' | 'debug-bundle' | 'setup-sessions' | 'reference-shard';

export interface ShipperOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly log: Logger;
  /** Given: a row is tried until this fires, since it lies in the spool. Else as often as a call of the store is. */
  readonly keepTrying?: AbortSignal;
  /** Told when the store refuses a row, and with undefined when it took one again. */
  readonly onStoreTrouble?: (trouble: string | undefined) => void;
  /** Told when helpers failed, once a tick: how many of each kind since it was told last. */
  readonly onFailures?: (counts: Readonly<Record<string, number>>) => void;
}

/** Between two rounds of tries for a row that is kept. */
const ROUND_MAX_MS = 10_000;

export class Shipper {
  readonly #options: ShipperOptions;
  readonly #failures = new Map<HelperKind, number>();
  #untold: Record<string, number> = {};
  #isTelling = false;

  constructor(options: ShipperOptions) {
    this.#options = options;
  }

  /** How many uploads of each helper failed. */
  get failures(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#failures);
  }

  /** What failed and was told to nobody; from now on it counts as told. */
  takeUntold(): Readonly<Record<string, number>> {
    const counts = this.#untold;
    this.#untold = {};
    return counts;
  }

  /** Stores a row for good; never throws. */
  async row(row: ShippedRow): Promise<RowEnd> {
    const { log, keepTrying, onStoreTrouble } = this.#options;
    const { instanceId, attempt } = row;
    for (let round = 1; ; round += 1) {
      try {
        const end = await this.#store(row, keepTrying && { signal: keepTrying });
        onStoreTrouble?.(undefined);
        return end;
      } catch (error) {
        if (!keepTrying) {
          log.error({ instance: instanceId, attempt, error: describeError(error) }, 'row not stored');
          return { kind: 'unstored', error };
        }
        if (keepTrying.aborted) return { kind: 'kept' };
        const trouble = `store: ${describeError(error)}`;
        log.error({ instance: instanceId, attempt, round, trouble }, 'row not stored yet; it is kept and tried again');
        onStoreTrouble?.(trouble);
        await sleep(500 + backoffMs(round, 500, ROUND_MAX_MS), keepTrying).catch(() => {});
        if (keepTrying.aborted) return { kind: 'kept' };
      }
    }
  }

  /** Ships the task's log, if it printed anything. */
  async taskLog(instanceId: string, attempt: number, bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength === 0) return;
    const { store, runId } = this.#options;
    await this.helper('log', async () => {
      await createOrConfirm(store, logName(runId, instanceId, attempt), bytes);
      failPoint('log.after-write');
    });
  }

  /** Runs an upload that may fail: counted and logged, never thrown. Whether it worked. */
  async helper(kind: HelperKind, upload: () => Promise<void>): Promise<boolean> {
    try {
      await upload();
      return true;
    } catch (error) {
      this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1);
      this.#untold[kind] = (this.#untold[kind] ?? 0) + 1;
      this.#tellSoon();
      this.#options.log.warn({ helper: kind, error: describeError(error) }, '[upload_back] failed');
      return false;
    }
  }

  #tellSoon(): void {
    const { onFailures } = this.#options;
    if (!onFailures || this.#isTelling) return;
    this.#isTelling = true;
    setImmediate(() => {
      this.#isTelling = false;
      const counts = this.takeUntold();
      if (Object.keys(counts).length > 0) onFailures(counts);
    });
  }

  async #store(
    { instanceId, attempt, bytes, isSynthetic }: ShippedRow,
    patience: PersistOptions = {},
  ): Promise<RowEnd> {
    const { store, runId, onStoreTrouble } = this.#options;
    // A second try that fails is told: the first one may be a hiccup.
    const onRetry = (error: unknown, tries: number): void => {
      if (tries > 1 && patience.signal) onStoreTrouble?.(`store: ${describeError(error)}`);
    };
    const options = { ...patience, onRetry };
    failPoint('row.before-write');
    const name = rowName(runId, instanceId, attempt);
    const own = await createOrConfirm(store, name, bytes, options);
    failPoint('row.after-write');
    if (own.kind !== 'conflict') return { kind: 'stored' };
    // A verdict never competes with a row that is there.
    if (isSynthetic) return { kind: 'stored' };
    const standing = await readPatiently(store, name, options);
    if (standing && isSyntheticJson(standing.name, standing.bytes)) {
      const late = await createOrConfirm(store, lateRowName(runId, instanceId, attempt), bytes, options);
      if (late.kind !== 'conflict') return { kind: 'late' };
    }
    for (let k = 1; ; k += 1) {
      const duplicate = duplicateRowName(runId, instanceId, attempt, k);
      if ((await createOrConfirm(store, duplicate, bytes, options)).kind !== 'conflict') return { kind: 'duplicate' };
    }
  }
}

/** What cannot be read is nobody's verdict. */
function isSyntheticJson(name: string, bytes: Buffer): boolean {
  try {
    return Boolean((parseJson(name, bytes) as { synthetic?: unknown } | null)?.synthetic);
  } catch (error) {
    if (isSkeinError(error, 'CORRUPT')) return false;
    throw error;
  }
}
