/**
 * Places in a daemon's data dir, which outlives runs, so that everything is named by what it is:
 *
 *     D/datasets/<db>/<digest>/<db>/…      one database of a dataset, by its content (V-05)
 *     D/caches/<fingerprint>/<db>/         stage 1, by the fingerprint of its inputs
 *     D/references/<identity>/<db>/        stage 2, by inputs, encoder and, where it was made elsewhere, its content
 *     D/frameworks/<digest>.mjs            frameworks that users brought, by their content (`framework-download.ts`)
 *
 * Invariants: P1 nothing is silently substituted: a run whose seed, encoder, version or inputs differ from what stands here
 * works in a root of its own. P2 what was made elsewhere is taken as it is and never built upon; a reference is built only
 * under a grant of the head (DESIGN rule 5). P3 each database is brought when its first batch comes.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { databaseFiles } from '../dataset/dataset.ts';
import { parseTasks } from '../dataset/tasks-file.ts';
import type { ReferenceSource } from '../frameworks/assignment.ts';
import { encoderIdentity, type EncoderIdentity } from '../frameworks/encoder-identity.ts';
import { describeError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { canonicalJson, parseJson } from '../kernel/json.ts';
import { timedPhase } from '../kernel/timing.ts';
import { buildFacts } from '../reference/build-facts.ts';
import { markerOf } from '../reference/marked-tree.ts';
import { identityObjectName } from '../reference/setup-upload.ts';
import { encodes } from '../reference/shard.ts';
import { contentDigest } from '../reference/shard-slice.ts';
import { readPatiently } from '../store/create-or-confirm.ts';
import { MARKERS, setupDatabasePrefix, type SetupArtifact } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';
import { auditedTasks } from './audited-tasks.ts';
import { ensureDatabase, ensureTasksFile } from './dataset-download.ts';
import type {
  DatabasePlace,
  NodePlaces,
  PlaceOutcome,
  PlaceRequest,
  PlacesRequest,
  RunPlaces,
} from './database-place.ts';
import type { LockKeeper } from './lock-keeper.ts';
import { downloadReference, shardDigest } from './reference-download.ts';
import { downloadSetup, type SetupDownloadReport } from './setup-download.ts';

export interface DataDirPlacesOptions {
  readonly dataDir: string;
  readonly store: ObjectStore;
  readonly locks: LockKeeper;
}

export function dataDirPlaces({ dataDir, store, locks }: DataDirPlacesOptions): NodePlaces {
  return {
    locks,
    frameworksDir: join(dataDir, 'frameworks'),
    open: async (run) => {
      const { runId, manifest } = run;
      const content = manifest.dataset_content;
      if (!content) {
        throw new SkeinError(
          'NOT_FOUND',
          `run ${runId}: its dataset is only on the machine that submitted it; submit it with --address, which ships it`,
        );
      }
      const download = { store, root: join(dataDir, 'datasets'), locks, signal: run.signal };
      const tasksPath = await ensureTasksFile(download, content.tasks);
      const tasks = parseTasks(tasksPath, await readFile(tasksPath, 'utf8'));
      const ids = new Set(manifest.instance_ids);
      const taskById = new Map(
        tasks.filter((task) => ids.has(task.instance_id)).map((task) => [task.instance_id, task]),
      );
      const scored = await auditedTasks({ ...run, store }, taskById);
      return new DataDirRun({ ...run, store }, { dataDir, locks, digests: content.databases, taskById: scored });
    },
  };
}

interface Site {
  readonly dataDir: string;
  readonly locks: LockKeeper;
  readonly digests: Readonly<Record<string, string>>;
  readonly taskById: RunPlaces['taskById'];
}

/** What a reference root is named by. */
export interface ReferenceRootName {
  /** Of stage 1's inputs. */
  readonly cacheFingerprint: string;
  readonly encoder: EncoderIdentity;
  /** Of a reference that was made elsewhere; empty for those that are built here. */
  readonly contentDigest: string;
}

/** The name of the root for references of this identity: 32 hex digits. */
export function referenceRootName({ cacheFingerprint, encoder, contentDigest: content }: ReferenceRootName): string {
  const identity = { cache: cacheFingerprint, encoder: `${encoder.id}@${encoder.version}`, content };
  return createHash('sha256').update(canonicalJson(identity)).digest('hex').slice(0, 32);
}

class DataDirRun implements RunPlaces {
  readonly taskById: RunPlaces['taskById'];
  readonly #run: PlacesRequest;
  readonly #site: Site;

  constructor(run: PlacesRequest, site: Site) {
    this.#run = run;
    this.#site = site;
    this.taskById = site.taskById;
  }

  async prepare(request: PlaceRequest): Promise<PlaceOutcome> {
    const { database } = request;
    const { dataDir } = this.#site;
    const datasetDir = await this.#timed('dataset', database, () => this.#dataset(database));
    const common = { datasetDir, databasePath: databaseFiles(datasetDir, database).sqlite };
    const { framework: combo } = this.#run.settings;
    if (combo.mode === 'oracle' || !encodes(combo)) {
      const place: DatabasePlace = {
        ...common,
        cacheRoot: join(dataDir, 'caches', 'none'),
        referenceRoot: join(dataDir, 'references', 'none'),
        reference: { kind: 'given' },
      };
      return { kind: 'ready', place };
    }
    const cacheFingerprint = await this.#timed('cache', database, () => this.#cache(database));
    const cacheRoot = join(dataDir, 'caches', cacheFingerprint);
    const found = await this.#timed('reference', database, () => this.#reference(request, cacheFingerprint));
    if (found.kind === 'not-granted') return found;
    const { root: referenceRoot, reference, seedDigest } = found;
    const place = { ...common, cacheRoot, referenceRoot, reference, ...(seedDigest !== undefined && { seedDigest }) };
    return { kind: 'ready', place };
  }

  #timed<T>(phase: string, database: string, work: () => Promise<T>): Promise<T> {
    const { log, runId } = this.#run;
    return timedPhase(`${phase} ${database}`, (line) => log.info({ run: runId, database }, line), work);
  }

  async #dataset(database: string): Promise<string> {
    const { store, runId, signal } = this.#run;
    const { dataDir, locks, digests } = this.#site;
    const digest = Object.hasOwn(digests, database) ? digests[database] : undefined;
    if (digest === undefined) {
      throw new SkeinError('NOT_FOUND', `run ${runId}: its manifest names no content of database ${database}`);
    }
    return ensureDatabase({ store, root: join(dataDir, 'datasets'), locks, signal }, database, digest);
  }

  /** Brings the database's stage 1, which is required. Its fingerprint. */
  async #cache(database: string): Promise<string> {
    const { store, runId, signal } = this.#run;
    const name = setupDatabasePrefix(runId, 'slayer_otf_cache', database) + MARKERS.cacheFingerprint;
    const stored = await readPatiently(store, name, { signal });
    const fingerprint = stored?.bytes.toString('utf8').trim() ?? '';
    if (!/^[0-9a-f]{1,64}$/.test(fingerprint)) {
      throw new SkeinError('NOT_FOUND', `run ${runId}: its required setup ${name} is not whole in ${store.url}`);
    }
    await this.#bring('slayer_otf_cache', database, join(this.#site.dataDir, 'caches', fingerprint));
    return fingerprint;
  }

  /** The database's reference: from a peer's shard, from the run's seed, or to be built here. */
  async #reference(
    { database, grantEpoch, reference }: PlaceRequest,
    cacheFingerprint: string,
  ): Promise<
    | { kind: 'found'; root: string; reference: ReferenceSource; seedDigest?: string }
    | { kind: 'not-granted'; reason: string }
  > {
    const { store, log, runId, signal, settings } = this.#run;
    const { locks } = this.#site;
    const encoder = await encoderIdentity(settings.framework.encoder);
    const rootFor = (digest: string): string =>
      join(this.#site.dataDir, 'references', referenceRootName({ cacheFingerprint, encoder, contentDigest: digest }));
    if (reference) {
      const place = { ...reference, database };
      try {
        const root = rootFor(await shardDigest({ store, locks, signal }, place));
        await downloadReference({ store, locks, signal }, place, root);
        return { kind: 'found', root, reference: { kind: 'given' } };
      } catch (error) {
        // The head finds another one, or has it built again.
        if (!isSkeinError(error, 'NOT_FOUND', 'CORRUPT')) throw error;
        return { kind: 'not-granted', reason: describeError(error) };
      }
    }
    const seedDigest = await this.#seedDigest(database);
    if (seedDigest !== undefined) {
      const root = rootFor(seedDigest);
      const [report] = await this.#bring('slayer_models_otf', database, root);
      if (report?.kind === 'broken') log.warn({ run: runId, ...report }, 'seed not taken');
      if ((await markerOf(join(root, database), MARKERS.referenceFingerprint)) !== undefined) {
        return { kind: 'found', root, reference: { kind: 'given' }, seedDigest };
      }
    }
    if (grantEpoch > 0) return { kind: 'found', root: rootFor(''), reference: { kind: 'build', epoch: grantEpoch } };
    return {
      kind: 'not-granted',
      reason: `the reference of ${database} is in no shard that the head named and not in the run's setup, and this node may not encode it`,
    };
  }

  async #bring(artifact: SetupArtifact, database: string, root: string): Promise<SetupDownloadReport[]> {
    const { store, runId, settings, signal } = this.#run;
    return downloadSetup({
      store,
      runId,
      combo: settings.framework,
      roots: { [artifact]: root },
      databases: [database],
      artifacts: [artifact],
      locks: this.#site.locks,
      signal,
    });
  }

  /** The digest of the run's seed, undefined if the database has none (S-06). */
  async #seedDigest(database: string): Promise<string | undefined> {
    const { store, runId, signal } = this.#run;
    const prefix = setupDatabasePrefix(runId, 'slayer_models_otf', database);
    const marker = await readPatiently(store, prefix + MARKERS.referenceFingerprint, { signal });
    if (!marker) return undefined;
    const name = identityObjectName(runId, database);
    const record = await readPatiently(store, name, { signal });
    const facts = record && buildFacts(parseJson(name, record.bytes));
    if (facts?.contentDigest && facts.inputFp === marker.bytes.toString('utf8').trim()) return facts.contentDigest;
    // Of unknown make: its content is all that names it.
    const contents = new Map<string, Buffer>();
    for await (const info of listAll(store, prefix, { signal })) {
      const stored = await readPatiently(store, info.name, { signal });
      if (stored) contents.set(info.name.slice(prefix.length), stored.bytes);
    }
    return contentDigest(contents);
  }
}
