/**
 * Gives a lost attempt its row: `actor-lost`, with the cause beside it (DESIGN rule 2, W-05), and one that no node can run
 * `dispatch-failure`. First writer wins, so a row that the node had stored before it died speaks instead.
 *
 * Also looks, before a task of a lost node is handed out again as the same attempt, whether it has its row already.
 *
 * Invariants: L1 every loss ends in one word to its run: the synthetic row is stored, or a row is there. L2 a store that
 * does not answer is asked again until it does or the head stops; until then the task counts as out.
 */
import pLimit from 'p-limit';

import { describeError, isSkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { jsonBytes } from '../kernel/json.ts';
import type { Logger } from '../kernel/log.ts';
import { sleep } from '../kernel/retry.ts';
import { isErrorRow, parseRow, type StoredRow } from '../run/canonical-row.ts';
import { lastSnapshotMs } from '../run/last-snapshot.ts';
import { isLostRow, lostRow, undispatchedRow } from '../run/synthetic-row.ts';
import { createOrConfirm, readPatiently } from '../store/create-or-confirm.ts';
import { rowName } from '../store/layout.ts';
import type { ObjectStore, StoredObject } from '../store/port.ts';
import type { ActiveRun } from './active-run.ts';
import type { LedgerTask, TaskKey } from './run-ledger.ts';

const WRITES_AT_ONCE = 16;
/** Between two rounds of tries at a store that does not answer. */
const PAUSE_MS = 1_000;

export interface LossesOptions {
  readonly store: ObjectStore;
  readonly log: Logger;
  /** Whether this head may write at all; else it waits until it may. */
  readonly mayWrite: () => boolean;
  /** Told after each word to a run: its task may wait again. */
  readonly onSettled: () => void;
  /** Ends the writing: the head stops. */
  readonly signal: AbortSignal;
}

export class Losses {
  readonly #options: LossesOptions;
  readonly #limit = pLimit(WRITES_AT_ONCE);

  constructor(options: LossesOptions) {
    this.#options = options;
  }

  /** Stores the row of `task`'s present attempt and tells `run`. Never throws. */
  readonly write = (run: ActiveRun, task: LedgerTask, cause: string, startedMs: number | undefined): void => {
    const { instanceId, database, attempt } = task;
    const key = { instanceId, attempt };
    const endedMs = Date.now();
    void this.#limit(async () => {
      const lastMs = await this.#lastSnapshotMs(run, key);
      // Of a node that nobody hears of only the store can tell, and when it died is not known either: at most now.
      const snapshots = lastMs === undefined ? undefined : { lastMs, startedMs: startedMs ?? lastMs, endedMs };
      const bytes = jsonBytes(lostRow({ instanceId, database, attempt, cause, snapshots }));
      await this.#store(run, key, bytes, cause);
    }).then(this.#options.onSettled);
  };

  /** Stores the row of `task`'s present attempt, which no node can run, and tells `run`. Never throws. */
  readonly writeVerdict = (run: ActiveRun, task: LedgerTask, error: string): void => {
    const { instanceId, database, attempt } = task;
    const key = { instanceId, attempt };
    const bytes = jsonBytes(undispatchedRow({ instanceId, database, attempt, cause: error }));
    const stored = (): void => run.rowFound(key, true);
    void this.#limit(() => this.#store(run, key, bytes, error, stored)).then(this.#options.onSettled);
  };

  /** Looks for the row of `task`'s present attempt and tells `run` what there is. Never throws. */
  readonly look = (run: ActiveRun, { instanceId, attempt }: LedgerTask): void => {
    void this.#limit(() => this.#find(run, { instanceId, attempt })).then(this.#options.onSettled);
  };

  async #find(run: ActiveRun, key: TaskKey): Promise<void> {
    const { store, log, signal } = this.#options;
    while (!signal.aborted) {
      try {
        const stored = await readPatiently(store, rowName(run.runId, key.instanceId, key.attempt), { signal });
        if (!stored) return run.neverBegan(key);
        return this.#standing(run, key, stored, 'its row says so');
      } catch (error) {
        if (isSkeinError(error, 'CANCELLED')) return;
        log.warn({ run: run.runId, ...key, error: describeError(error) }, 'row of a task not looked up yet');
        await sleep(PAUSE_MS, signal).catch(() => {});
      }
    }
  }

  async #store(
    run: ActiveRun,
    key: TaskKey,
    bytes: Buffer,
    cause: string,
    stored = (): void => run.lossStored(key, cause),
  ): Promise<void> {
    const { store, log, signal, mayWrite } = this.#options;
    const name = rowName(run.runId, key.instanceId, key.attempt);
    while (!signal.aborted) {
      try {
        if (mayWrite()) {
          failPoint('head.before-lost-row');
          const outcome = await createOrConfirm(store, name, bytes, { signal });
          failPoint('head.after-lost-row');
          if (outcome.kind !== 'conflict') return stored();
          return this.#standing(run, key, outcome.standing, cause);
        }
        await sleep(PAUSE_MS, signal);
      } catch (error) {
        if (isSkeinError(error, 'CANCELLED')) return;
        log.warn({ run: run.runId, ...key, error: describeError(error) }, 'row of a lost attempt not stored yet');
        await sleep(PAUSE_MS, signal).catch(() => {});
      }
    }
  }

  async #lastSnapshotMs({ runId }: ActiveRun, key: TaskKey): Promise<number | undefined> {
    const { store, signal } = this.#options;
    // The row does not wait for it: a store that does not answer now has nothing to add.
    return await lastSnapshotMs(store, { runId, ...key }, { signal, tries: 1 }).catch(() => undefined);
  }

  /** Somebody was faster: the node itself, before it died, or an earlier life of this head. */
  #standing(run: ActiveRun, key: TaskKey, standing: StoredObject, cause: string): void {
    const row = readable(key, standing);
    if (!row) return run.lossStored(key, `${cause}; and its row cannot be read`);
    if (isLostRow(row)) return run.lossStored(key, cause);
    run.rowFound(key, isErrorRow(row));
  }
}

function readable({ instanceId, attempt }: TaskKey, { name, bytes }: StoredObject): StoredRow | undefined {
  try {
    return parseRow({ runId: '', instanceId, attempt, kind: 'row', path: name }, bytes);
  } catch {
    return undefined;
  }
}
