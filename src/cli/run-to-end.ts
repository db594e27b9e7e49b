/**
 * From a run whose manifest is known to its results at home: setup, the embedded head and node, fetch, summary. What
 * `submit` does once its manifest is made, and what `resume` does with one that stands in the store.
 *
 * Invariants: R1 after the manifest stands, whatever ends this command leaves a run that `resume` completes, and the last
 * line says how. R2 results are fetched only when the run ended; an interrupted command leaves at once.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { Dataset } from '../dataset/dataset.ts';
import type { EmbeddedRunEnd } from '../embed/embedded-run.ts';
import type { RunProgress } from '../embed/run-progress.ts';
import type { FetchResult } from '../head/fetch.ts';
import { databasesOf, type Manifest } from '../run/manifest.ts';
import { describeError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { setupNeeds, type RunCombo } from '../reference/setup.ts';
import { uploadSetup } from '../reference/setup-upload.ts';
import type { ObjectStore } from '../store/port.ts';
import type { CliContext } from './context.ts';
import { INTERRUPTED } from './exit-code.ts';
import { exitCodeOfFetch, fetchHome, fetchLines } from './fetch-home.ts';
import { leanMemoryFor } from './lean-memory.ts';
import { plural } from './progress-text.ts';
import type { ProgressView } from './progress-view.ts';
import { comboOf } from './run-combo.ts';
import { storeFolder } from './shared-flags.ts';
import { summarize, type RunSummary, type SummaryInput } from './run-summary.ts';

export { comboOf } from './run-combo.ts';

export interface RunToEnd {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  readonly actors: number;
  readonly graceMs: number;
  readonly outDir: string;
  readonly logFile: string;
  /** Databases whose reference stood there before the run. */
  readonly reused: Pick<ReadonlySet<string>, 'has'>;
  /** ` --store URL --out DIR`, as the way to go on must repeat them. */
  readonly repeatedFlags: string;
  readonly startedMs: number;
  /** True: its setup is in the store already, and stays as it is. */
  readonly isSetupThere?: boolean;
  /** What the run's actors need. Default: nothing. */
  readonly secrets?: Secrets;
}

/** Builds the stage-1 caches that the run's setup requires and that are missing or stale. @throws SkeinError */
export async function buildMissingCaches(
  options: {
    readonly combo: RunCombo;
    readonly dataset: Dataset;
    readonly databases: readonly string[];
    readonly cacheRoot: string;
    readonly actors: number;
  },
  { env, stop }: CliContext,
  view: ProgressView,
): Promise<void> {
  const { combo, dataset, databases, cacheRoot, actors } = options;
  if (!setupNeeds(combo).some(({ artifact }) => artifact === 'slayer_otf_cache')) return;
  const { isCacheFresh } = await import('../reference/stage1.ts');
  const isFresh = await Promise.all(databases.map((database) => isCacheFresh({ dataset, database, cacheRoot })));
  const stale = databases.filter((_, at) => !isFresh[at]);
  if (stale.length === 0) return;
  const { buildCaches } = await import('../embed/prepare.ts');
  let built = 0;
  view.phase(`building ${plural(stale.length, 'cache')}`);
  await buildCaches({
    dataset,
    databases: stale,
    cacheRoot,
    actors,
    env,
    signal: stop.drain,
    onBuilt: () => view.phase(`building caches: ${(built += 1)} of ${stale.length}`),
  });
  view.note(`built ${plural(built, 'cache')} in ${cacheRoot}`);
}

/** Runs what has no row yet and brings everything home. What it came to, or an error that says how to go on. */
export async function runToEnd(run: RunToEnd, context: CliContext, view: ProgressView): Promise<RunSummary> {
  const { store, manifest, repeatedFlags } = run;
  const runId = manifest.run_id;
  leanMemoryFor(manifest.instance_ids.length);
  const { stop } = context;
  const goOn = `go on with: skein resume ${runId}${repeatedFlags}`;
  let last: RunProgress | undefined;
  stop.onDrain = () => {
    const running = last?.inFlight.length ?? 0;
    const what = running > 0 ? `${plural(running, 'started task')} get ${run.graceMs / 1000} s; ` : '';
    view.note(`stopping: ${what}Ctrl-C again leaves at once`);
  };
  try {
    if (!run.isSetupThere) await shipSetup(store, manifest, stop.drain, view);
    const end = await embedded(run, context, (progress) => view.run((last = progress)));
    if (end.kind === 'failed') throw end.error;
    if (end.kind === 'interrupted') {
      const { readCounts } = await import('../run/run-counts.ts');
      const counts = await readCounts(store, manifest);
      view.note(`interrupted: ${counts.done} of ${counts.expected} ids have a row; ${goOn}`);
      return await summarize({ ...run, counts, progress: last, exitReason: 'interrupted', exitCode: INTERRUPTED });
    }
    return await bringHome(run, last, stop.drain, view);
  } catch (error) {
    if (stop.drain.aborted)
      throw new SkeinError('CANCELLED', `interrupted; ${goOn}`, { cause: error, fields: { run: runId } });
    if (isBug(error)) throw error;
    throw new SkeinError('NOT_FINISHED', `run ${runId} did not finish: ${describeError(error)}; ${goOn}`, {
      cause: error,
      fields: { run: runId },
    });
  } finally {
    stop.onDrain = undefined;
  }
}

/** The setup that the run requires, and the references that it is seeded with. */
export async function shipSetup(
  store: ObjectStore,
  manifest: Manifest,
  signal: AbortSignal,
  view: ProgressView,
): Promise<void> {
  view.phase('uploading the setup');
  await uploadSetup(store, manifest.run_id, {
    combo: comboOf(manifest),
    roots: { slayer_otf_cache: manifest.cache_root, slayer_models_otf: manifest.reference_root },
    databases: databasesOf(manifest),
    seeds: new Set(Object.keys(manifest.seed)),
    signal,
  });
}

/** Fetches what an ended run left in its store, and sums it up. */
export async function bringHome(
  run: Omit<SummaryInput, 'counts' | 'progress' | 'fetched' | 'exitReason' | 'exitCode'>,
  progress: RunProgress | undefined,
  signal: AbortSignal,
  view: ProgressView,
): Promise<RunSummary> {
  const { manifest } = run;
  view.phase('fetching the results');
  const home = { ...run, runId: manifest.run_id, referenceRoot: manifest.reference_root };
  const fetched = await fetchHome(home, signal, view);
  for (const line of fetchLines(fetched, true)) view.note(line);
  return await summarize({ ...run, counts: fetched.counts, progress, fetched, ...endOf(fetched) });
}

async function embedded(
  { store, manifest, actors, graceMs, outDir, logFile, secrets }: RunToEnd,
  { env, stop }: CliContext,
  onProgress: (progress: RunProgress) => void,
): Promise<EmbeddedRunEnd> {
  const { runEmbedded } = await import('../embed/embedded-run.ts');
  await mkdir(dirname(logFile), { recursive: true });
  return await runEmbedded({
    store,
    manifest,
    actors,
    graceMs,
    drain: stop.drain,
    env,
    logPath: logFile,
    ...(secrets && { secrets }),
    onProgress,
    // A store in a folder is no less there than a spool beside it.
    ...(storeFolder(store) === undefined && { spoolDir: join(outDir, '.spool', manifest.run_id) }),
  });
}

export function isBug(error: unknown): boolean {
  return isSkeinError(error, 'INTERNAL') || error instanceof TypeError || error instanceof ReferenceError;
}

/** Where head and node write what they did, unless a flag says otherwise. */
export function defaultLogFile(outDir: string, runId: string): string {
  return join(outDir, `${runId}.log`);
}

function endOf(fetched: FetchResult): { exitReason: string; exitCode: number } {
  return { exitCode: exitCodeOfFetch(fetched), exitReason: fetched.exitKind === 'ok' ? 'done' : fetched.exitKind };
}
