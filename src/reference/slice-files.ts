/**
 * The files that a slice's `_source_mtimes.json` names, each checked before anything is made of it (M-11, P-44).
 *
 * Invariant: what comes out of here is a plain file below the slice's folder, reached through plain folders only.
 */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';

import { isSkeinError, SkeinError, systemCode } from '../kernel/errors.ts';
import { MARKERS } from '../store/layout.ts';
import { objectNameProblem } from '../store/object-name.ts';

export const SHARD_RECORD = '_skein_shard.json';
/** What lies in a slice without being a part of the reference. */
export const SIDE_CARS: ReadonlySet<string> = new Set([MARKERS.sourceMtimes, MARKERS.uploadComplete, SHARD_RECORD]);

export interface SliceFile {
  /** Relative, `/`-separated. */
  readonly path: string;
  readonly source: string;
  /** Seconds since the epoch on the building machine. */
  readonly mtimeS: number;
}

/** A side-car's times lie between 1970 and 9999; others are damage, and no file system takes them. */
const MAX_MTIME_S = 253_402_300_799;

/**
 * The files that `mtimes`, the content of the side-car, names in `dir`.
 * @param isLenient what has no number for a time is passed over, as the original does (M-03), instead of refused
 * @throws SkeinError CORRUPT naming the path and what is wrong with it
 */
export function namedFiles(dir: string, mtimes: unknown, isLenient: boolean): SliceFile[] {
  if (mtimes === null || typeof mtimes !== 'object' || Array.isArray(mtimes)) {
    if (isLenient) return [];
    throw corrupt(MARKERS.sourceMtimes, 'no JSON object');
  }
  const files: SliceFile[] = [];
  for (const [path, mtimeS] of Object.entries(mtimes)) {
    if (SIDE_CARS.has(path)) continue;
    const shown = `path ${JSON.stringify(path.slice(0, 200))}`;
    const problem = path.includes('\\') ? 'it holds a backslash' : objectNameProblem(path);
    if (problem !== undefined) throw corrupt(MARKERS.sourceMtimes, `${shown} is refused: ${problem}`);
    if (typeof mtimeS !== 'number' || !Number.isFinite(mtimeS)) {
      if (isLenient) continue;
      throw corrupt(MARKERS.sourceMtimes, `${shown} has no time`);
    }
    if (mtimeS < 0 || mtimeS > MAX_MTIME_S) {
      throw corrupt(MARKERS.sourceMtimes, `${shown} has the time ${mtimeS}, which is none`);
    }
    const missing = plainFileProblem(dir, path);
    if (missing !== undefined) throw corrupt(MARKERS.sourceMtimes, `${shown} is refused: ${missing}`);
    files.push({ path, source: join(dir, path), mtimeS });
  }
  return files;
}

/** Why `path` below `dir` is no plain file in plain folders, undefined if it is. Links are never followed. */
function plainFileProblem(dir: string, path: string): string | undefined {
  const parts = path.split('/');
  for (let depth = 1; depth <= parts.length; depth += 1) {
    const part = parts.slice(0, depth).join('/');
    try {
      const entry = lstatSync(join(dir, part));
      const isLast = depth === parts.length;
      if (entry.isSymbolicLink()) return `${isLast ? 'it' : JSON.stringify(part)} is a link`;
      if (isLast ? !entry.isFile() : !entry.isDirectory()) {
        return isLast ? 'it is no plain file' : `${JSON.stringify(part)} is no folder`;
      }
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return 'it is named and not there';
      if (code === 'ENAMETOOLONG') return 'a part of it is longer than this file system allows';
      throw error;
    }
  }
  return undefined;
}

/** Whether a plain file stands at `path`. */
export function isPlainFile(path: string): boolean {
  try {
    return lstatSync(path).isFile();
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** The error that refuses a slice: which of its files, and why. */
export function corrupt(name: string, what: string): SkeinError {
  return new SkeinError('CORRUPT', `${name}: ${what}`);
}

/** Whether `error` refuses a slice. */
export function isCorrupt(error: unknown): error is SkeinError {
  return isSkeinError(error, 'CORRUPT');
}
