/**
 * The process in which the SQL of tasks runs, because a runaway statement can be stopped in no other way than by killing
 * its process (DESIGN rule 8). Synchronous throughout: it reads a frame from stdin, runs it, writes the answer to stdout.
 *
 * Not here: deadlines and restarts (`sql-executor.ts`), which database and when (`sql-sessions.ts`).
 *
 * Invariants: X1 it outlives its parent by no more than a moment, even in the midst of a statement: a thread of its own
 * waits for the end of the pipe on descriptor 3, which only the parent holds, and kills the process. X2 rows are counted
 * while they are read, so a result without end costs no memory. X3 SQL reaches no other file: ATTACH and VACUUM INTO are
 * refused, extensions are off.
 */
import { readSync, writeSync } from 'node:fs';
import { constants, DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';

import type { SqlOutcome } from '../frameworks/framework.ts';
import { frameOf, MAX_RESULT_BYTES, type FromExecutor, type ToExecutor } from './sql-frames.ts';

/** Blocks in a read that ends only when the parent does; plain JavaScript in a string, for it must start at once. */
const LIFELINE = `
  const { readSync } = require('node:fs');
  try { while (readSync(3, Buffer.alloc(1)) > 0); } catch {}
  process.kill(process.pid, 'SIGKILL');
`;

/** Ends this process without waiting for the lifeline's thread, which sits in a system call. */
function die(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable: this process was killed');
}

function readExactly(bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  let have = 0;
  while (have < bytes) {
    let got: number;
    try {
      got = readSync(0, buffer, have, bytes - have, null);
    } catch {
      die();
    }
    if (got === 0) die();
    have += got;
  }
  return buffer;
}

function answer(message: FromExecutor): void {
  const frame = frameOf(message);
  try {
    for (let sent = 0; sent < frame.byteLength;) sent += writeSync(1, frame, sent);
  } catch {
    die();
  }
}

let database: DatabaseSync | undefined;
let isReadOnly = false;

/** Only what could leave this database, or its read-only state, is refused (X3). */
function authorize(action: number, first: string | null): number {
  const leaves = action === constants.SQLITE_ATTACH && first !== '' && first !== ':memory:';
  const unlocks = isReadOnly && action === constants.SQLITE_PRAGMA && first?.toLowerCase() === 'query_only';
  return leaves || unlocks ? constants.SQLITE_DENY : constants.SQLITE_OK;
}

function open(databasePath: string): FromExecutor {
  try {
    database?.close();
    database = new DatabaseSync(databasePath, {
      defensive: true,
      // As Python's sqlite3, which the benchmark's gold was written against.
      enableDoubleQuotedStringLiterals: true,
      enableForeignKeyConstraints: false,
      limits: { length: MAX_RESULT_BYTES },
      readBigInts: true,
      returnArrays: true,
    });
    // The file is a scratch copy: it must survive the death of this process, not that of the machine.
    database.exec('PRAGMA synchronous = OFF');
    database.prepare('SELECT count(*) FROM sqlite_schema').get();
    database.setAuthorizer(authorize);
    return { kind: 'opened' };
  } catch (error) {
    return { kind: 'open-failed', message: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Statements one by one: SQLite itself says where each ends. Nothing but space and comments gives none. */
function* statementsOf(db: DatabaseSync, sql: string): Generator<StatementSync> {
  for (let rest = sql.toWellFormed(); ;) {
    let statement: StatementSync;
    try {
      statement = db.prepare(rest);
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_INVALID_ARG_VALUE') return;
      throw error;
    }
    // Read before it runs: that is the text up to and with this statement's semicolon.
    rest = rest.slice(statement.sourceSQL.length);
    yield statement;
  }
}

type Cell = null | number | bigint | string | Uint8Array;

/** Integers as numbers where a number holds them. */
function cellOf(value: SQLOutputValue): Cell {
  return typeof value === 'bigint' && value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
    ? Number(value)
    : value;
}

function sizeOf(value: SQLOutputValue): number {
  if (typeof value === 'string') return value.length * 2;
  return value instanceof Uint8Array ? value.byteLength : 8;
}

function typeOf(value: SQLOutputValue | undefined): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'string') return 'TEXT';
  if (typeof value === 'bigint') return 'INTEGER';
  return typeof value === 'number' ? 'REAL' : 'BLOB';
}

function rowsOf(statement: StatementSync, maxRows: number): SqlOutcome {
  const columns = statement.columns();
  // An expression has no declared type: the type of its first value stands for it.
  const types: (string | undefined)[] = columns.map((column) => column.type ?? undefined);
  const rows: Cell[][] = [];
  let bytes = 0;
  for (const row of statement.iterate() as Iterable<unknown> as Iterable<SQLOutputValue[]>) {
    if (rows.length >= maxRows) return { kind: 'rows', columns: named(), rows, isTruncated: true };
    for (const [index, value] of row.entries()) {
      bytes += sizeOf(value);
      if (value !== null) types[index] ??= typeOf(value);
    }
    if (bytes > MAX_RESULT_BYTES) {
      const message = `the result is larger than ${MAX_RESULT_BYTES} bytes (after ${rows.length} rows): select less`;
      return { kind: 'error', message, isTimeout: false };
    }
    rows.push(row.map(cellOf));
  }
  return { kind: 'rows', columns: named(), rows, isTruncated: false };

  function named() {
    return columns.map((column, index) => ({ name: column.name, type: types[index] ?? 'NULL' }));
  }
}

function run(db: DatabaseSync, sql: string, maxRows: number, readOnly: boolean): SqlOutcome {
  try {
    isReadOnly = false;
    db.exec(`PRAGMA query_only = ${readOnly ? 'ON' : 'OFF'}`);
    isReadOnly = readOnly;
    let outcome: SqlOutcome = { kind: 'rows', columns: [], rows: [], isTruncated: false };
    for (const statement of statementsOf(db, sql)) {
      if (statement.columns().length > 0) outcome = rowsOf(statement, maxRows);
      else statement.run();
      if (outcome.kind === 'error') return outcome;
    }
    return outcome;
  } catch (error) {
    // A statement that failed after BEGIN leaves a transaction that would swallow all later ones.
    if (db.isTransaction) db.exec('ROLLBACK');
    return { kind: 'error', message: messageOf(error), isTimeout: false };
  } finally {
    isReadOnly = false;
  }
}

let lifeline: Worker | undefined;
for (;;) {
  const message = deserialize(readExactly(readExactly(4).readUInt32LE(0))) as ToExecutor;
  switch (message.kind) {
    case 'open':
      answer(open(message.databasePath));
      // Only now: it costs some milliseconds, and no SQL has come yet.
      lifeline ??= new Worker(LIFELINE, { eval: true });
      break;
    case 'run':
      answer({
        kind: 'outcome',
        outcome: database
          ? run(database, message.sql, message.maxRows, message.readOnly)
          : { kind: 'error', message: 'no database is open', isTimeout: false },
      });
      break;
  }
}
