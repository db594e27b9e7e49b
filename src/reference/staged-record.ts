/**
 * An identity record that is written before it counts, so that a merge finds out about a full disk while everything
 * still stands (`build-facts.ts` is for those who write one at once).
 *
 * Invariant: nothing but names changes at the record's place; until `publish`, what stood there stands.
 */
import { lstat, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { jsonBytes } from '../kernel/json.ts';
import { discard, fsyncDirectory, publishOver, writeTemp } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { recordPath } from './build-facts.ts';
import { sweepDeadTemps } from './dead-temps.ts';

export interface StagedRecord extends Disposable {
  /** Makes it the record, on the disk. Only a name changes: a full disk does not stop it. */
  publish(): Promise<void>;
}

let stagedCount = 0;

/**
 * Makes `identity` ready to be the record of `database`; without one, `publish` takes the record away. The caller holds
 * the database's lock.
 * @throws SkeinError DISK_FULL | STORE_UNAVAILABLE
 */
export async function stageIdentityRecord(root: string, database: string, identity: unknown): Promise<StagedRecord> {
  const path = recordPath(root, database);
  const folder = dirname(path);
  if (identity === undefined || identity === null) {
    return {
      publish: async () => {
        await rm(path, { force: true, recursive: true });
        if (await isThere(folder)) await fsyncDirectory(folder);
      },
      [Symbol.dispose]: () => {},
    };
  }
  const prefix = `.${database}.json.merge-`;
  const temp = join(folder, `${prefix}${process.pid}-${(stagedCount += 1)}`);
  try {
    await mkdir(folder, { recursive: true });
    await sweepDeadTemps(folder, prefix);
    await writeTemp(temp, jsonBytes(identity, 2));
  } catch (error) {
    throw fileSystemError(`writing ${path}`, error);
  }
  return {
    publish: async () => {
      if (await isFolder(path)) await rm(path, { recursive: true });
      publishOver(temp, path);
      await fsyncDirectory(folder);
    },
    [Symbol.dispose]: () => discard(temp),
  };
}

/** Why no record may be kept in `root`, undefined if all is well: a link in its place would lead out of the root. */
export async function recordFolderProblem(root: string): Promise<string | undefined> {
  const folder = dirname(recordPath(root, 'any'));
  const entry = await lstat(folder).catch(() => undefined);
  return entry === undefined || entry.isDirectory() ? undefined : `${folder} is no folder`;
}

const isThere = async (path: string): Promise<boolean> => (await lstat(path).catch(() => undefined)) !== undefined;

const isFolder = async (path: string): Promise<boolean> =>
  (await lstat(path).catch(() => undefined))?.isDirectory() ?? false;
