/** A run in five numbers: what every command that speaks of a run's ids shows. */
import pLimit from 'p-limit';

import type { PersistOptions } from '../store/create-or-confirm.ts';
import type { ObjectStore } from '../store/port.ts';
import { readFloors } from './attempt-record.ts';
import { canonicalRow, type CanonicalRow } from './canonical-row.ts';
import { idStateOf, retryLostOf, rulesOf, type IdState } from './id-state.ts';
import type { Manifest } from './manifest.ts';
import { storeRows } from './row-source.ts';
import { readStatus } from './status.ts';

/** What became of the ids that a run was asked for: `expected` = `done` + `missing`, `done` = `ok` + `errors`. */
export interface RunCounts {
  readonly expected: number;
  readonly done: number;
  readonly ok: number;
  readonly errors: number;
  /** Without a row, or with one that cannot be read, or with that of an attempt which will be run again. */
  readonly missing: number;
}

const READS_AT_ONCE = 32;

/** An id of a run, and what its rows come to. */
export interface IdEnd {
  readonly instanceId: string;
  readonly state: IdState;
  readonly row: CanonicalRow;
}

/**
 * What became of every id, from the rows themselves: all of them are read, and `take` has each once, in any order. A run
 * that is done retries nothing. @returns the highest attempt of any row, also of ids that are not the run's; 0 without rows
 */
export async function readEnds(
  store: ObjectStore,
  manifest: Manifest,
  take: (end: IdEnd) => void,
  options: PersistOptions = {},
): Promise<{ readonly highestAttempt: number }> {
  const runId = manifest.run_id;
  const source = storeRows(store, runId, options);
  const [files, status, floors] = await Promise.all([
    source.list(),
    readStatus(store, runId, options),
    readFloors(store, runId, options),
  ]);
  const rules = rulesOf(retryLostOf(manifest, status), floors);
  const limit = pLimit(READS_AT_ONCE);
  const read = async (instanceId: string): Promise<void> => {
    const row = await canonicalRow(files.get(instanceId) ?? [], (file) => source.read(file));
    take({ instanceId, row, state: idStateOf(row, rules(instanceId)) });
  };
  await Promise.all(Array.from(new Set(manifest.instance_ids), (id) => limit(() => read(id))));
  const attempts = files.values().map((own) => own.reduce((most, { attempt }) => Math.max(most, attempt), 0));
  return { highestAttempt: attempts.reduce((most, attempt) => Math.max(most, attempt), 0) };
}

/** What became of every id, in numbers. */
export async function readCounts(
  store: ObjectStore,
  manifest: Manifest,
  options: PersistOptions = {},
): Promise<RunCounts> {
  let [ok, errors, missing] = [0, 0, 0];
  const count = ({ state }: IdEnd): void => {
    if (state.kind === 'open') missing += 1;
    else if (state.isError) errors += 1;
    else ok += 1;
  };
  await readEnds(store, manifest, count, options);
  return { expected: ok + errors + missing, done: ok + errors, ok, errors, missing };
}
