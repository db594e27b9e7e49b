/**
 * The objects of a run's ended tasks on their way to the store, in the background: row, report, log, bundle (W-10).
 *
 * Invariants: T1 a task is reported once its row is stored and not before; helpers follow and never change the verdict.
 * T2 row and log are cleaned of secrets before anything of them is written. T3 with a spool the result lies there before the first object goes, and until the last one is stored.
 */
import { existsSync, rmSync } from 'node:fs';

import type { TaskRow } from '../frameworks/framework.ts';
import { boundRow } from '../frameworks/row-limit.ts';
import { describeError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { jsonBytes } from '../kernel/json.ts';
import type { Logger } from '../kernel/log.ts';
import { maskedBytes, maskedData } from '../kernel/mask.ts';
import { scratchFacts } from './scratch-mirror.ts';
import type { RowEnd, Shipper } from './shipper.ts';
import type { Spool } from './spool.ts';
import type { TaskEnd } from './task-end.ts';
import type { QueuedTask } from './task-queue.ts';
import type { ShippedTask, UploadBack } from './upload-back.ts';

export interface TaskShippingOptions {
  readonly runId: string;
  readonly shipper: Shipper;
  readonly uploadBack: UploadBack;
  readonly spool: Spool | undefined;
  readonly log: Logger;
  readonly ended: (task: QueuedTask, end: TaskEnd) => void;
}

/** Of rows and logs on their way at a time: eight of the longest. */
const MAX_BYTES = 80 * 1024 * 1024;

export class TaskShipping {
  readonly #options: TaskShippingOptions;
  readonly #underway = new Set<Promise<void>>();
  readonly #unreported = new Set<QueuedTask>();
  /** Rows and logs that are kept in memory until they are stored. */
  #bytes = 0;

  constructor(options: TaskShippingOptions) {
    this.#options = options;
  }

  /** Tasks whose row is not known to be stored yet: their end is still to be reported. */
  get tasks(): QueuedTask[] {
    return [...this.#unreported];
  }

  /**
   * Takes an ended task's objects on.
   * @param printed what there is besides the row
   * @param start what the spool knows its start by
   */
  ship(queued: QueuedTask, made: TaskRow, printed?: ShippedTask, start?: number): void {
    const row = maskedData(made);
    const rest = printed && { ...printed, log: maskedBytes(printed.log) as Buffer };
    // The actor did so already; what a verdict quotes may be long too.
    const bytes = jsonBytes(boundRow(row));
    const { spool, runId, log } = this.#options;
    const scratchDir = rest?.assignment.scratchDir ?? '';
    const entry = spool?.result(start, {
      runId,
      ...queued,
      row: bytes,
      log: rest?.log ?? Buffer.alloc(0),
      scratchDir,
      bundleBytes: scratchDir === '' ? 0 : (scratchFacts(scratchDir)?.bytes ?? 0),
      sessionsRoot: rest?.assignment.setupSessionsRoot ?? '',
      startedMs: rest?.startedMs ?? 0,
    });
    const work = this.#shipAll(queued, row, bytes, rest, entry).catch((error: unknown) =>
      log.error({ run: runId, instance: queued.instanceId, error: describeError(error) }, 'shipping failed'),
    );
    this.#underway.add(work);
    this.#unreported.add(queued);
    const held = bytes.byteLength + (rest?.log.byteLength ?? 0);
    this.#bytes += held;
    void work.then(() => {
      this.#underway.delete(work);
      this.#bytes -= held;
    });
  }

  /** Waits until at most `most` tasks are being shipped, and what they hold in memory is not much. */
  async settle(most: number): Promise<void> {
    while (this.#underway.size > most || (this.#underway.size > 0 && this.#bytes > MAX_BYTES)) {
      await Promise.race(this.#underway);
    }
  }

  async #shipAll(
    queued: QueuedTask,
    row: TaskRow,
    bytes: Buffer,
    rest: ShippedTask | undefined,
    entry: number | undefined,
  ): Promise<void> {
    const { shipper, uploadBack, spool, ended } = this.#options;
    const { instanceId, attempt } = queued;
    if (spool) {
      // A crash from here on finds the result in the spool.
      await spool.written().catch(() => {});
      failPoint('spool.after-result');
    }
    const end = await shipper.row({ instanceId, attempt, bytes, isSynthetic: row.synthetic !== undefined });
    if (end.kind === 'kept') return;
    if (entry !== undefined && end.kind !== 'unstored') spool?.rowStored(entry);
    this.#unreported.delete(queued);
    ended(queued, taskEndOf(row, end));
    // It stays in the spool, with all that belongs to it, for whoever goes on.
    if (end.kind === 'unstored' && spool) return;
    if (rest) {
      await shipper.taskLog(instanceId, attempt, rest.log);
      await uploadBack.task(rest);
    }
    spool?.settle(entry);
    if (rest) removeScratch(rest.assignment.scratchDir);
  }
}

/** Most tasks leave no folder, and one look is cheaper than a removal of nothing; the others are a few small files. */
export function removeScratch(dir: string): void {
  if (existsSync(dir)) rmSync(dir, { recursive: true, force: true });
}

/** What the head hears of a row that has come to its end. */
export function taskEndOf(row: TaskRow, end: Exclude<RowEnd, { kind: 'kept' }>): TaskEnd {
  if (end.kind === 'unstored') return { kind: 'unstored', error: describeError(end.error) };
  if (row.synthetic?.reason === 'actor-lost') return { kind: 'lost', error: row.error ?? '' };
  const beside = end.kind === 'stored' ? {} : { beside: end.kind };
  return row.error ? { kind: 'error', error: row.error, ...beside } : { kind: 'ok', ...beside };
}
