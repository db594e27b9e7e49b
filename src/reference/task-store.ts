/**
 * A task's own copy of a reference (or of a stage-1 cache), with its datasource on this machine's database and without
 * what the task must not see (T-02 … T-05). Agents edit models, so the original is only read.
 */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';
import { jsonBytes } from '../kernel/json.ts';
import { MARKERS } from '../store/layout.ts';
import { absoluteUrl, datasourceFor, renderDatasource } from './datasource-file.ts';
import { copyMarked, filesBelow } from './marked-tree.ts';
import { maskStore } from './masking.ts';

export interface TaskStoreRequest {
  /** `<reference root>/<db>`, read without the lock. */
  readonly referenceDir: string;
  readonly database: string;
  /** The SQLite file that the store's models shall read, absolute. */
  readonly databasePath: string;
  /** Made anew; private to the task. */
  readonly storeDir: string;
  /** KB items that the task must not see. */
  readonly deletedKbIds: readonly number[];
  /** Which marker says that the original is whole. Default a reference's. */
  readonly marker?: string;
}

/**
 * @throws SkeinError NOT_FOUND when no whole reference stands there, UNAVAILABLE when it keeps changing, CORRUPT
 * @returns the fingerprint of what was copied
 */
export async function makeTaskStore(request: TaskStoreRequest): Promise<string> {
  const { referenceDir, database, databasePath, storeDir, deletedKbIds } = request;
  const { marker = MARKERS.referenceFingerprint } = request;
  const copied = await copyMarked(referenceDir, marker, storeDir);
  if (!copied) {
    await rm(storeDir, { recursive: true, force: true });
    throw new SkeinError('NOT_FOUND', `${referenceDir} holds no whole reference (no ${marker}); build it first`);
  }
  const datasource = datasourceFor(database, absoluteUrl(databasePath));
  await mkdir(join(storeDir, 'datasources'), { recursive: true });
  await writeFile(join(storeDir, 'datasources', `${database}.yaml`), renderDatasource(datasource));
  await maskStore(storeDir, database, deletedKbIds);
  return copied.text;
}

/** Written by `leaveChanges` in place of what it took away. */
export const UNCHANGED_FILE = 'UNCHANGED.json';

/**
 * Leaves of a task's store only what differs from its reference, and a list of the rest: for a bundle that is shipped to
 * be read by people, while the reference itself is shipped once (U-03). The store is no store any more after that.
 */
export async function leaveChanges(storeDir: string, referenceDir: string, fingerprint: string): Promise<void> {
  const unchanged = (await filesBelow(storeDir)).filter((path) =>
    isSame(join(storeDir, path), join(referenceDir, path)),
  );
  for (const path of unchanged) rmSync(join(storeDir, path));
  const list = { reference_fingerprint: fingerprint, files: unchanged };
  await writeFile(join(storeDir, UNCHANGED_FILE), jsonBytes(list, 2));
}

/** Synchronous: this runs in an actor's own thread, and a small read costs a tenth of four trips to a file thread. */
function isSame(mine: string, theirs: string): boolean {
  const other = statSync(theirs, { throwIfNoEntry: false });
  if (!other?.isFile() || other.size !== statSync(mine).size) return false;
  return readFileSync(mine).equals(readFileSync(theirs));
}
