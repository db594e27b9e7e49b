/**
 * What a collation was made of and what it came to, kept in `results.db` itself: a fetch of a run that did not change is
 * then told by one look instead of reading every row again.
 *
 *     skein_collations(run_id, inputs, stamp)
 *
 * Not here: what goes into `inputs` (`fetch.ts`).
 *
 * Invariants: S1 it is written in the transaction of the rows that it speaks of, so it is never without them. S2 it counts
 * only while the rows of the run are as many as were written and `eval.json` is that very file; whatever cannot be looked at counts
 * as no stamp, and the rows are read.
 */
import { statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

import type { Collation } from './collate.ts';

/** What a collation came to, without its paths. */
export type CollationFacts = Omit<Collation, 'resultsDb' | 'evalJson' | 'resultsProblem'>;

/** Which file it is, as far as a look can tell. */
export interface FileLook {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: number;
}

export interface CollationStamp {
  readonly runId: string;
  /** Equal inputs give the same collation; empty: nothing was said of them. */
  readonly inputs: string;
  readonly evalFile: FileLook;
  readonly facts: CollationFacts;
}

export function lookAt(path: string): FileLook | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? { sizeBytes: found.size, mtimeMs: found.mtimeMs, inode: found.ino } : undefined;
}

export function makeStampTable(database: DatabaseSync): void {
  database.exec('CREATE TABLE IF NOT EXISTS skein_collations (run_id TEXT PRIMARY KEY, inputs TEXT, stamp TEXT)');
}

/** Takes run id, inputs, the stamp as JSON. */
export function stampStatement(database: DatabaseSync): StatementSync {
  return database.prepare('INSERT OR REPLACE INTO skein_collations (run_id, inputs, stamp) VALUES (?, ?, ?)');
}

/** What the collation of `runId` from these inputs came to, if it stands whole in both files; undefined otherwise. */
export function standingFacts(
  { resultsDb, evalJson }: Pick<Collation, 'resultsDb' | 'evalJson'>,
  runId: string,
  inputs: string,
): CollationFacts | undefined {
  if (lookAt(resultsDb) === undefined) return undefined;
  try {
    using database = new DatabaseSync(resultsDb, { readOnly: true, timeout: 0 });
    const found = database.prepare('SELECT inputs, stamp FROM skein_collations WHERE run_id = ?').get(runId);
    if (!found || inputs === '' || found['inputs'] !== inputs) return undefined;
    const { evalFile, facts } = JSON.parse(String(found['stamp'])) as CollationStamp;
    const rows = database.prepare('SELECT count(*) AS n FROM task_results WHERE run_id = ?').get(runId);
    return rows?.['n'] === facts.counts.done && isSameFile(evalFile, lookAt(evalJson)) ? facts : undefined;
  } catch {
    return undefined;
  }
}

function isSameFile(one: FileLook, two: FileLook | undefined): boolean {
  return one.sizeBytes === two?.sizeBytes && one.mtimeMs === two.mtimeMs && one.inode === two.inode;
}
