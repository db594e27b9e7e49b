/**
 * Work per database on actor threads, outside of any run: stage-1 caches before a submit (V-06), and references for
 * `skein encode`. The same actors and locks as in a run.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import type { Dataset } from '../dataset/dataset.ts';
import { createActor, type ActorHandle } from '../driver/handle.ts';
import type { ActorService } from '../driver/runtime.ts';
import { compiledPath } from '../kernel/compiled.ts';
import { SkeinError } from '../kernel/errors.ts';
import { ActorHost } from '../node/actor-host.ts';
import { LockKeeper, lockServices } from '../node/lock-keeper.ts';
import type { BuiltReferenceReport, ReferenceBuildRequest } from '../frameworks/reference-actor.ts';
import { isCacheFresh } from '../reference/cache-freshness.ts';
import type { CacheResult } from '../reference/stage1.ts';
import { makeWorkDir, removeWorkDir } from './work-dir.ts';

export interface PrepareOptions {
  readonly dataset: Dataset;
  readonly databases: readonly string[];
  readonly cacheRoot: string;
  /** Threads at a time. */
  readonly actors: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the user wants to stop: what runs is killed. */
  readonly signal: AbortSignal;
}

/** Builds every stage-1 cache that is missing or stale. @throws the first failure, after the others have ended */
export async function buildCaches(
  options: PrepareOptions & {
    readonly onBuilt?: (database: string, result: { readonly wasBuilt: boolean; readonly elapsedMs: number }) => void;
  },
): Promise<void> {
  const { dataset, databases, cacheRoot, onBuilt } = options;
  const stale: string[] = [];
  for (const database of databases) {
    const startedMs = performance.now();
    if (await isCacheFresh({ dataset, database, cacheRoot })) {
      onBuilt?.(database, { wasBuilt: false, elapsedMs: performance.now() - startedMs });
    } else {
      stale.push(database);
    }
  }
  const module = compiledPath('../reference/cache-actor.js', import.meta.url);
  await onActors<CacheResult>(
    { ...options, databases: stale },
    { className: 'CacheBuilder', module, services: {} },
    {
      request: (database) => ({ datasetDir: dataset.dir, database, cacheRoot }),
      done: (database, { wasBuilt }, elapsedMs) => onBuilt?.(database, { wasBuilt, elapsedMs }),
    },
  );
}

/** Builds every reference that is missing or stale. @throws the first failure, after the others have ended */
export async function encodeReferences(
  options: PrepareOptions & {
    readonly referenceRoot: string;
    readonly encoder: string;
    readonly onEncoded?: (database: string, report: BuiltReferenceReport & { readonly elapsedMs: number }) => void;
  },
): Promise<void> {
  const { dataset, cacheRoot, referenceRoot, encoder, onEncoded } = options;
  await using locks = new LockKeeper();
  const module = compiledPath('../frameworks/reference-actor.js', import.meta.url);
  await onActors<BuiltReferenceReport>(
    options,
    { className: 'ReferenceActor', module, services: lockServices(locks) },
    {
      request: (database, workDir): ReferenceBuildRequest => ({
        datasetDir: dataset.dir,
        database,
        cacheRoot,
        referenceRoot,
        encoder,
        setupSessionsRoot: join(workDir, '_setup_sessions'),
      }),
      done: (database, report, elapsedMs) => onEncoded?.(database, { ...report, elapsedMs }),
    },
  );
}

interface ActorClass {
  readonly className: string;
  readonly module: string;
  readonly services: Readonly<Record<string, ActorService>>;
}

/** Calls `build` for each database, on as many actors as there may be; each actor takes the next one when it is free. */
async function onActors<Result>(
  { databases, actors, env, signal }: PrepareOptions,
  { className, module, services }: ActorClass,
  work: {
    request(database: string, workDir: string): object;
    done(database: string, result: Result, elapsedMs: number): void;
  },
): Promise<void> {
  if (databases.length === 0) return;
  const workDir = await makeWorkDir();
  const host = new ActorHost({ logDir: join(workDir, 'actors'), env });
  const left = [...databases];
  const serve = async (actor: ActorHandle): Promise<void> => {
    for (let database = left.shift(); database !== undefined; database = left.shift()) {
      const startedMs = performance.now();
      const result = (await actor.call('build', [work.request(database, workDir)]).promise()) as Result;
      work.done(database, result, performance.now() - startedMs);
    }
  };
  const started = Array.from({ length: Math.min(actors, databases.length) }, () =>
    createActor(host, {
      className,
      location: { module: pathToFileURL(module).href, exportName: className },
      args: [],
      maxConcurrency: 1,
      unresponsiveMs: 0,
      services,
    }),
  );
  const stop = (): void => started.forEach((actor) => actor.kill());
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    const ends = await Promise.allSettled(started.map(serve));
    signal.throwIfAborted();
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  } catch (error) {
    if (signal.aborted) throw new SkeinError('CANCELLED', 'stopped before every database was ready', { cause: error });
    throw (error as Error).cause ?? error;
  } finally {
    signal.removeEventListener('abort', stop);
    await host.stop();
    await removeWorkDir(workDir);
  }
}
