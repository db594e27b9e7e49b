/**
 * The embedded default: the real head on loopback, with a token that lives in memory, and a real node, both inside this
 * process. Only who started them differs from a cluster.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

import { RunState, type WatchRunResponse } from '../gen/skein/v1/run.ts';
import { Head } from '../head/head.ts';
import type { Manifest } from '../run/manifest.ts';
import { asError, SkeinError } from '../kernel/errors.ts';
import { createLogger } from '../kernel/log.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { Node } from '../node/node.ts';
import { fixedPlaces } from '../node/places.ts';
import type { ObjectStore } from '../store/port.ts';
import { ONE_PROCESS } from '../wire/channel.ts';
import { HeadClient } from '../wire/head-client.ts';
import { progressOf, type RunProgress } from './run-progress.ts';
import { RunSpool } from './run-spool.ts';
import { makeWorkDir } from './work-dir.ts';

export interface EmbeddedRunOptions {
  readonly store: ObjectStore;
  /** As it stands in the store; its folders may be others: they are those of the node. */
  readonly manifest: Manifest;
  readonly actors: number;
  /** What started tasks get once `drain` has aborted. */
  readonly graceMs: number;
  /** Aborts on the first Ctrl-C: nothing new is started. */
  readonly drain: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the run's actors find in their environment beside that. Default: nothing. */
  readonly secrets?: Secrets;
  /**
   * Where what the store does not take is kept over the end of this command; whoever gives the same folder next ships it
   * first. Absent: nowhere, for a store on the same disk.
   */
  readonly spoolDir?: string;
  /** JSON lines of head and node; absent: none. */
  readonly logPath?: string;
  onProgress?(progress: RunProgress): void;
}

export type EmbeddedRunEnd =
  /** Every id has a row. */
  | { readonly kind: 'done' }
  /** Drained: `resume` goes on. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'failed'; readonly error: Error };

/** Runs to the end, or until drained. Leaves no thread, socket, process or temp folder. */
export async function runEmbedded(options: EmbeddedRunOptions): Promise<EmbeddedRunEnd> {
  const { store, manifest, actors, drain, env } = options;
  const log = createLogger(options.logPath);
  const security = { token: randomBytes(32).toString('hex') };
  try {
    const nodeBootId = randomUUID();
    const { spoolDir } = options;
    await using kept =
      spoolDir === undefined ? undefined : await RunSpool.open(spoolDir, manifest.run_id, nodeBootId, log);
    const [headId, bootId] = [`command-${randomUUID()}`, randomUUID()];
    const headLog = log.child({ part: 'head' });
    await using head = await Head.start({ store, security, log: headLog, kind: 'embedded', headId, bootId });
    const lost = Promise.withResolvers<never>();
    lost.promise.catch(() => {});
    await using _node = await Node.start({
      bootId: nodeBootId,
      name: `embedded-${hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-')}-${process.pid}`,
      address: head.address,
      security,
      actors,
      store,
      workDir: kept ? kept.workDir : await makeWorkDir(),
      ...(kept && { spool: kept.spool }),
      places: fixedPlaces({
        datasetDir: manifest.dataset_dir,
        cacheRoot: manifest.cache_root,
        referenceRoot: manifest.reference_root,
      }),
      env,
      log: log.child({ part: 'node' }),
      onHeadLost: lost.reject,
    });
    using client = new HeadClient(head.address, security, { keepalive: ONE_PROCESS });
    await client.startRun(manifest.run_id, 0, options.secrets);
    const end = await Promise.race([follow(client, options, drain), lost.promise]);
    return kept ? withKept(end, kept, manifest.run_id) : end;
  } catch (error) {
    return { kind: 'failed', error: asError(error) };
  }
}

/** Says of rows that could not be stored where they are. */
function withKept(end: EmbeddedRunEnd, { rows, dir }: RunSpool, runId: string): EmbeddedRunEnd {
  if (end.kind !== 'failed' || rows === 0) return end;
  const text = `run ${runId}: ${rows} rows could not be stored; they are kept in ${dir}, and who goes on with it ships them first`;
  return { kind: 'failed', error: new SkeinError('STORE_UNAVAILABLE', text, { cause: end.error }) };
}

async function follow(client: HeadClient, options: EmbeddedRunOptions, drain: AbortSignal): Promise<EmbeddedRunEnd> {
  const runId = options.manifest.run_id;
  const stop = (): void => void client.drainRun(runId, options.graceMs).catch(() => {});
  if (drain.aborted) stop();
  else drain.addEventListener('abort', stop, { once: true });
  let last: WatchRunResponse | undefined;
  try {
    for await (const progress of client.watchRun(runId)) {
      last = progress;
      options.onProgress?.(progressOf(progress));
    }
  } finally {
    drain.removeEventListener('abort', stop);
  }
  switch (last?.state) {
    case RunState.DONE:
      return { kind: 'done' };
    case RunState.STOPPED:
      if (drain.aborted) return { kind: 'interrupted' };
      return { kind: 'failed', error: new Error(last.error || `run ${runId}: some rows could not be stored`) };
    default:
      return { kind: 'failed', error: new Error(last?.error || `run ${runId}: the head stopped following it`) };
  }
}
