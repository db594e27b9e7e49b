/** `skein fetch RUN`: mirror, collate, merge (L-07); at any time, any number of times, also while the run goes on. */
import { previewFetch } from '../../head/fetch-preview.ts';
import { SkeinError } from '../../kernel/errors.ts';
import { parseRunId } from '../../kernel/ids.ts';
import { MERGE_MODES, type MergeMode } from '../../reference/merge-candidate.ts';
import { describeMerge } from '../../reference/merge-report.ts';
import { runDetail } from '../../run/run-list.ts';
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { CliContext } from '../context.ts';
import { NOT_FINISHED, OK } from '../exit-code.ts';
import { exitCodeOfFetch, fetchHome, fetchLines, resultsDbOf } from '../fetch-home.ts';
import type { Flags } from '../flags.ts';
import { checkFolders } from '../folders.ts';
import { leanMemoryOfFetch } from '../lean-memory.ts';
import { plural } from '../progress-text.ts';
import { openView } from '../progress-view.ts';
import { placeOf } from '../run-place.ts';
import * as shared from '../shared-flags.ts';
import { invalid } from '../values.ts';

const WHERE = ['store', ...Object.keys(CLUSTER_FLAGS)];

/** Does it. The exit code. @throws SkeinError */
export async function fetch(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const { out, err, stop } = context;
  const runId = parseRunId('RUN', flags.need('run', 'skein fetch RUN'));
  const outDir = shared.folderOf(flags, 'out');
  const mergeMode = mergeModeOf(flags);
  if (flags.has('dry-run')) return await preview(flags, context, runId, mergeMode);
  const referenceRoot = flags.has('no-merge') ? undefined : shared.folderOf(flags, 'reference-root');
  leanMemoryOfFetch();
  await using place = await placeOf(flags, context);
  const { store } = place;
  await checkFolders([
    { field: '--out', path: outDir },
    ...(referenceRoot === undefined ? [] : [{ field: '--reference-root', path: referenceRoot }]),
  ]);
  using view = await openView(err, flags.has('quiet'));
  const result = await fetchHome({ store, runId, outDir, referenceRoot, mergeMode }, stop.drain, view);
  view[Symbol.dispose]();
  const { counts, paths, score, mergeReport } = result;
  const code = exitCodeOfFetch(result);
  const resultsDb = resultsDbOf(result);
  if (flags.has('json')) {
    out.line(
      JSON.stringify({
        run_id: runId,
        counts,
        score: { phase1: score.phase1, phase2: score.phase2, total_reward: score.totalReward },
        merge: mergeReport,
        skipped_objects: result.skippedObjects,
        unreadable_rows: result.unreadableRows,
        stray_rows: result.strayRows,
        results_problem: result.resultsProblem ?? null,
        helper_failures: result.helperFailures,
        paths: {
          store: shared.storeFolder(store) ?? store.url,
          out: outDir,
          results_db: resultsDb,
          eval: paths.evalJson,
          merge_report: paths.mergeReport ?? null,
          mirror: paths.mirror,
          reference_root: referenceRoot ?? null,
        },
        exit_reason: result.exitKind === 'ok' ? 'done' : result.exitKind,
        exit_code: code,
        elapsed_s: Math.round(performance.now() - startedMs) / 1000,
      }),
    );
  } else {
    if (!flags.has('quiet')) {
      for (const line of fetchLines(result, false)) out.line(line);
      const { expected, done, errors, missing } = counts;
      out.line(`run ${runId}: ${done} of ${expected} rows, ${plural(errors, 'error')}, ${missing} missing`);
    }
    if (resultsDb !== null) out.line(`results  ${resultsDb}`);
    out.line(`report   ${paths.evalJson}`);
  }
  if (result.resultsProblem !== undefined) err.line(`skein: results.db: ${result.resultsProblem}`);
  if (code === NOT_FINISHED && counts.missing > 0) {
    const { state } = await runDetail(store, runId);
    const next = state === 'live' ? 'the run goes on: skein wait' : 'go on with: skein resume';
    err.line(
      `skein: ${plural(counts.missing, 'id')} without a row; ${next} ${runId}${shared.repeated(flags, [...WHERE, ...(state === 'live' ? [] : ['out'])])}`,
    );
  }
  return code;
}

/** @throws SkeinError INVALID_INPUT for a mode that there is not, and for flags of a merge beside `--no-merge` */
function mergeModeOf(flags: Flags): MergeMode {
  const typed = flags.get('merge-mode');
  const mode = MERGE_MODES.find((each) => each === (typed ?? 'whole'));
  if (mode === undefined) throw invalid('--merge-mode', typed ?? '', `is none of ${MERGE_MODES.join(', ')}`);
  const asked = flags.has('dry-run') ? '--dry-run' : typed === undefined ? undefined : '--merge-mode';
  if (!flags.has('no-merge') || asked === undefined) return mode;
  throw new SkeinError('INVALID_INPUT', `${asked} is about the merge, which --no-merge leaves out; give one of them`, {
    fields: { field: asked },
  });
}

/** `--dry-run`: what the merge would do. Exit 0 whatever the run's rows are; they are not looked at. */
async function preview(flags: Flags, context: CliContext, runId: string, mergeMode: MergeMode): Promise<number> {
  const startedMs = performance.now();
  const { out, stop } = context;
  const referenceRoot = shared.folderOf(flags, 'reference-root');
  await using place = await placeOf(flags, context);
  const { store } = place;
  await checkFolders([{ field: '--reference-root', path: referenceRoot }]);
  const { report, skippedObjects } = await previewFetch({ store, runId, referenceRoot, mergeMode, signal: stop.drain });
  if (flags.has('json')) {
    out.line(
      JSON.stringify({
        run_id: runId,
        dry_run: true,
        merge: report,
        skipped_objects: skippedObjects,
        paths: { store: shared.storeFolder(store) ?? store.url, reference_root: referenceRoot },
        exit_reason: 'dry-run',
        exit_code: OK,
        elapsed_s: Math.round(performance.now() - startedMs) / 1000,
      }),
    );
    return OK;
  }
  for (const line of describeMerge(report)) out.line(line);
  for (const { name, reason } of skippedObjects) out.line(`skipped ${name}: ${reason}`);
  out.line(`run ${runId}: nothing was changed in ${referenceRoot} (--dry-run)`);
  return OK;
}
