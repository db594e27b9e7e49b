/** The thread behind `ResultsWriter`: one SQLite transaction, requests answered in order. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

import { asError } from '../kernel/errors.ts';
import {
  RUN_METADATA,
  RUN_METADATA_KEY,
  TASK_RESULTS,
  TASK_RESULTS_KEY,
  type SqlValue,
  type Table,
  type WriterReply,
  type WriterRequest,
} from './results-db.ts';

/** SQLITE_BUSY, SQLITE_LOCKED. */
const BUSY = new Set([5, 6]);
/** SQLITE_CORRUPT, SQLITE_NOTADB. */
const CORRUPT = new Set([11, 26]);

const { path, busyTimeoutMs } = workerData as { path: string; busyTimeoutMs: number };
const port = parentPort!;

function answer(work: () => void): void {
  let reply: WriterReply = { kind: 'done' };
  try {
    work();
  } catch (error) {
    const code = (error as { errcode?: number }).errcode ?? 0;
    reply = {
      kind: 'failed',
      message: asError(error).message,
      isBusy: BUSY.has(code & 0xff),
      isCorrupt: CORRUPT.has(code & 0xff),
    };
  }
  port.postMessage(reply);
}

/** Makes the table, or adds the columns that an older file lacks. */
function ready(database: DatabaseSync, name: string, table: Table, key: readonly string[]): StatementSync {
  const columns = Object.entries(table).map(([column, declaration]) => `"${column}" ${declaration}`);
  database.exec(`CREATE TABLE IF NOT EXISTS "${name}" (${columns.join(', ')}, PRIMARY KEY (${key.join(', ')}))`);
  const present = new Set(
    database
      .prepare(`PRAGMA table_info("${name}")`)
      .all()
      .map((row) => row['name']),
  );
  for (const [column, declaration] of Object.entries(table)) {
    if (present.has(column)) continue;
    // A column can be added NOT NULL only with a default.
    const needsDefault = declaration.includes('NOT NULL') && !declaration.includes('DEFAULT');
    const fallback = needsDefault ? ` DEFAULT ${declaration.startsWith('TEXT') ? "''" : '0'}` : '';
    database.exec(`ALTER TABLE "${name}" ADD COLUMN "${column}" ${declaration}${fallback}`);
  }
  const names = Object.keys(table);
  const holes = names.map(() => '?').join(', ');
  return database.prepare(`INSERT OR REPLACE INTO "${name}" ("${names.join('", "')}") VALUES (${holes})`);
}

let database: DatabaseSync | undefined;
let insertResult: StatementSync | undefined;
let insertRun: StatementSync | undefined;

answer(() => {
  database = new DatabaseSync(path, { timeout: busyTimeoutMs });
  database.exec('BEGIN IMMEDIATE');
  insertResult = ready(database, 'task_results', TASK_RESULTS, TASK_RESULTS_KEY);
  insertRun = ready(database, 'run_metadata', RUN_METADATA, RUN_METADATA_KEY);
});

port.on('message', (request: WriterRequest) => {
  answer(() => {
    switch (request.kind) {
      case 'rows':
        for (const row of request.rows) insertResult?.run(...(row as SqlValue[]));
        return;
      case 'commit':
        insertRun?.run(...request.run);
        database?.exec('COMMIT');
        database?.close();
        return;
    }
  });
});
