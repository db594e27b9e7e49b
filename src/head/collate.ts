/**
 * Collation on the thread that it has to itself (`collate-worker.ts`): the canonical row of every id of a run becomes `results.db` and `eval.json` (§1H). A pure function of the
 * manifest and the rows; twice is the same as once (C-02).
 *
 * Invariants: K1 rows come in the manifest's order, and rows of ids that are not the run's are counted and left out
 * (C-01). K2 a row that cannot be read costs its id only. K3 memory does not grow with the number of rows: a window of
 * them is read, written and forgotten. K4 a death at any instant leaves each of the two files as it was or new. K5 a
 * `results.db` that takes nothing (locked, newer, no database) costs itself only: it is named, and the numbers and
 * `eval.json` are made all the same.
 */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { compiledPath } from '../kernel/compiled.ts';
import { describeError, errorFromWire, isSkeinError, SkeinError, type WireError } from '../kernel/errors.ts';
import { armedFailPoint, failPoint } from '../kernel/failpoint.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import { canonicalRow, parseRow, type RowFile, type RowProblem, type StoredRow } from '../run/canonical-row.ts';
import { NO_FLOORS, type Floors } from '../run/attempt-record.ts';
import { idStateOf, rulesOf } from '../run/id-state.ts';
import type { RunCounts } from '../run/run-counts.ts';
import { EvalMetrics } from './eval-metrics.ts';
import { EvalReport } from './eval-report.ts';
import { databaseOf, type Manifest } from '../run/manifest.ts';
import type { CollationStamp } from './collation-stamp.ts';
import { ResultsWriter } from './results-db.ts';
import { runMetadata, taskResult, type SqlValue } from './results-schema.ts';
import { mirrorRows, type RowSource } from '../run/row-source.ts';
import { compareRowNames } from '../store/layout.ts';

export interface CollateOptions {
  readonly manifest: Manifest;
  /** The `rows/` of the run's mirror. */
  readonly rowsDir: string;
  /**
   * How many lost attempts of an id are run again: the row of one that will be counts as missing, as for `wait` and `list`
   * (`id-state.ts`). Default 0, as for a run that is done.
   */
  readonly retryLost?: number;
  /** From which attempt on the rows of resubmitted ids count. Default: none was resubmitted. */
  readonly floors?: Floors;
  /** Where the two files go; made if absent. */
  readonly outDir: string;
  /** How long another program may hold `results.db`. Default 10,000. */
  readonly busyTimeoutMs?: number;
  /** Stands for all that the result depends on (`collation-stamp.ts`). Default empty: it is not remembered. */
  readonly inputs?: string;
}

export interface Collation {
  readonly counts: RunCounts;
  readonly score: { readonly phase1: number; readonly phase2: number; readonly totalReward: number };
  readonly unreadable: readonly RowProblem[];
  /** Of the missing: ids that lost an attempt and will be run again. */
  readonly retrying: number;
  /** Ids that have rows and are not the run's. */
  readonly ignoredIds: number;
  /** Files that lie where rows do and whose names are no attempt's (`attempt-01.json`), by path below `rows/`: no rows. */
  readonly strays: readonly string[];
  readonly resultsDb: string;
  readonly evalJson: string;
  /** Why nothing of this run was written to `results.db`: one line for a person. */
  readonly resultsProblem?: string;
}

/** What the thread is given, and its one answer. */
export interface CollateOrder {
  readonly options: CollateOptions;
  readonly failPoint: string;
}
export type CollateAnswer =
  | { readonly kind: 'done'; readonly collation: Collation }
  | { readonly kind: 'failed'; readonly error: WireError };

/** Rows held at a time; with their trajectories some are megabytes. */
const WINDOW = 32;
/** Rows are garbage as soon as they are written: a larger nursery would only hold more of it. */
const YOUNG_GENERATION_MB = 4;

/** At most so many strays are named. */
const STRAYS_NAMED = 100;

/** @throws SkeinError DISK_FULL | STORE_UNAVAILABLE (`eval.json` or the mirror) | CANCELLED */
export async function collateHere(options: CollateOptions, signal: AbortSignal): Promise<Collation> {
  const { manifest, rowsDir, outDir, busyTimeoutMs, retryLost = 0, floors = NO_FLOORS, inputs = '' } = options;
  const rules = rulesOf(retryLost, floors);
  const [resultsDb, evalJson] = [join(outDir, 'results.db'), join(outDir, 'eval.json')];
  const rows = mirrorRows(rowsDir);
  const ids = [...new Set(manifest.instance_ids)];
  const metrics = new EvalMetrics(ids.length);
  await mkdir(outDir, { recursive: true });
  const files = await rows.list();
  using results = new ResultsTarget(resultsDb, busyTimeoutMs);
  await using report = await EvalReport.create(evalJson);

  for (let start = 0; start < ids.length; start += WINDOW) {
    // A turn of the loop: somebody may want this to stop.
    await nextTurn();
    throwIfCancelled(signal, `collation of run ${manifest.run_id}`);
    const found: StoredRow[] = [];
    for (const id of ids.slice(start, start + WINDOW)) {
      const canonical = await canonicalRow(files.get(id) ?? [], (file) => rows.read(file));
      const isDone = idStateOf(canonical, rules(id)).kind === 'done';
      metrics.add(id, canonical, isDone);
      if (canonical.kind !== 'row' || !isDone) continue;
      const database = databaseOf(manifest, id) || (await databaseInRows(canonical.row, files.get(id) ?? [], rows));
      results.write(taskResult(manifest, id, database, canonical.row));
      found.push(canonical.row);
    }
    await report.add(found);
  }

  const wanted = new Set(ids);
  const ignoredIds = files
    .keys()
    .filter((id) => !wanted.has(id))
    .toArray().length;
  const strays = rows.strays().toSorted().slice(0, STRAYS_NAMED);
  const evalFile = await report.finish(metrics.head(manifest), metrics.tail(manifest, ignoredIds, strays));
  failPoint('collate.before-publish');
  const { counts, score, unreadable, retrying } = metrics;
  const facts = { counts, score, unreadable, retrying, ignoredIds, strays };
  results.commit(runMetadata(manifest), { runId: manifest.run_id, inputs, evalFile, facts });
  await report.publish();
  return {
    ...facts,
    resultsDb,
    evalJson,
    ...(results.problem !== undefined && { resultsProblem: results.problem }),
  };
}

/** The database that a row of the id names, the latest that does: error rows of the original name none (P-36). */
async function databaseInRows(row: StoredRow, files: readonly RowFile[], rows: RowSource): Promise<string> {
  if (typeof row['database'] === 'string' && row['database'] !== '') return row['database'];
  for (const file of files.toSorted(compareRowNames).toReversed()) {
    const bytes = await rows.read(file);
    try {
      const database = bytes === undefined ? '' : parseRow(file, bytes)['database'];
      if (typeof database === 'string' && database !== '') return database;
    } catch (error) {
      if (!isSkeinError(error, 'CORRUPT')) throw error;
    }
  }
  return '';
}

/** A `results.db` whose trouble is a value (K5): from the first on, nothing more is written and nothing of it stays. */
class ResultsTarget implements Disposable {
  problem: string | undefined;
  #writer: ResultsWriter | undefined;

  constructor(path: string, busyTimeoutMs: number | undefined) {
    this.#try(() => (this.#writer = new ResultsWriter(path, busyTimeoutMs)));
  }

  write(values: readonly SqlValue[]): void {
    this.#try(() => this.#writer?.write(values));
  }

  commit(run: readonly SqlValue[], stamp: CollationStamp): void {
    this.#try(() => this.#writer?.commit(run, stamp));
  }

  [Symbol.dispose](): void {
    this.#writer?.[Symbol.dispose]();
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof SkeinError)) throw error;
      this.problem = describeError(error);
      this[Symbol.dispose]();
      this.#writer = undefined;
    }
  }
}

/** `collateHere` on a thread of its own: SQLite may wait for a lock, and no row passes through the caller's heap. */
export async function collate(options: CollateOptions, signal?: AbortSignal): Promise<Collation> {
  throwIfCancelled(signal, `collation of run ${options.manifest.run_id}`);
  const order: CollateOrder = { options, failPoint: armedFailPoint() };
  const worker = new Worker(compiledPath('./collate-worker.js', import.meta.url), {
    workerData: order,
    name: 'collate',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const cancel = (): void => worker.postMessage('cancel');
  signal?.addEventListener('abort', cancel);
  try {
    const answer = await answerOf(worker);
    if (answer.kind === 'failed') throw errorFromWire(answer.error);
    return answer.collation;
  } finally {
    signal?.removeEventListener('abort', cancel);
    await worker.terminate();
  }
}

/** The thread's answer. Rejects with what it died of, and also if it ended without a word. */
async function answerOf(worker: Worker): Promise<CollateAnswer> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const answered = once(worker, 'message', { signal }) as Promise<[CollateAnswer]>;
    const ended = once(worker, 'exit', { signal }).then(([code]) => {
      throw new SkeinError('INTERNAL', `the thread that collates ended with code ${String(code)} and no answer`);
    });
    return (await Promise.race([answered, ended]))[0];
  } finally {
    settled.abort();
  }
}
