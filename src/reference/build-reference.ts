/**
 * Stage 2: the reference of one database, `<reference root>/<db>/`, built once with an injected encoder and reused for
 * ever (seed-system 2B). This file decides whether to build and holds the lock; `build-tree.ts` builds.
 *
 * Invariants: B1 what stands there is looked at before anything else is touched, and again under the lock:
 * however many ask at once, one encodes. B2 what was paid for by another is never replaced. B3 stage 1 is made ready
 * before the lock is taken. B4 a lost lock commits nothing.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { parseName } from '../kernel/ids.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import { timedPhase } from '../kernel/timing.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { MARKERS } from '../store/layout.ts';
import { readIdentityRecord, thisBuilder, writeIdentityRecord } from './build-facts.ts';
import { buildTree } from './build-tree.ts';
import { commitTree } from './commit.ts';
import type { Encoder } from './encoder.ts';
import type { HeldLock } from './held-lock.ts';
import { assessReference, keptError, wantedIdentity } from './identity.ts';
import type { Assessment, Identity, IdentityRecord } from './identity.ts';
import { loadReference, type LoadedReference } from './load-reference.ts';
import { isProcessAlive } from './dead-temps.ts';
import { ensureCache } from './stage1.ts';

export interface ReferenceRequest {
  readonly database: string;
  /** The dataset's root. */
  readonly datasetDir: string;
  /** Of the stage-1 caches. */
  readonly cacheRoot: string;
  readonly referenceRoot: string;
  readonly encoder: Encoder;
  /** Takes the lock of (reference root, database). */
  lock(): Promise<HeldLock>;
  /** The encoder's sessions go to `<root>/<db>/` (U-02). */
  readonly setupSessionsRoot: string;
  /** True: build even if a fresh one stands there, and stage 1 too. Default false. */
  readonly force?: boolean;
  /** Of whom the build is; for the record beside it. */
  readonly runId?: string;
  readonly epoch?: number;
  readonly signal?: AbortSignal;
  /** Takes the `[timing]` lines of the phases, each as it begins and ends (V-24). */
  readonly say?: (line: string) => void;
}

export interface Reference extends LoadedReference {
  /** Whether this call built it. */
  readonly wasBuilt: boolean;
  /** Of its content, the same on any machine; empty where no record says it. */
  readonly digest: string;
  /** Milliseconds by phase: `assess`, `cache`, `lock`, `copy`, `encode`, `write`, `commit`. */
  readonly timingsMs: Readonly<Record<string, number>>;
}

/**
 * The reference of the database: the one that stands there if it is the wanted one, else a new one.
 * @throws SkeinError PREFLIGHT (paid for by another) | INVALID_INPUT (dataset) | CORRUPT (damaged, R-03) | CANCELLED |
 * STORE_CONFLICT (lock lost) | DISK_FULL | STORE_UNAVAILABLE; and what the encoder throws when it cannot be opened
 */
export async function buildReference(request: ReferenceRequest): Promise<Reference> {
  const { database, datasetDir, cacheRoot, encoder, force = false, signal } = request;
  parseName('database', database);
  const root = resolve(request.referenceRoot);
  const timingsMs: Record<string, number> = {};
  const wanted = await timed(request, timingsMs, 'assess', () => wantedIdentity(datasetDir, database, encoder));
  const first = await assessReference(root, database, wanted);
  if (first.kind === 'fresh' && !force) {
    await sweepTemps(root, database, false);
    return load(root, database, timingsMs);
  }
  if (first.kind === 'kept' && !force) throw keptError(root, database, first.found, wanted);

  const cache = await timed(request, timingsMs, 'cache', () =>
    ensureCache({ dataset: { dir: datasetDir }, database, cacheRoot, force }),
  );
  throwIfCancelled(signal, `building the reference of ${database}`);
  const lock = await timed(request, timingsMs, 'lock', () => request.lock());
  try {
    const identity = { ...wanted, inputFingerprint: cache.fingerprint };
    const now = await assessReference(root, database, identity);
    if (now.kind === 'fresh' && !force) return await load(root, database, timingsMs);
    if (now.kind === 'kept' && !force) throw keptError(root, database, now.found, identity);
    const isOurs = await build(request, { root, cacheDir: cache.dir, identity, now, lock, timingsMs });
    return { ...(await load(root, database, timingsMs)), wasBuilt: isOurs };
  } finally {
    await lock.release();
  }
}

interface Site {
  readonly root: string;
  readonly cacheDir: string;
  readonly identity: Identity;
  readonly now: Assessment;
  readonly lock: HeldLock;
  readonly timingsMs: Record<string, number>;
}

/** Builds aside and commits. False: a peer without our lock was faster, and theirs is the wanted one. */
async function build(request: ReferenceRequest, site: Site): Promise<boolean> {
  const { database, datasetDir, encoder, setupSessionsRoot, signal } = request;
  const { root, cacheDir, identity, now, lock, timingsMs } = site;
  const { inputFingerprint } = identity;
  const work = join(root, `.${inputFingerprint}.tmp-${process.pid}-${database}.${randomBytes(4).toString('hex')}`);
  const tree = join(work, 'tree');
  try {
    await mkdir(root, { recursive: true });
    await sweepTemps(root, database, true);
    await mkdir(tree, { recursive: true });
    const digest = await buildTree({
      database,
      datasetDir,
      cacheDir,
      inputFingerprint,
      encoder,
      work,
      tree,
      sessionsDir: join(setupSessionsRoot, database),
      timingsMs,
      signal,
      say: request.say,
    });
    throwIfCancelled(signal, `building the reference of ${database}`);
    failPoint('reference.before-commit');
    const outcome = await timed(request, timingsMs, 'commit', async () => {
      await lock.verify();
      return commitTree({
        tree,
        target: join(root, database),
        marker: MARKERS.referenceFingerprint,
        aside: join(work, 'replaced'),
        replaces: 'marker' in now ? now.marker.stamp : undefined,
        writeRecord: () => writeIdentityRecord(root, database, recordOf(request, identity, digest)),
      });
    });
    failPoint('reference.after-commit');
    if (outcome === 'committed') return true;
  } catch (error) {
    throw error instanceof SkeinError || !isSystemError(error)
      ? error
      : fileSystemError(`building the reference of ${database} in ${root}`, error);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const peer = await assessReference(root, database, identity);
  if (peer.kind === 'fresh') return false;
  throw new SkeinError(
    'STORE_CONFLICT',
    `${join(root, database)} was put there by another tool while it was being built here; nothing was replaced`,
  );
}

function recordOf(
  { database, encoder, runId, epoch }: ReferenceRequest,
  identity: Identity,
  digest: string,
): IdentityRecord {
  return {
    version: 1,
    database,
    input_fp: identity.inputFingerprint,
    encoder_id: encoder.id,
    encoder_version: encoder.version,
    is_paid: encoder.isPaid,
    content_digest: digest,
    built_at_ms: Date.now(),
    build_id: randomUUID(),
    builder: thisBuilder(),
    epoch: epoch ?? 0,
    run_id: runId ?? '',
  };
}

/**
 * Removes what earlier builds of this database left. Under its lock none of them is alive; without the lock only those of
 * dead processes go.
 */
async function sweepTemps(root: string, database: string, isLocked: boolean): Promise<void> {
  const left = (await readdir(root)).filter((name) => {
    const [, pid, owner] = /^\.[0-9A-Za-z]+\.tmp-(\d+)-(.+)\.[0-9a-f]{8}$/.exec(name) ?? [];
    return owner === database && (isLocked || !isProcessAlive(Number(pid)));
  });
  await Promise.all(left.map((name) => rm(join(root, name), { recursive: true, force: true })));
}

async function load(root: string, database: string, timingsMs: Record<string, number>): Promise<Reference> {
  const loaded = await loadReference(join(root, database));
  if (!loaded) throw new SkeinError('UNAVAILABLE', `${join(root, database)} went away while it was read; try again`);
  const record = (await readIdentityRecord(root, database)) as Partial<IdentityRecord> | undefined;
  return { ...loaded, wasBuilt: false, digest: record?.content_digest ?? '', timingsMs };
}

function timed<T>(
  { say = () => {} }: ReferenceRequest,
  timingsMs: Record<string, number>,
  phase: string,
  work: () => Promise<T>,
): Promise<T> {
  return timedPhase(
    `reference.${phase}`,
    say,
    work,
    (elapsedMs) => (timingsMs[phase] = (timingsMs[phase] ?? 0) + elapsedMs),
  );
}

function isSystemError(error: unknown): boolean {
  return typeof (error as { errno?: unknown } | null)?.errno === 'number';
}
