/**
 * Opens a run on a node: reads its manifest, finds its places, and puts together what works on it.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { ActorRuntime, ActorService } from '../driver/runtime.ts';
import { SkeinError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { Secrets } from '../kernel/secrets.ts';
import { timedPhase } from '../kernel/timing.ts';
import { readManifest } from '../run/manifest.ts';
import type { ObjectStore } from '../store/port.ts';
import type { ActorSlots } from './actor-slots.ts';
import type { NodePlaces } from './database-place.ts';
import { DatabasePreparation } from './database-preparation.ts';
import { ensureFramework } from './framework-download.ts';
import { RunExecutor, type RunReports } from './run-executor.ts';
import { runSettings } from './run-settings.ts';
import { Shipper } from './shipper.ts';
import { Snapshots } from './snapshots.ts';
import type { Spool } from './spool.ts';
import { TaskActors } from './task-actors.ts';
import { UploadBack, type ReadyReference } from './upload-back.ts';

/** What a node lends to each of its runs. */
export interface RunHosting {
  /** This node's name: rows say where they come from. */
  readonly node: string;
  readonly store: ObjectStore;
  readonly log: Logger;
  readonly places: NodePlaces;
  readonly spool: Spool | undefined;
  /** Whether what the store refuses is tried until it is taken; else it stays in the spool, if there is one. */
  readonly isPatient: boolean;
  readonly runtime: ActorRuntime;
  readonly slots: ActorSlots;
  readonly actors: number;
  /** What task actors may ask for. */
  readonly services: Readonly<Record<string, ActorService>>;
  /** The run's own folder goes below it. */
  readonly workDir: string;
  /** Whether runs that bring a framework of their own are refused (`--no-user-code`). */
  readonly refusesUserCode: boolean;
  /** Fires when the node stops. */
  readonly signal: AbortSignal;
  readonly onStoreTrouble: (trouble: string | undefined) => void;
}

/**
 * How long the end of a run waits for a store that does not take its references. What is not stored by then stays in the
 * spool, for the node's next life.
 */
const FLUSH_PATIENCE_MS = 120_000;

export interface NodeRunReports extends RunReports {
  /** @param settle to be called when a head has acknowledged it */
  readonly referenceReady: (reference: ReadyReference, settle: () => void) => void;
  readonly helpersFailed: (counts: Readonly<Record<string, number>>) => void;
}

export interface NodeRun {
  readonly executor: RunExecutor;
  /** How long this run waits for a silent node; undefined: as long as its head does. */
  readonly lostAfterMs: number | undefined;
  /** What its actors cannot do without. */
  readonly secretNames: readonly string[];
  /** Ships what is left and removes the run's folder. Helper uploads that failed and were not told of yet, by kind. */
  close(): Promise<Readonly<Record<string, number>>>;
}

/**
 * @param secrets what an actor of the run that starts now finds in its environment
 * @throws SkeinError NOT_FOUND | CORRUPT | INVALID_INPUT …: this run cannot work here
 */
export async function openRun(
  hosting: RunHosting,
  runId: string,
  reports: NodeRunReports,
  secrets: () => Secrets = () => Secrets.NONE,
): Promise<NodeRun> {
  const { store, log, places, spool, isPatient, signal, slots, onStoreTrouble } = hosting;
  const manifest = await readManifest(store, runId);
  const { framework_bundle: bundle } = manifest;
  if (bundle && hosting.refusesUserCode) {
    const text = `run ${runId}: it brings a framework of its own (${bundle.file}), and this node runs no users' code (--no-user-code)`;
    throw new SkeinError('PREFLIGHT', text);
  }
  // No run's folder: their ids begin with a letter or digit.
  const frameworksDir = places.frameworksDir ?? join(hosting.workDir, '_frameworks');
  const modulePath = bundle ? await ensureFramework({ store, dir: frameworksDir, signal }, bundle.digest) : undefined;
  const settings = runSettings(manifest, modulePath);
  const workDir = join(hosting.workDir, runId);
  // Dataset and setup as far as the run needs them before its first task.
  const opening = () => places.open({ store, runId, manifest, settings, log, signal });
  const runPlaces = await timedPhase(`places of ${runId}`, (line) => log.info({ run: runId }, line), opening);
  const patience = isPatient ? { keepTrying: signal, onStoreTrouble } : {};
  const shipper = new Shipper({ store, runId, log, ...patience, onFailures: reports.helpersFailed });
  const databases: DatabasePreparation = new DatabasePreparation({
    runId,
    places: runPlaces,
    spool,
    log,
    signal,
    onSeed: (database, epoch, digest) => uploadBack.seedReady(database, epoch, digest),
    onTrouble: onStoreTrouble,
  });
  const uploadBack = await UploadBack.open({
    store,
    runId,
    settings,
    shipper,
    log,
    signal,
    ...(isPatient && { patienceMs: FLUSH_PATIENCE_MS }),
    placeOf: (database) => databases.placeOf(database),
    onReady: (reference) => {
      const word = databases.grantReady(reference);
      reports.referenceReady(reference, () => spool?.settle(word));
    },
  });
  const taskActors = new TaskActors({
    runtime: hosting.runtime,
    settings: settings.framework,
    services: hosting.services,
    unresponsiveMs: settings.actorBlockTimeoutMs,
    logDir: join(workDir, 'logs'),
    secretEnv: () => secrets().pick(manifest.secret_names).reveal(),
    onReference: (actor, database) => void uploadBack.reference(database, actor),
    onTranscript: (instanceId) => snapshots.transcriptBegun(instanceId),
  });
  const snapshots = new Snapshots({ store, runId, shipper, everyMs: settings.snapshotEveryMs });
  const executor = new RunExecutor({
    runId,
    node: hosting.node,
    taskById: runPlaces.taskById,
    databases,
    actors: Math.min(hosting.actors, settings.taskCount),
    slots,
    taskActors,
    shipper,
    snapshots,
    uploadBack,
    spool,
    reports,
    log,
    workDir,
  });
  return {
    executor,
    lostAfterMs: manifest.lost_after_ms ?? undefined,
    secretNames: manifest.secret_names,
    async close() {
      await executor.close();
      await rm(workDir, { recursive: true, force: true });
      return shipper.takeUntold();
    },
  };
}
