/**
 * What a run came to, for a person and for a program: a table of its databases, a score line, the paths; or the one JSON
 * object of `--json`.
 */
import { join } from 'node:path';

import type { RunProgress } from '../embed/embedded-run.ts';
import type { RunCounts } from '../head/eval-metrics.ts';
import type { FetchResult } from '../head/fetch.ts';
import type { Manifest } from '../head/manifest.ts';
import { loadReference } from '../reference/load-reference.ts';
import type { ObjectStore } from '../store/port.ts';
import type { Output } from './output.ts';
import { durationText, plural } from './progress-text.ts';
import { storeFolder } from './shared-flags.ts';
import { tableText } from './table.ts';

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
  readonly counts: RunCounts;
  readonly score?: { readonly phase1: number; readonly phase2: number; readonly total_reward: number };
  readonly databases: readonly DatabaseSummary[];
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
  readonly logFile: string;
  readonly reused: ReadonlySet<string>;
  readonly startedMs: number;
  readonly counts: RunCounts;
  readonly progress: RunProgress | undefined;
  readonly fetched?: FetchResult;
  readonly exitReason: string;
  readonly exitCode: number;
}

export async function summarize(input: SummaryInput): Promise<RunSummary> {
  const { store, manifest, outDir, logFile, startedMs, counts, fetched, exitReason, exitCode } = input;
  const usesReferences = manifest.framework === 'encode';
  return {
    run_id: manifest.run_id,
    counts,
    ...(fetched && {
      score: {
        phase1: fetched.score.phase1,
        phase2: fetched.score.phase2,
        total_reward: fetched.score.totalReward,
      },
    }),
    databases: await Promise.all(
      tallies(input).map(async (tally) => ({ ...tally, ...(usesReferences && (await knowledgeOf(input, tally))) })),
    ),
    paths: {
      store: storeFolder(store) ?? store.url,
      out: outDir,
      results_db: fetched?.paths.resultsDb ?? null,
      eval: fetched?.paths.evalJson ?? null,
      merge_report: fetched?.paths.mergeReport ?? null,
      mirror: fetched?.paths.mirror ?? null,
      cache_root: usesReferences ? manifest.cache_root : null,
      reference_root: usesReferences ? manifest.reference_root : null,
      log: logFile,
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

/** The table, the score and the paths. With `isQuiet` the paths alone. */
export function printSummary(summary: RunSummary, out: Output, isQuiet: boolean): void {
  if (!isQuiet) {
    out.line(databaseTable(summary.databases, out));
    out.line(outcomeLine(summary));
    const score = scoreLine(summary);
    if (score !== undefined) out.line(score);
  }
  const { results_db: results, eval: report, merge_report: merge, reference_root: references, store } = summary.paths;
  const named = { results, report, merge, references, store };
  const width = Math.max(...Object.keys(named).map((name) => name.length));
  for (const [name, path] of Object.entries(named)) if (path !== null) out.line(`${name.padEnd(width)}  ${path}`);
}

export function databaseTable(databases: readonly DatabaseSummary[], { colors }: Pick<Output, 'colors'>): string {
  const hasKnowledge = databases.some(({ encoded }) => encoded !== undefined);
  const names = ['database', 'tasks', 'done', 'errors', ...(hasKnowledge ? ['encoded', 'deferred', 'reference'] : [])];
  const rows = databases.map(({ database, tasks, done, errors, encoded, deferred, reused }) => {
    const trouble = errors > 0 ? colors.red(String(errors)) : String(errors);
    const reference = reused === undefined ? '-' : reused ? 'reused' : 'built';
    return [database, tasks, done, trouble, ...(hasKnowledge ? [encoded ?? '-', deferred ?? '-', reference] : [])];
  });
  return tableText(names, rows, (column) => column !== 'database' && column !== 'reference');
}

function outcomeLine({ run_id: runId, counts, elapsed_s: elapsed, exit_reason: reason }: RunSummary): string {
  const { expected, done, errors, missing } = counts;
  const parts = [`${done} of ${expected} rows`, plural(errors, 'error')];
  if (missing > 0) parts.push(`${missing} missing`);
  return `run ${runId}: ${reason}: ${parts.join(', ')}, ${durationText(elapsed)}`;
}

/** Rates are over the ids asked. */
export function scoreLine({ score, counts, databases }: RunSummary): string | undefined {
  if (!score) return undefined;
  const encoded = sum(databases.map((each) => each.encoded ?? 0));
  const items = encoded + sum(databases.map((each) => each.deferred ?? 0));
  if (items > 0) return `knowledge: ${encoded} of ${items} items encoded (${percent(encoded, items)})`;
  const passed = `${score.phase1} of ${counts.expected} passed (${percent(score.phase1, counts.expected)})`;
  return `score: ${passed}, reward ${score.total_reward}`;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;
