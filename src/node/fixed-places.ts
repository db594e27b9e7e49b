/**
 * Places that somebody chose: one dataset, one root of caches, one of references, for every run. The embedded default
 * works in those of the submitter.
 *
 * Invariant: P1 no grant is needed to build here: whoever shares these roots shares the lock over each database in them.
 */
import pLimit from 'p-limit';

import { openDataset } from '../dataset/dataset.ts';
import { isSkeinError, type SkeinError } from '../kernel/errors.ts';
import { auditedTasks } from './audited-tasks.ts';
import type { DatabasePlace, NodePlaces, PlacesRequest, RunPlaces } from './database-place.ts';
import { LockKeeper } from './lock-keeper.ts';
import { downloadSetup } from './setup-download.ts';

const DATABASES_AT_ONCE = 4;

export interface FixedPlacesOptions {
  /** The dataset on this machine. */
  readonly datasetDir: string;
  /** Root of the stage-1 caches. */
  readonly cacheRoot: string;
  /** Root of the references, and of their locks. */
  readonly referenceRoot: string;
  /** Default: a new one. */
  readonly locks?: LockKeeper;
}

export function fixedPlaces(options: FixedPlacesOptions): NodePlaces {
  const locks = options.locks ?? new LockKeeper();
  return { locks, open: (run) => openRun(run, options, locks) };
}

async function openRun(
  { store, runId, manifest, settings, log, signal }: PlacesRequest,
  { datasetDir, cacheRoot, referenceRoot }: FixedPlacesOptions,
  locks: LockKeeper,
): Promise<RunPlaces> {
  const { framework: combo, databases } = settings;
  const dataset = await openDataset(datasetDir);
  const taskById = await auditedTasks({ store, manifest, signal }, dataset.taskById);
  /** Databases whose required setup is not whole in the store. */
  const failed = new Map<string, SkeinError>();
  const roots = { slayer_otf_cache: cacheRoot, slayer_models_otf: referenceRoot };
  const bring = async (database: string): Promise<void> => {
    try {
      const reports = await downloadSetup({ store, runId, combo, roots, databases: [database], locks, signal });
      for (const report of reports) {
        if (report.kind === 'broken') log.warn({ run: runId, ...report }, 'seed not taken');
      }
    } catch (error) {
      if (!isSkeinError(error, 'NOT_FOUND', 'CORRUPT')) throw error;
      failed.set(database, error);
    }
  };
  if (combo.mode !== 'oracle') {
    const limit = pLimit(DATABASES_AT_ONCE);
    await Promise.all(databases.map((database) => limit(() => bring(database))));
  }
  return {
    taskById,
    prepare: async ({ database, grantEpoch }) => {
      const error = failed.get(database);
      if (error) throw error;
      const place: DatabasePlace = {
        datasetDir: dataset.dir,
        databasePath: dataset.databasePath(database),
        cacheRoot,
        referenceRoot,
        reference: { kind: 'build', epoch: grantEpoch },
      };
      return { kind: 'ready', place };
    },
  };
}
