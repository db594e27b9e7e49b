/**
 * From a run whose manifest stands in the store of a cluster to its results at home: setup, a word to the head, progress,
 * fetch, summary. The counterpart of `run-to-end.ts`, where head and node live inside the command.
 *
 * Invariants: C1 once the head has the run, nothing that happens to this command touches it: the first Ctrl-C leaves it to
 * the cluster and says how to wait for it and how to kill it. C2 the last line of a command that leaves early says how to
 * go on.
 */
import type { RunProgress } from '../embed/run-progress.ts';
import { describeError, SkeinError } from '../kernel/errors.ts';
import type { Secrets } from '../kernel/secrets.ts';
import type { Manifest } from '../run/manifest.ts';
import { readCounts } from '../run/run-counts.ts';
import type { ObjectStore } from '../store/port.ts';
import type { CliContext } from './context.ts';
import { INTERRUPTED, NOT_FINISHED } from './exit-code.ts';
import { followRun, type FollowEnd } from './follow-run.ts';
import type { ProgressView } from './progress-view.ts';
import type { LiveHead } from './run-place.ts';
import { summarize, type RunSummary, type SummaryInput } from './run-summary.ts';
import { bringHome, isBug, shipSetup } from './run-to-end.ts';

export interface ClusterRun {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  readonly head: LiveHead;
  readonly outDir: string;
  readonly reused: SummaryInput['reused'];
  /** ` --address A --token-file F`, as other commands must repeat them. */
  readonly repeatedFlags: string;
  readonly startedMs: number;
  /** What the run's actors need. Default: nothing. */
  readonly secrets?: Secrets;
  readonly isSetupThere: boolean;
}

/** Brings the setup to the store and the run to the head. From here on it is the cluster's. */
export async function handOver(run: ClusterRun, context: CliContext, view: ProgressView): Promise<void> {
  const { store, manifest, head } = run;
  const runId = manifest.run_id;
  const { drain } = context.stop;
  try {
    if (!run.isSetupThere) await shipSetup(store, manifest, drain, view);
    view.phase(`handing the run to the head at ${head.address}`);
    await head.client.startRun(runId, manifest.max_in_flight, run.secrets);
  } catch (error) {
    if (isBug(error)) throw error;
    const goOn = `go on with: skein resume ${runId}${run.repeatedFlags}`;
    const text = drain.aborted ? 'interrupted' : describeError(error);
    throw new SkeinError(
      drain.aborted ? 'CANCELLED' : 'NOT_FINISHED',
      `${text}; run ${runId} is not at its head yet; ${goOn}`,
      { cause: error, fields: { run: runId } },
    );
  }
}

/** Follows a run that was handed over, and brings its results home when it has ended. @throws SkeinError NOT_FINISHED */
export async function followHome(run: ClusterRun, context: CliContext, view: ProgressView): Promise<RunSummary> {
  const { store, manifest, head, repeatedFlags } = run;
  const runId = manifest.run_id;
  const { drain } = context.stop;
  let goOn = `wait for it with: skein wait ${runId}${repeatedFlags}`;
  let last: RunProgress | undefined;
  const giveAgain = givesAgain(run);
  try {
    const end = await followRun({
      client: head.client,
      store,
      runId,
      signal: drain,
      onProgress: (progress) => {
        view.run((last = progress));
        giveAgain(progress);
      },
      onAway: (reason) => view.note(`${reason}; waiting for the head, the run is safe`),
    });
    if (end.kind === 'done') {
      goOn = `bring it home with: skein fetch ${runId}${repeatedFlags}`;
      return await bringHome(summaryOf(run), last, drain, view);
    }
    const counts = await readCounts(store, manifest);
    const found = { ...summaryOf(run), counts, progress: last };
    view.note(`${counts.done} of ${counts.expected} ids have a row; ${textOf(end, runId, goOn, repeatedFlags)}`);
    if (end.kind === 'detached') return await summarize({ ...found, exitReason: 'detached', exitCode: INTERRUPTED });
    return await summarize({ ...found, exitReason: end.kind, exitCode: NOT_FINISHED });
  } catch (error) {
    const fields = { run: runId };
    if (drain.aborted) {
      throw new SkeinError('CANCELLED', `left; the run is the cluster's; ${goOn}`, { cause: error, fields });
    }
    if (isBug(error)) throw error;
    const text = `run ${runId} cannot be followed to its end: ${describeError(error)}; ${goOn}`;
    throw new SkeinError('NOT_FINISHED', text, { cause: error, fields });
  }
}

/** A head that was started again has the secrets no more, and this command still has: nobody needs to resume. */
function givesAgain({ head, manifest, secrets }: ClusterRun): (progress: RunProgress) => void {
  let isGiving = false;
  return ({ waitingFor }) => {
    if (isGiving || !waitingFor || !secrets || secrets.isEmpty) return;
    isGiving = true;
    head.client
      .startRun(manifest.run_id, manifest.max_in_flight, secrets)
      // Where it fails, the next progress says so again.
      .catch(() => {})
      .finally(() => (isGiving = false));
  };
}

const summaryOf = (run: ClusterRun): ClusterRun & { logFile: undefined } => ({ ...run, logFile: undefined });

function textOf(end: Exclude<FollowEnd, { kind: 'done' }>, runId: string, goOn: string, flags: string): string {
  switch (end.kind) {
    case 'detached':
      return `the run goes on without this command; ${goOn}, end it with: skein kill ${runId}${flags}`;
    case 'stopped':
      return `the run was stopped${end.reason && `: ${end.reason}`}; go on with: skein resume ${runId}${flags}`;
    case 'failed':
      return `the run failed: ${end.error.message}; go on with: skein resume ${runId}${flags}`;
    case 'headless':
      return `the head did not come back (${end.error.message}); ${goOn}`;
  }
}
