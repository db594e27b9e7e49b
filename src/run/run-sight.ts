/**
 * What one look at the bucket says of a run's progress: how many ids are done, and a trace that changes with every progress.
 * One waiter's eye on one run: what it read once it does not read again.
 *
 * Invariants: S1 names tell how many ids have a row; before every id having one means the end, rows are read (`id-state.ts`).
 * S2 of a resubmitted id only rows of that attempt and later count, but for a good one that came late (L-12). The records
 * of attempts are read at the first look, and again when the status speaks of another attempt. S3 progress is a new row, a
 * task that starts or ends, and a transcript that grows (V-01, V-03).
 */
import pLimit from 'p-limit';

import { parseRowName, rowsPrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';
import { idsSince, NO_FLOORS, readAttemptRecords, type AttemptRecord, type Floors } from './attempt-record.ts';
import { addRowPath, canonicalRow, type RowFile } from './canonical-row.ts';
import { idStateOf, rulesOf } from './id-state.ts';
import type { Manifest } from './manifest.ts';
import { storeRows } from './row-source.ts';
import { readStatus, type RunStatus } from './status.ts';

export interface RunProgress {
  readonly total: number;
  /** Ids that have a row, error rows included. */
  readonly rows: number;
  readonly status: RunStatus | undefined;
}

export interface RunSight extends RunProgress {
  /** Changes with every progress (S3). */
  readonly trace: string;
}

export interface RunEyeOptions {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  /** Only rows of this attempt and later count. Default 1. */
  readonly minAttempt?: number | undefined;
  /** Default: the ids that attempts from `minAttempt` on are for, else all of the run. */
  readonly instanceIds?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

const READS_AT_ONCE = 32;

export class RunEye {
  readonly #options: RunEyeOptions;
  /** What the rows of ids came to, with how many there were then: rows never change. */
  readonly #ends = new Map<string, { readonly files: number; readonly isDone: boolean }>();
  #records: readonly AttemptRecord[] = [];
  #floors: Floors = NO_FLOORS;
  /** Of the status with which the records were read. */
  #attempt: number | undefined | 'never' = 'never';

  constructor(options: RunEyeOptions) {
    this.#options = options;
  }

  /** @throws SkeinError the store's | CANCELLED */
  async look(): Promise<RunSight> {
    const { store, manifest, minAttempt = 1, instanceIds, signal } = this.#options;
    const status = await readStatus(store, manifest.run_id, { signal });
    await this.#readRecords(status?.attempt);
    const narrowed = minAttempt > 1 ? idsSince(this.#records, minAttempt) : undefined;
    const wanted = new Set(instanceIds ?? narrowed ?? manifest.instance_ids);
    const { files, newestMs } = await this.#list(wanted);
    const rows = await this.#count(files, wanted.size, status);
    const inFlight = (status?.in_flight ?? []).map(({ instance_id }) => instance_id).sort();
    return { total: wanted.size, rows, status, trace: JSON.stringify([rows, newestMs, inFlight]) };
  }

  async #readRecords(attempt: number | undefined): Promise<void> {
    if (this.#attempt === attempt) return;
    const { store, manifest, signal } = this.#options;
    const { records, floors } = await readAttemptRecords(store, manifest.run_id, { signal });
    this.#records = records;
    this.#floors = floors;
    this.#attempt = attempt;
    this.#ends.clear();
  }

  /** The rows of `wanted`, and when the newest object beside them (rows, partial transcripts) was written. */
  async #list(wanted: ReadonlySet<string>): Promise<{ files: Map<string, RowFile[]>; newestMs: number }> {
    const { store, manifest, minAttempt = 1, signal } = this.#options;
    const prefix = rowsPrefix(manifest.run_id);
    const files = new Map<string, RowFile[]>();
    let newestMs = 0;
    for await (const { name, updatedMs } of listAll(store, prefix, { signal })) {
      newestMs = Math.max(newestMs, updatedMs);
      const row = parseRowName(name);
      if (row && row.attempt >= minAttempt && wanted.has(row.instanceId)) addRowPath(files, name.slice(prefix.length));
    }
    return { files, newestMs };
  }

  async #count(files: Map<string, RowFile[]>, total: number, status: RunStatus | undefined): Promise<number> {
    const retrying = new Set(status?.terminal_state ? [] : status?.retrying);
    const isOld = ([id, own]: readonly [string, readonly RowFile[]]): boolean =>
      own.every(({ attempt }) => attempt < (this.#floors.get(id) ?? 1));
    const [old, counted] = [[...files].filter(isOld), [...files].filter((each) => !isOld(each))];
    const named = counted.filter(([id]) => !retrying.has(id)).length;
    if (files.size < total || status?.terminal_state) return named;
    const late = await this.#countDone(old);
    return late < old.length ? named + late : late + (await this.#countDone(counted));
  }

  /** How many of these ids are done, by what stands in their rows. */
  async #countDone(entries: readonly (readonly [string, readonly RowFile[]])[]): Promise<number> {
    const { store, manifest, signal } = this.#options;
    const rules = rulesOf(manifest.retry_lost, this.#floors);
    const source = storeRows(store, manifest.run_id, { signal });
    const limit = pLimit(READS_AT_ONCE);
    const isDone = async (id: string, own: readonly RowFile[]): Promise<boolean> => {
      const known = this.#ends.get(id);
      if (known?.files === own.length) return known.isDone;
      const row = await canonicalRow(own, (file) => source.read(file));
      const end = { files: own.length, isDone: idStateOf(row, rules(id)).kind === 'done' };
      // What could not be read this time may be the next.
      if (row.kind !== 'unreadable') this.#ends.set(id, end);
      return end.isDone;
    };
    const done = await Promise.all(entries.map(([id, own]) => limit(() => isDone(id, own))));
    return done.filter(Boolean).length;
  }
}
