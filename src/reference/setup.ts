/**
 * What a run's setup brings to its nodes, by combination (S-01), whether it is there (S-02), and what was seeded (S-08).
 *
 * Not here: the transfers (`setup-upload.ts`, the node's `setup-download.ts`).
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';
import { isName } from '../kernel/ids.ts';
import { readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { MARKERS, setupPrefix, type SetupArtifact } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listFolders } from '../store/prefix.ts';
import { readKbRows } from './load-reference.ts';
import { markerOf } from './marked-tree.ts';

export interface RunCombo {
  readonly queryMode: string;
  readonly slayerSetup: string;
  readonly framework: string;
  /** Set: the framework is a user's own (`encodes` of shard.ts asks). */
  readonly own?: unknown;
}

export interface SetupNeed {
  readonly artifact: SetupArtifact;
  /** Whether a run may not start without it. */
  readonly isRequired: boolean;
}

/** The marker of each artifact's database folders; the pre-encoded models have none. */
export const ARTIFACT_MARKERS: Readonly<Record<SetupArtifact, string | undefined>> = {
  slayer_models: undefined,
  slayer_otf_cache: MARKERS.cacheFingerprint,
  slayer_models_otf: MARKERS.referenceFingerprint,
};

/** Frameworks that use the stage-1 cache and no reference. */
const CACHE_ONLY: ReadonlySet<string> = new Set(['pydantic_ai_recursive']);

/** What goes up for a combination: nothing in raw mode; else per artifact whether it must (S-01). */
export function setupNeeds({ queryMode, slayerSetup, framework }: RunCombo): readonly SetupNeed[] {
  if (queryMode !== 'slayer') return [];
  if (slayerSetup === 'pre-encoded') return [{ artifact: 'slayer_models', isRequired: true }];
  const cache: SetupNeed = { artifact: 'slayer_otf_cache', isRequired: true };
  return CACHE_ONLY.has(framework) ? [cache] : [cache, { artifact: 'slayer_models_otf', isRequired: false }];
}

/** Where each artifact's `<db>/` folders are on the submitting machine. */
export type SetupRoots = Readonly<Partial<Record<SetupArtifact, string>>>;

/**
 * Whether `<root>/<db>/` holds the artifact, whole (S-02): a marked reference or cache also has readable KB rows, since a
 * marker alone would make every reader of it fail.
 */
export async function hasArtifact(artifact: SetupArtifact, root: string, database: string): Promise<boolean> {
  const dir = join(root, database);
  const marker = ARTIFACT_MARKERS[artifact];
  if (marker === undefined) return (await readdir(dir).catch(() => [])).length > 0;
  if ((await markerOf(dir, marker)) === undefined) return false;
  return readKbRows(dir).then(
    () => true,
    () => false,
  );
}

/**
 * For preflights: that every required artifact is there for every database.
 * @throws SkeinError PREFLIGHT naming databases, root, combination and marker
 */
export async function checkSetup(combo: RunCombo, roots: SetupRoots, databases: readonly string[]): Promise<void> {
  for (const { artifact, isRequired } of setupNeeds(combo)) {
    if (!isRequired) continue;
    const root = roots[artifact];
    const missing: string[] = [];
    for (const database of databases) {
      if (root === undefined || !(await hasArtifact(artifact, root, database))) missing.push(database);
    }
    if (missing.length > 0) throw missingError(artifact, root, combo, missing);
  }
}

/** Why a run may not start: a required artifact is not there. */
export function missingError(
  artifact: SetupArtifact,
  root: string | undefined,
  { framework, queryMode, slayerSetup }: RunCombo,
  databases: readonly string[],
): SkeinError {
  const marker = ARTIFACT_MARKERS[artifact];
  const what = marker === undefined ? 'a folder with models' : `${marker} and _kb_rows.json`;
  return new SkeinError(
    'PREFLIGHT',
    `setup: ${artifact} is missing for ${databases.join(', ')} under ${root ?? 'no folder at all'}: ${what} must be in ` +
      `each <database>/ (framework ${framework}, query mode ${queryMode}, setup ${slayerSetup}). ` +
      (artifact === 'slayer_models' ? 'Encode them first' : 'Run skein build for them, or check --cache-root'),
  );
}

/**
 * The fingerprints of the references that the run was seeded with, by database, read from the store and never from disk:
 * a root is shared by all actors of a machine (S-08). What cannot be read is left out: then too much is shipped, which
 * loses nothing.
 */
export async function readSeedSnapshot(
  store: ObjectStore,
  runId: string,
  options: PersistOptions = {},
): Promise<ReadonlyMap<string, string>> {
  const seeds = new Map<string, string>();
  const prefix = setupPrefix(runId, 'slayer_models_otf');
  try {
    for await (const folder of listFolders(store, prefix, options)) {
      const database = folder.slice(prefix.length, -1);
      if (!isName(database)) continue;
      const marker = await readPatiently(store, folder + MARKERS.referenceFingerprint, options).catch(() => undefined);
      if (marker) seeds.set(database, marker.bytes.toString('utf8').trim());
    }
  } catch {
    // The listing ended early.
  }
  return seeds;
}
