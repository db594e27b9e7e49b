/**
 * `runs/<id>/index.json`: a run in a few lines, so that a list of runs reads two small objects a run and neither manifests
 * nor rows (P-39). Written by the submit, and changed by `pin` alone; all that moves stands in the status.
 *
 * Invariants: X1 it is a copy of what the manifest says and of nothing else, but for the pin: a run without one, or with
 * one that cannot be read, is told from its manifest. X2 a pin is set and taken away by compare-and-set.
 */
import { z } from 'zod';

import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import { compareAndSet } from '../store/compare-and-set.ts';
import { createOrConfirm, readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { runIndexName } from '../store/layout.ts';
import type { ObjectStore, StoredObject } from '../store/port.ts';
import { createdAtMs, type Manifest } from './manifest.ts';

const pinSchema = z.looseObject({
  /** `user@host`. */
  by: z.string().default(''),
  at_ms: z.number().default(0),
});

const indexSchema = z.looseObject({
  run_id: z.string(),
  framework: z.string(),
  query_mode: z.string(),
  mode: z.string(),
  /** Ids asked, each counted once. */
  total: z.number().int(),
  created_at_ms: z.number().default(0),
  /** Set: the run outlives the bucket's clearing up (P-40). */
  pinned: pinSchema.nullable().default(null),
});

export type RunIndex = z.infer<typeof indexSchema>;
export type Pin = z.infer<typeof pinSchema>;

/** What the index of a run of `manifest` says as long as nobody pins it. */
export function indexOf(manifest: Manifest): RunIndex {
  return {
    run_id: manifest.run_id,
    framework: manifest.framework,
    query_mode: manifest.query_mode,
    mode: manifest.mode,
    total: new Set(manifest.instance_ids).size,
    created_at_ms: createdAtMs(manifest),
    pinned: null,
  };
}

/** Writes the run's index unless there is one. @throws SkeinError the store's */
export async function createIndex(store: ObjectStore, manifest: Manifest, options: PersistOptions = {}): Promise<void> {
  await createOrConfirm(store, runIndexName(manifest.run_id), jsonBytes(indexOf(manifest), 2), options);
}

/** The run's index, undefined if it has none that can be read. @throws SkeinError the store's */
export async function readIndex(
  store: ObjectStore,
  runId: string,
  options: PersistOptions = {},
): Promise<RunIndex | undefined> {
  const stored = await readPatiently(store, runIndexName(runId), options);
  return stored && parseIndex(stored, runId);
}

/**
 * Pins the run, or unpins it with null. @returns what stood there before
 * @throws SkeinError STORE_CONFLICT if somebody else keeps changing it; the store's
 */
export async function setPin(store: ObjectStore, manifest: Manifest, pin: Pin | null): Promise<Pin | null> {
  const runId = manifest.run_id;
  const name = runIndexName(runId);
  for (let turn = 0; turn < 5; turn += 1) {
    const stored = await readPatiently(store, name);
    const index = (stored && parseIndex(stored, runId)) ?? indexOf(manifest);
    const isSame = (pin === null) === (index.pinned === null) && (stored !== undefined || pin === null);
    if (isSame) return index.pinned;
    const bytes = jsonBytes({ ...index, pinned: pin }, 2);
    const outcome = await compareAndSet(store, name, bytes, stored?.generation);
    if (outcome.kind === 'written') return index.pinned;
  }
  throw new SkeinError('STORE_CONFLICT', `run ${runId}: somebody else keeps changing ${name}; try again`);
}

function parseIndex({ name, bytes }: StoredObject, runId: string): RunIndex | undefined {
  try {
    const index = indexSchema.safeParse(parseJson(name, bytes)).data;
    return index?.run_id === runId ? index : undefined;
  } catch (error) {
    if (isSkeinError(error, 'CORRUPT')) return undefined;
    throw error;
  }
}
