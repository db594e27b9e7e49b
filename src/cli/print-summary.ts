/** A run's summary for a person: a table of its databases, a score line, the paths. */
import { canonicalFramework } from '../frameworks/registry.ts';
import type { Output } from './output.ts';
import { durationText, helperLines, plural } from './progress-text.ts';
import type { DatabaseSummary, RunSummary } from './run-summary.ts';
import { tableText } from './table.ts';

/** The table, the score and the paths. With `isQuiet` the paths alone. */
export function printSummary(summary: RunSummary, out: Output, isQuiet: boolean): void {
  if (!isQuiet) {
    out.line(databaseTable(summary.databases, out));
    out.line(outcomeLine(summary));
    for (const line of scoreLines(summary)) out.line(line);
    for (const line of helperLines(summary.helper_failures)) out.line(line);
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

/** What became of the knowledge, where there is some, and of what was submitted, but for those who submit nothing. Rates are over the ids asked. */
export function scoreLines({ framework, score, counts, databases }: RunSummary): string[] {
  if (!score) return [];
  const encoded = sum(databases.map((each) => each.encoded ?? 0));
  const items = encoded + sum(databases.map((each) => each.deferred ?? 0));
  const knowledge = `knowledge: ${encoded} of ${items} items encoded (${percent(encoded, items)})`;
  const passed = `${score.phase1} of ${counts.expected} passed (${percent(score.phase1, counts.expected)})`;
  const isScored = items === 0 || canonicalFramework(framework) !== 'encode';
  return [...(items > 0 ? [knowledge] : []), ...(isScored ? [`score: ${passed}, reward ${score.total_reward}`] : [])];
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;
