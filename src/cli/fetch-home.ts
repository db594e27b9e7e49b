/** `fetchRun` with the command's own locks, and its news as lines. */
import { fetchRun, type FetchExit, type FetchPhase, type FetchResult } from '../head/fetch.ts';
import { keepPinned } from '../run/pin.ts';
import { LockKeeper } from '../node/lock-keeper.ts';
import type { MergeMode } from '../reference/merge-candidate.ts';
import { describeMerge } from '../reference/merge-report.ts';
import type { ObjectStore } from '../store/port.ts';
import { ERROR_ROWS, NOT_FINISHED, OK } from './exit-code.ts';
import { helperLines, plural } from './progress-text.ts';
import type { ProgressView } from './progress-view.ts';

export interface FetchHome {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly outDir: string;
  /** Undefined: nothing is merged. */
  readonly referenceRoot: string | undefined;
  /** Default `whole`. */
  readonly mergeMode?: MergeMode | undefined;
}

const PHASES: Readonly<Record<FetchPhase, string>> = {
  waiting: 'waiting: another fetch into this folder is under way',
  mirroring: 'mirroring the run',
  collating: 'collating rows',
  merging: 'merging references',
};

/** @throws as `fetchRun` */
export async function fetchHome(options: FetchHome, signal: AbortSignal, view: ProgressView): Promise<FetchResult> {
  const { store, runId, outDir, referenceRoot, mergeMode } = options;
  await using locks = new LockKeeper();
  const fetched = await fetchRun({
    store,
    runId,
    outDir,
    referenceRoot: referenceRoot || undefined,
    mergeMode,
    withLock: (database, work) =>
      locks.hold(
        {
          root: referenceRoot ?? outDir,
          database,
          owner: `fetch ${runId}`,
          signal,
          onWait: (holder) => view.note(`waiting for the reference of ${database}, held by ${holder}`),
        },
        work,
      ),
    signal,
    onPhase: (phase) => view.phase(PHASES[phase]),
  });
  // What a pinned run brought since it was pinned is to be there tomorrow, too.
  await keepPinned(store, runId, { signal });
  return fetched;
}

const CODES: Readonly<Record<FetchExit, number>> = { ok: OK, errors: ERROR_ROWS, partial: NOT_FINISHED };

/** The exit code of what was fetched: a `results.db` that took nothing is a partial fetch too. */
export function exitCodeOfFetch({ exitKind }: Pick<FetchResult, 'exitKind'>): number {
  return CODES[exitKind];
}

/** Where the results are, null where they could not be written. */
export function resultsDbOf({ paths, resultsProblem }: FetchResult): string | null {
  return resultsProblem === undefined ? paths.resultsDb : null;
}

/**
 * The lines of L-07, and what was left out.
 * @param isBrief without databases of which the same reference stands there already: after a run here, all of them
 */
export function fetchLines(result: FetchResult, isBrief: boolean): string[] {
  const { mergeReport, skippedObjects, unreadableRows, strayRows, resultsProblem, retrying, ignoredIds } = result;
  const merged = mergeReport.merged_dbs.filter(({ outcome }) => !isBrief || outcome !== 'unchanged');
  return [
    ...describeMerge({ ...mergeReport, merged_dbs: merged }),
    ...skippedObjects.map(({ name, reason }) => `skipped ${shown(name)}: ${reason}`),
    ...unreadableRows.map(({ path, reason }) => `unreadable rows/${path}: ${reason}`),
    ...strayRows.map((path) => `ignored rows/${path}: that is no attempt's name (attempt-1.json, attempt-2.json …)`),
    ...(retrying > 0 ? [`missing: ${plural(retrying, 'id')} run again, and the new attempt has no row yet`] : []),
    // After a run here its summary says so.
    ...(isBrief ? [] : helperLines(result.helperFailures)),
    ...(ignoredIds > 0 ? [`ignored rows of ${ignoredIds} ids that are not the run's`] : []),
    ...(resultsProblem === undefined ? [] : [`NOT WRITTEN: ${resultsProblem}`]),
  ];
}

/** A name that came from a bucket, on one line whatever it holds. */
function shown(name: string): string {
  const short = name.length <= 200 ? name : `${name.slice(0, 200)}…`;
  return /^[\x20-\x7e]*$/.test(short) ? short : JSON.stringify(short);
}
