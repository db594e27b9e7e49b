/**
 * Brings a user's own framework from the store to this machine, named by its content: what stands here under a digest is
 * that, or is replaced.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { sha256 } from '../kernel/digest.ts';
import { SkeinError } from '../kernel/errors.ts';
import { readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { writeFileDurable } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { frameworkName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';

export interface FrameworkDownload extends PersistOptions {
  readonly store: ObjectStore;
  /** Holds `<digest>.mjs` for every framework. */
  readonly dir: string;
}

/**
 * The path of the bundle with that digest.
 * @throws SkeinError NOT_FOUND (not in the store) | CORRUPT (other bytes there) | DISK_FULL | the store's
 */
export async function ensureFramework(download: FrameworkDownload, digest: string): Promise<string> {
  const { store, dir } = download;
  const path = join(dir, `${digest}.mjs`);
  const standing = await readFile(path).catch(() => undefined);
  if (standing && sha256(standing) === digest) return path;
  const name = frameworkName(digest);
  const stored = await readPatiently(store, name, download);
  if (!stored) {
    throw new SkeinError('NOT_FOUND', `framework: ${name} is not in ${store.url}; submit the run again`);
  }
  if (sha256(stored.bytes) !== digest) {
    throw new SkeinError(
      'CORRUPT',
      `framework: ${name} in ${store.url} has other bytes than its name says; it is not run`,
    );
  }
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFileDurable(path, stored.bytes);
  } catch (error) {
    throw fileSystemError(`bringing ${name} to ${path}`, error);
  }
  return path;
}
