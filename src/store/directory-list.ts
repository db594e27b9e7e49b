/**
 * Walks a directory as a bucket lists: names in byte order, from a given name on, folders with nothing in them unseen.
 *
 * Not here: pages and what an object's `stat` says (`directory.ts`).
 *
 * Invariants: K1 only plain files are objects; links, sockets, pipes and the store's own folder are passed over. K2 a
 * file whose name could not be an object's is passed over. K3 nothing is held but one folder's entries per level.
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { systemCode } from '../kernel/errors.ts';
import { compareNames, objectNameProblem, OWN_FOLDER } from './object-name.ts';

export interface Walk {
  readonly root: string;
  /** Names begin with it. */
  readonly prefix: string;
  /** Only keys behind this one; empty for all. */
  readonly after: string;
  /** Whether folders right below the prefix's folder are given as one key, with their `/`. */
  readonly grouped: boolean;
}

/** An object's name, or a common prefix (it ends in `/`). */
export async function* walk(options: Walk): AsyncGenerator<string> {
  const base = options.prefix.slice(0, options.prefix.lastIndexOf('/') + 1);
  yield* walkFolder(options, base);
}

async function* walkFolder(options: Walk, folder: string): AsyncGenerator<string> {
  for (const key of await keysOf(options.root, folder)) {
    const isFolder = key.endsWith('/');
    if (!couldBegin(key, options.prefix, isFolder) || !couldFollow(key, options.after, isFolder)) continue;
    if (!isFolder) {
      yield key;
    } else if (!options.grouped) {
      yield* walkFolder(options, key);
    } else if (compareNames(key, options.after) > 0 && (await holdsObject(options.root, key))) {
      yield key;
    }
  }
}

function couldBegin(key: string, prefix: string, isFolder: boolean): boolean {
  return key.startsWith(prefix) || (isFolder && prefix.startsWith(key));
}

/** Whether `key`, or for a folder anything in it, comes behind `after`. */
function couldFollow(key: string, after: string, isFolder: boolean): boolean {
  return compareNames(key, after) > 0 || (isFolder && after.startsWith(key));
}

/** What lies in `folder` (a name with a final `/`, or empty): names of files, names of folders with `/`, in byte order. */
async function keysOf(root: string, folder: string): Promise<string[]> {
  const entries = await readFolder(join(root, folder));
  const keys: string[] = [];
  for (const entry of entries) {
    if (folder === '' && entry.name.startsWith(OWN_FOLDER)) continue;
    if (!entry.isFile() && !entry.isDirectory()) continue;
    const name = folder + entry.name;
    if (objectNameProblem(name) === undefined) keys.push(entry.isDirectory() ? `${name}/` : name);
  }
  return keys.sort(compareNames);
}

async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    // Taken away while we walk, or never there: nothing is listed.
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}

async function holdsObject(root: string, folder: string): Promise<boolean> {
  for await (const _name of walkFolder({ root, prefix: folder, after: '', grouped: false }, folder)) return true;
  return false;
}
