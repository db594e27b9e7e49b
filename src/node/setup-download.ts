/**
 * Brings a run's setup from the store to this node's roots: what is required before any task (S-05), and references as
 * optional seeds, which never replace what stands there (S-06, S-07).
 *
 * Invariants: D1 a database's folder appears whole, by one rename, or not at all. D2 what stands there under the very
 * fingerprint that was shipped is left alone: in the embedded default that is all of it. D3 a seed never replaces a
 * marked folder; a required artifact replaces one of another fingerprint. D4 both happen under the database's lock.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import pLimit from 'p-limit';

import { describeError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { parseJson } from '../kernel/json.ts';
import { buildFacts, writeIdentityRecord } from '../reference/build-facts.ts';
import { commitTree } from '../reference/commit.ts';
import { sweepDeadTemps } from '../reference/dead-temps.ts';
import { readKbRows } from '../reference/load-reference.ts';
import { markerOf, readTree, syncTree } from '../reference/marked-tree.ts';
import { ARTIFACT_MARKERS, hasArtifact, setupNeeds, type RunCombo, type SetupRoots } from '../reference/setup.ts';
import { identityObjectName } from '../reference/setup-upload.ts';
import { contentDigest } from '../reference/shard-slice.ts';
import { callPatiently, readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { setupDatabasePrefix, type SetupArtifact } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { downloadTree } from '../store/prefix.ts';
import type { LockKeeper } from './lock-keeper.ts';

const DATABASES_AT_ONCE = 4;

export interface SetupDownload extends PersistOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly combo: RunCombo;
  /** Of this node. */
  readonly roots: SetupRoots;
  readonly databases: readonly string[];
  readonly locks: LockKeeper;
  /** Only these of what the combination needs. Default: all. */
  readonly artifacts?: readonly SetupArtifact[];
}

export interface SetupDownloadReport {
  readonly artifact: SetupArtifact;
  readonly database: string;
  /**
   * `same`: it stood there already. `downloaded`. `kept`: another reference stands there, the seed was not taken.
   * `none`: no seed was shipped. `broken`: a seed that is incomplete or damaged; `reason` says how.
   */
  readonly kind: 'same' | 'downloaded' | 'kept' | 'none' | 'broken';
  readonly reason?: string;
}

/**
 * @throws SkeinError NOT_FOUND | CORRUPT when a required artifact is not whole in the store: the run cannot start here;
 * the store's and the disk's errors
 */
export async function downloadSetup(download: SetupDownload): Promise<SetupDownloadReport[]> {
  const limit = pLimit(DATABASES_AT_ONCE);
  const { artifacts } = download;
  const needs = setupNeeds(download.combo).filter(({ artifact }) => artifacts?.includes(artifact) ?? true);
  const jobs = needs.flatMap(({ artifact, isRequired }) => {
    const root = download.roots[artifact];
    if (root === undefined) throw new SkeinError('INVALID_INPUT', `setup: this node has no root for ${artifact}`);
    return download.databases.map((database): Job => ({ download, artifact, root, database, isRequired }));
  });
  const ends = await Promise.allSettled(jobs.map((job) => limit(() => bring(job))));
  return ends.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}

interface Job {
  readonly download: SetupDownload;
  readonly artifact: SetupArtifact;
  readonly root: string;
  readonly database: string;
  readonly isRequired: boolean;
}

async function bring(job: Job): Promise<SetupDownloadReport> {
  const { download, artifact, root, database, isRequired } = job;
  const { store, runId, locks, signal } = download;
  const report = (kind: SetupDownloadReport['kind'], reason?: string): SetupDownloadReport => ({
    artifact,
    database,
    kind,
    ...(reason !== undefined && { reason }),
  });
  const marker = ARTIFACT_MARKERS[artifact] ?? '.download_complete';
  const shipped = await shippedFingerprint(job);
  if (shipped === undefined && isRequired) {
    throw new SkeinError(
      'NOT_FOUND',
      `run ${runId}: its required setup ${artifact}/${database} is not whole in ${store.url}; submit or resume it again`,
    );
  }
  const local = (await markerOf(join(root, database), marker))?.text;
  if (shipped === undefined) return report('none');
  if (local === shipped) return report('same');
  if (local !== undefined && !isRequired) return report('kept');
  // Models without a marker are the user's own, not a download of ours.
  if (local === undefined && artifact === 'slayer_models' && (await hasArtifact(artifact, root, database))) {
    return report('kept');
  }
  return locks.hold({ root, database, owner: `setup of run ${runId}`, signal }, async () => {
    const standing = await markerOf(join(root, database), marker);
    if (standing?.text === shipped) return report('same');
    if (standing !== undefined && !isRequired) return report('kept');
    try {
      const outcome = await fetchInto(job, { marker, shipped, replaces: standing?.stamp });
      return report(outcome === 'committed' ? 'downloaded' : 'kept');
    } catch (error) {
      if (isRequired || !isSkeinError(error, 'CORRUPT')) throw error;
      return report('broken', describeError(error));
    }
  });
}

/** The fingerprint that was shipped, undefined when it was not, or not wholly. Models without marker: of their listing. */
async function shippedFingerprint({ download, artifact, database }: Job): Promise<string | undefined> {
  const { store, runId } = download;
  const prefix = setupDatabasePrefix(runId, artifact, database);
  const marker = ARTIFACT_MARKERS[artifact];
  if (marker !== undefined) {
    return (await readPatiently(store, prefix + marker, download))?.bytes.toString('utf8').trim();
  }
  const { objects } = await callPatiently(`listing ${prefix}`, download, (signal) =>
    store.list(prefix, { pageSize: 1, signal }),
  );
  return objects.length === 0 ? undefined : `run ${runId}`;
}

interface Goal {
  readonly marker: string;
  readonly shipped: string;
  readonly replaces: string | undefined;
}

async function fetchInto(job: Job, { marker, shipped, replaces }: Goal): Promise<'committed' | 'peer'> {
  const { download, artifact, root, database, isRequired } = job;
  const { store, runId } = download;
  const kind = isRequired ? 'dl' : 'seed';
  const start = `.${database}.${kind}-`;
  await mkdir(root, { recursive: true });
  await sweepDeadTemps(root, start);
  const work = join(root, `${start}${process.pid}-${randomBytes(4).toString('hex')}`);
  const tree = join(work, 'tree');
  try {
    await mkdir(tree, { recursive: true });
    await downloadTree(store, setupDatabasePrefix(runId, artifact, database), tree, download);
    await checkTree(job, tree, { marker, shipped });
    await syncTree(tree);
    const identity = artifact === 'slayer_models_otf' ? await shippedIdentity(download, database) : undefined;
    await checkDigest(tree, identity);
    return await commitTree({
      tree,
      target: join(root, database),
      marker,
      aside: join(work, 'replaced'),
      replaces,
      ...(artifact === 'slayer_models_otf' && { writeRecord: () => writeIdentityRecord(root, database, identity) }),
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A marked folder without readable KB rows would be an error to all who read it (S-02). */
async function checkTree({ artifact }: Job, tree: string, { marker, shipped }: Omit<Goal, 'replaces'>): Promise<void> {
  if (artifact === 'slayer_models') {
    return writeFile(join(tree, marker), shipped);
  }
  const found = (await markerOf(tree, marker))?.text;
  if (found !== shipped) throw new SkeinError('CORRUPT', `${marker} changed while it was downloaded`);
  await readKbRows(tree);
}

/** A reference whose record names another content than came is not taken for it. */
async function checkDigest(tree: string, identity: unknown): Promise<void> {
  const { contentDigest: wanted } = buildFacts(identity);
  if (wanted === undefined || contentDigest(await readTree(tree)) === wanted) return;
  throw new SkeinError('CORRUPT', 'the reference has another content than its record says');
}

async function shippedIdentity(download: SetupDownload, database: string): Promise<unknown> {
  const name = identityObjectName(download.runId, database);
  const stored = await readPatiently(download.store, name, download);
  return stored && parseJson(name, stored.bytes);
}
