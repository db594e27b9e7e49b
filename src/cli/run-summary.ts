/**
 * What a run came to: the one JSON object of `--json`, and what a person is shown of it (`print-summary.ts`).
 */
import { join } from 'node:path';

import type { RunProgress } from '../embed/run-progress.ts';
import type { RunCounts } from '../run/run-counts.ts';
import type { FetchResult } from '../head/fetch.ts';
import type { Manifest } from '../run/manifest.ts';
import { loadReference } from '../reference/load-reference.ts';
import type { ObjectStore } from '../store/port.ts';
import { resultsDbOf } from './fetch-home.ts';
import { usesReferences } from './run-combo.ts';
import { storeFolder } from './shared-flags.ts';

/** One database of a run. The last three are absent where no references are made. */
export interface DatabaseSummary {
  readonly database: string;
  readonly tasks: number;
  readonly done: number;
  readonly errors: number;
  readonly encoded?: number;
  readonly deferred?: number;
  /** Whether its reference stood there before. */
  readonly reused?: boolean;
}

/** The object that `--json` prints; the names are part of the command line's contract. */
export interface RunSummary {
  readonly run_id: string;
  /** As rows name it. */
  readonly framework: string;
  readonly counts: RunCounts;
  readonly score?: { readonly phase1: number; readonly phase2: number; readonly total_reward: number };
  readonly databases: readonly DatabaseSummary[];
  /** Uploads that failed without failing a task, by kind (P-33). */
  readonly helper_failures: Readonly<Record<string, number>>;
  /** Absolute; null where there is none. */
  readonly paths: Readonly<Record<PathName, string | null>>;
  readonly exit_reason: string;
  readonly exit_code: number;
  readonly elapsed_s: number;
}

type PathName =
  | 'store'
  | 'out'
  | 'results_db'
  | 'eval'
  | 'merge_report'
  | 'mirror'
  | 'cache_root'
  | 'reference_root'
  | 'log';

export interface SummaryInput {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  readonly outDir: string;
  /** Undefined: head and node keep their own, elsewhere. */
  readonly logFile: string | undefined;
  readonly reused: Pick<ReadonlySet<string>, 'has'>;
  readonly startedMs: number;
  readonly counts: RunCounts;
  readonly progress: RunProgress | undefined;
  readonly fetched?: FetchResult;
  readonly exitReason: string;
  readonly exitCode: number;
}

export async function summarize(input: SummaryInput): Promise<RunSummary> {
  const { store, manifest, outDir, logFile, startedMs, counts, fetched, exitReason, exitCode } = input;
  const hasReferences = usesReferences(manifest);
  return {
    run_id: manifest.run_id,
    framework: manifest.framework,
    counts,
    ...(fetched && {
      score: {
        phase1: fetched.score.phase1,
        phase2: fetched.score.phase2,
        total_reward: fetched.score.totalReward,
      },
    }),
    databases: await Promise.all(
      tallies(input).map(async (tally) => ({ ...tally, ...(hasReferences && (await knowledgeOf(input, tally))) })),
    ),
    helper_failures: fetched?.helperFailures ?? input.progress?.failedHelpers ?? {},
    paths: {
      store: storeFolder(store) ?? store.url,
      out: outDir,
      results_db: fetched ? resultsDbOf(fetched) : null,
      eval: fetched?.paths.evalJson ?? null,
      merge_report: fetched?.paths.mergeReport ?? null,
      mirror: fetched?.paths.mirror ?? null,
      cache_root: hasReferences ? manifest.cache_root : null,
      reference_root: hasReferences ? manifest.reference_root : null,
      log: logFile ?? null,
    },
    exit_reason: exitReason,
    exit_code: exitCode,
    elapsed_s: Math.round(performance.now() - startedMs) / 1000,
  };
}

function tallies({ manifest, progress }: SummaryInput): DatabaseSummary[] {
  if (progress) {
    return progress.databases
      .map(({ database, total, done, errors }) => ({ database, tasks: total, done, errors }))
      .sort((a, b) => (a.database < b.database ? -1 : 1));
  }
  const members = Map.groupBy(Object.values(manifest.databases), (database) => database);
  return [...members].map(([database, { length }]) => ({ database, tasks: length, done: 0, errors: 0 }));
}

async function knowledgeOf(
  { manifest, reused }: SummaryInput,
  { database }: DatabaseSummary,
): Promise<Partial<DatabaseSummary>> {
  const reference = await loadReference(join(manifest.reference_root, database)).catch(() => undefined);
  if (!reference) return {};
  const count = (wanted: string): number => reference.results.filter(({ status }) => status === wanted).length;
  return { encoded: count('encoded'), deferred: count('deferred'), reused: reused.has(database) };
}
