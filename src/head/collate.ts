/**
 * Collation: the canonical row of every id of a run becomes `results.db` and `eval.json` (§1H). A pure function of the
 * manifest and the rows; twice is the same as once (C-02).
 *
 * Invariants: K1 rows come in the manifest's order, and rows of ids that are not the run's are counted and left out
 * (C-01). K2 a row that cannot be read costs its id only. K3 memory does not grow with the number of rows: a window of
 * them is read, written and forgotten. K4 a death at any instant leaves each of the two files as it was or new.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { failPoint } from '../kernel/failpoint.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import { canonicalRow, type RowProblem } from './canonical-row.ts';
import { EvalMetrics, type RunCounts } from './eval-metrics.ts';
import { EvalReport } from './eval-report.ts';
import { databaseOf, type Manifest } from './manifest.ts';
import { ResultsWriter, runMetadata, taskResult } from './results-db.ts';
import type { RowSource } from './row-source.ts';

export interface CollateOptions {
  readonly manifest: Manifest;
  readonly rows: RowSource;
  /** Where the two files go; made if absent. */
  readonly outDir: string;
  /** How long another program may hold `results.db`. Default 10,000. */
  readonly busyTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Collation {
  readonly counts: RunCounts;
  readonly score: { readonly phase1: number; readonly phase2: number; readonly totalReward: number };
  readonly unreadable: readonly RowProblem[];
  /** Ids that have rows and are not the run's. */
  readonly ignoredIds: number;
  readonly resultsDb: string;
  readonly evalJson: string;
}

/** Rows held at a time; with their trajectories some are megabytes. */
const WINDOW = 32;

/** @throws SkeinError UNAVAILABLE (`results.db` is locked) | CORRUPT (it is no database) | DISK_FULL | CANCELLED */
export async function collate(options: CollateOptions): Promise<Collation> {
  const { manifest, rows, outDir, busyTimeoutMs, signal } = options;
  const [resultsDb, evalJson] = [join(outDir, 'results.db'), join(outDir, 'eval.json')];
  const ids = [...new Set(manifest.instance_ids)];
  const metrics = new EvalMetrics(ids.length);
  await mkdir(outDir, { recursive: true });
  const files = await rows.list();
  await using writer = await ResultsWriter.open(resultsDb, busyTimeoutMs);
  await using report = await EvalReport.create(evalJson);

  for (let start = 0; start < ids.length; start += WINDOW) {
    throwIfCancelled(signal, `collation of run ${manifest.run_id}`);
    const window = ids.slice(start, start + WINDOW);
    const canonical = await Promise.all(
      window.map((id) => canonicalRow(files.get(id) ?? [], (file) => rows.read(file))),
    );
    const found = canonical.flatMap((row, index) => {
      const id = window[index] ?? '';
      metrics.add(id, row);
      return row.kind === 'row' ? [{ id, row: row.row }] : [];
    });
    await writer.write(found.map(({ id, row }) => taskResult(manifest, id, databaseOf(manifest, id), row)));
    await report.add(found.map(({ row }) => row));
  }

  const wanted = new Set(ids);
  const ignoredIds = files
    .keys()
    .filter((id) => !wanted.has(id))
    .toArray().length;
  await report.finish(metrics.head(manifest), metrics.tail(manifest, ignoredIds));
  failPoint('collate.before-publish');
  await writer.commit(runMetadata(manifest));
  await report.publish();
  const { counts, score, unreadable } = metrics;
  return { counts, score, unreadable, ignoredIds, resultsDb, evalJson };
}
