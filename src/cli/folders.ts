/**
 * Whether the folders that a command will write to are fit for it, found out without making any.
 *
 * Invariants: F1 nothing of ours goes into the dataset. F2 no two of our folders are the same: caches and references have
 * the same layout, and building one would take the other away.
 */
import { access, constants, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';

import { SkeinError, systemCode } from '../kernel/errors.ts';

export interface NamedFolder {
  /** As the user knows it: `--cache-root`. */
  readonly field: string;
  /** Absolute. */
  readonly path: string;
}

/** @throws SkeinError INVALID_INPUT (a file, the dataset, one of the others) | PREFLIGHT (not writable) */
export async function checkFolders(folders: readonly NamedFolder[], datasetDir?: string): Promise<void> {
  const dataset = datasetDir === undefined ? undefined : await canonical(datasetDir);
  const seen = new Map<string, string>();
  for (const { field, path } of folders) {
    const shown = `${field}: ${JSON.stringify(path)}`;
    await checkWritable(shown, path);
    const real = await canonical(path);
    if (dataset !== undefined && (real === dataset || real.startsWith(dataset + sep))) {
      throw refused(`${shown} lies in the dataset, which is only read; give another folder`, field);
    }
    const other = seen.get(real);
    if (other !== undefined) throw refused(`${shown} is also ${other}; give each its own folder`, field);
    seen.set(real, field);
  }
}

/** Looks at `path`, or at the nearest folder above it that there is. */
async function checkWritable(shown: string, path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) throw refused(`${shown}: ${path} is a file; name a folder`, shown);
    await access(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' && dirname(path) !== path) return await checkWritable(shown, dirname(path));
    if (error instanceof SkeinError) throw error;
    const why = code === 'ENOTDIR' ? `${dirname(path)} is a file` : `${path} cannot be written to (${code})`;
    throw new SkeinError('PREFLIGHT', `${shown}: ${why}; name a folder that you may write to`, { cause: error });
  }
}

/** `path` with no symbolic link in the part of it that exists. */
async function canonical(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return dirname(path) === path ? path : join(await canonical(dirname(path)), basename(path));
  }
}

function refused(message: string, field: string): SkeinError {
  return new SkeinError('INVALID_INPUT', message, { fields: { field } });
}
