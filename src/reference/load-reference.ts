/**
 * Reads a reference that stands in a root. A marker alone is not enough: a reference without readable KB rows was
 * damaged after it was made, and that is said loudly, never mended silently.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { KbRow } from '../dataset/task.ts';
import { SkeinError } from '../kernel/errors.ts';
import { parseJson } from '../kernel/json.ts';
import { MARKERS } from '../store/layout.ts';
import { markerOf, readMarked, type MarkerLook } from './marked-tree.ts';
import type { SetupResult } from './model.ts';

/** The parsed KB rows beside the models (D-06). */
export const KB_ROWS_FILE = '_kb_rows.json';

/** What became of each KB item (G-05). */
export const SETUP_RESULTS_FILE = '_setup_results.json';

export interface LoadedReference {
  readonly dir: string;
  /** Of its inputs. */
  readonly fingerprint: string;
  readonly kb: readonly KbRow[];
  /** Empty where they cannot be read. */
  readonly results: readonly SetupResult[];
}

/**
 * The reference at `dir`, or undefined when no marker stands there. May be called without the lock.
 * @throws SkeinError CORRUPT: marked, but its KB rows are absent or no list; UNAVAILABLE when it keeps changing
 */
export async function loadReference(dir: string): Promise<LoadedReference | undefined> {
  const read = await readMarked(dir, MARKERS.referenceFingerprint, async () => {
    const [kb, results] = await Promise.all([readKbRows(dir), readResults(dir)]);
    return { kb, results };
  });
  return read && { dir, fingerprint: read.look.text, ...read.value };
}

/** The marker of the reference at `dir`, as it stands there now. */
export function referenceMarker(dir: string): Promise<MarkerLook | undefined> {
  return markerOf(dir, MARKERS.referenceFingerprint);
}

/** The KB rows of a cache or a reference. @throws SkeinError CORRUPT */
export async function readKbRows(dir: string): Promise<KbRow[]> {
  const path = join(dir, KB_ROWS_FILE);
  const hint = `${dir} is marked as whole and is not: move it away to have it built anew`;
  let rows: unknown;
  try {
    rows = parseJson(path, await readFile(path));
  } catch (error) {
    throw new SkeinError('CORRUPT', `${path} cannot be read; ${hint}`, { cause: error });
  }
  if (Array.isArray(rows)) return rows as KbRow[];
  throw new SkeinError('CORRUPT', `${path} holds no list of KB rows; ${hint}`);
}

async function readResults(dir: string): Promise<SetupResult[]> {
  try {
    const results = parseJson(SETUP_RESULTS_FILE, await readFile(join(dir, SETUP_RESULTS_FILE)));
    return Array.isArray(results) ? (results as SetupResult[]) : [];
  } catch {
    return [];
  }
}
