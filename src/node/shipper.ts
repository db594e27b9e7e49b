/**
 * Ships what a task leaves behind from this node straight to the store, in the order of W-10: row, log, then the
 * upload-back triple (debug bundle, setup sessions, reference shard).
 *
 * Invariants: S1 first writer wins: a row that finds another in its place is kept as `.late` (the other is synthetic) or
 * `.dup-<k>` (DESIGN rule 2). S2 helpers (everything but the row) never fail a task; they are counted by kind (U-06,
 * P-33). S3 a lost answer is read back before anything is called a conflict.
 */
import type { TaskRow } from '../frameworks/framework.ts';
import { describeError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import type { Logger } from '../kernel/log.ts';
import { createOrConfirm, readPatiently } from '../store/create-or-confirm.ts';
import { duplicateRowName, lateRowName, logName, rowName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';

export type RowEnd =
  /** Stored under its own name. */
  | { readonly kind: 'stored' }
  /** A synthetic row stood there: kept beside it and canonical from now on. */
  | { readonly kind: 'late' }
  /** Another real row stood there: kept beside it, counted. */
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'unstored'; readonly error: unknown };

/** The kinds of helper whose failures are counted. */
export type HelperKind = 'log' | 'debug-bundle' | 'setup-sessions' | 'reference-shard';

export class Shipper {
  readonly #store: ObjectStore;
  readonly #runId: string;
  readonly #log: Logger;
  readonly #failures = new Map<HelperKind, number>();

  constructor(store: ObjectStore, runId: string, log: Logger) {
    this.#store = store;
    this.#runId = runId;
    this.#log = log;
  }

  /** How many uploads of each helper failed. */
  get failures(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#failures);
  }

  /** Stores a row for good; never throws. */
  async row(row: TaskRow, attempt: number): Promise<RowEnd> {
    const { instance_id: instanceId } = row;
    try {
      failPoint('row.before-write');
      const bytes = jsonBytes(row);
      const own = await createOrConfirm(this.#store, rowName(this.#runId, instanceId, attempt), bytes);
      failPoint('row.after-write');
      if (own.kind !== 'conflict') return { kind: 'stored' };
      return await this.#besides(row, attempt, bytes);
    } catch (error) {
      this.#log.error({ instance: instanceId, attempt, error: describeError(error) }, 'row not stored');
      return { kind: 'unstored', error };
    }
  }

  /** Ships the task's log, if it printed anything. */
  async taskLog(instanceId: string, attempt: number, bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength === 0) return;
    await this.helper('log', async () => {
      await createOrConfirm(this.#store, logName(this.#runId, instanceId, attempt), bytes);
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
      this.#log.warn({ helper: kind, error: describeError(error) }, '[upload_back] failed');
      return false;
    }
  }

  async #besides(row: TaskRow, attempt: number, bytes: Buffer): Promise<RowEnd> {
    const standing = await readPatiently(this.#store, rowName(this.#runId, row.instance_id, attempt));
    const other = standing && (parseJson(standing.name, standing.bytes) as Partial<TaskRow>);
    if (row.synthetic) return { kind: 'stored' }; // A verdict never competes with a row that is there.
    if (other?.synthetic) {
      const late = await createOrConfirm(this.#store, lateRowName(this.#runId, row.instance_id, attempt), bytes);
      if (late.kind !== 'conflict') return { kind: 'late' };
    }
    for (let k = 1; ; k += 1) {
      const name = duplicateRowName(this.#runId, row.instance_id, attempt, k);
      if ((await createOrConfirm(this.#store, name, bytes)).kind !== 'conflict') return { kind: 'duplicate' };
    }
  }
}
