/**
 * The writer of `results.db`: one SQLite file for the results of many runs, made here or by the original (C-02 … C-04).
 *
 * Not here: the columns and what goes into them (`results-schema.ts`).
 *
 * Invariants: D1 one collation is one transaction: a death at any instant leaves the file as it was before or after.
 * D2 a file of an older writer gains the columns it lacks, by ALTER; columns that this version does not know are left
 * alone. D3 a file that cannot take our rows as they are meant (a newer schema, another key, a column that must be filled)
 * is named with what is wrong and not changed.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';

import { asError, SkeinError } from '../kernel/errors.ts';
import {
  RUN_METADATA,
  RUN_METADATA_KEY,
  SCHEMA_VERSION,
  TASK_RESULTS,
  TASK_RESULTS_KEY,
  type SqlValue,
  type Table,
} from './results-schema.ts';
import { makeStampTable, stampStatement, type CollationStamp } from './collation-stamp.ts';

/** How long SQLite waits for another program that writes the file. */
const BUSY_TIMEOUT_MS = 10_000;

/** What SQLite's primary result codes mean here, and what a person does about it. */
const TROUBLE: Readonly<Record<number, readonly [SkeinError['code'], string]>> = {
  5: ['UNAVAILABLE', 'is locked: another program is writing to it: close that one, then fetch again'],
  6: ['UNAVAILABLE', 'is locked: another program is writing to it: close that one, then fetch again'],
  8: ['UNAVAILABLE', 'may only be read: give yourself the right to write to it, then fetch again'],
  11: ['CORRUPT', 'is damaged: move it away, then fetch again'],
  13: ['DISK_FULL', 'has no space left to grow: free some, then fetch again'],
  14: ['UNAVAILABLE', 'cannot be opened as a file: see what stands there, then fetch again'],
  26: ['CORRUPT', 'is no SQLite file: move it away, then fetch again'],
};

/**
 * One transaction on a `results.db`, begun by the constructor. Synchronous, and it may wait: for a thread of its own.
 * Disposing of it without `commit` leaves the file as it was.
 */
export class ResultsWriter implements Disposable {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #insertResult: StatementSync;
  readonly #insertRun: StatementSync;
  readonly #insertStamp: StatementSync;

  /** Opens or makes the file. @throws SkeinError UNAVAILABLE (locked, read-only) | CORRUPT (no database) | PREFLIGHT (D3) | DISK_FULL */
  constructor(path: string, busyTimeoutMs = BUSY_TIMEOUT_MS) {
    this.#path = path;
    this.#database = this.#guard(() => new DatabaseSync(path, { timeout: busyTimeoutMs }));
    try {
      this.#guard(() => this.#database.exec('BEGIN IMMEDIATE'));
      this.#guard(() => this.#checkVersion());
      this.#insertResult = this.#guard(() => this.#ready('task_results', TASK_RESULTS, TASK_RESULTS_KEY));
      this.#insertRun = this.#guard(() => this.#ready('run_metadata', RUN_METADATA, RUN_METADATA_KEY));
      this.#guard(() => makeStampTable(this.#database));
      this.#insertStamp = this.#guard(() => stampStatement(this.#database));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Adds a task's result, in place of the one that stands there (C-02). */
  write(values: readonly SqlValue[]): void {
    this.#guard(() => this.#insertResult.run(...values));
  }

  /** Makes all of it visible at once. `stamp`: by which the next collation knows that nothing changed. */
  commit(run: readonly SqlValue[], stamp: CollationStamp): void {
    this.#guard(() => this.#insertRun.run(...run));
    this.#guard(() => this.#insertStamp.run(stamp.runId, stamp.inputs, JSON.stringify(stamp)));
    this.#guard(() => this.#database.exec('COMMIT'));
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #checkVersion(): void {
    const version = Number(this.#database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version > SCHEMA_VERSION) {
      throw this.#unfit(`its schema is the newer version ${version}, and this Skein knows ${SCHEMA_VERSION}`);
    }
    if (version < SCHEMA_VERSION) this.#database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  }

  #unfit(what: string): SkeinError {
    const todo = 'fetch with the version that made it, or give another --out';
    return new SkeinError('PREFLIGHT', `${this.#path} does not fit: ${what}; ${todo}`);
  }

  /** Makes the table, or adds the columns that an older file lacks; the statement that puts a row in it. */
  #ready(name: string, table: Table, key: readonly string[]): StatementSync {
    const columns = Object.entries(table).map(([column, declaration]) => `"${column}" ${declaration}`);
    this.#database.exec(
      `CREATE TABLE IF NOT EXISTS "${name}" (${columns.join(', ')}, PRIMARY KEY (${key.join(', ')}))`,
    );
    const known = this.#database.prepare(`PRAGMA table_info("${name}")`).all();
    this.#checkColumns(name, table, key, known);
    const present = new Set(known.map((row) => row['name']));
    for (const [column, declaration] of Object.entries(table)) {
      if (present.has(column)) continue;
      // A column can be added NOT NULL only with a default.
      const needsDefault = declaration.includes('NOT NULL') && !declaration.includes('DEFAULT');
      const fallback = needsDefault ? ` DEFAULT ${declaration.startsWith('TEXT') ? "''" : '0'}` : '';
      this.#database.exec(`ALTER TABLE "${name}" ADD COLUMN "${column}" ${declaration}${fallback}`);
    }
    const names = Object.keys(table);
    const holes = names.map(() => '?').join(', ');
    return this.#database.prepare(`INSERT OR REPLACE INTO "${name}" ("${names.join('", "')}") VALUES (${holes})`);
  }

  #checkColumns(name: string, table: Table, key: readonly string[], known: readonly Record<string, unknown>[]): void {
    const ofKey = known.filter(({ pk }) => Number(pk) > 0).map((column) => String(column['name']));
    if (ofKey.length !== key.length || !key.every((column) => ofKey.includes(column))) {
      const has = ofKey.length === 0 ? 'no key' : `the key ${ofKey.join(', ')}`;
      throw this.#unfit(`its table ${name} has ${has}, where (${key.join(', ')}) is needed`);
    }
    const demanded = known.find(
      (column) =>
        column['notnull'] === 1 && column['dflt_value'] === null && !Object.hasOwn(table, String(column['name'])),
    );
    if (demanded) throw this.#unfit(`its table ${name} demands a value for the column ${String(demanded['name'])}`);
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof SkeinError) throw error;
      const [code, todo] = TROUBLE[((error as { errcode?: number }).errcode ?? 0) & 0xff] ?? ['UNAVAILABLE', ''];
      throw new SkeinError(code, `${this.#path} ${todo || `cannot be written to: ${asError(error).message}`}`, {
        cause: error,
      });
    }
  }
}
