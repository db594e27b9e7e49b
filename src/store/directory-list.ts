/**
 * Walks a directory as a bucket lists: names in byte order, from a given name on, folders with nothing in them unseen.
 *
 * Not here: pages and what an object's `stat` says (`directory.ts`).
 *
 * Invariants: K1 only plain files are objects; links, sockets, pipes and the store's own folder are passed over. K2 a
 * file whose name could not be an object's is passed over. K3 nothing is held but one folder's entries per level. K4 it is
 * done in place, folder by folder as it is asked for the next key: who asks for many takes a breath between them.
 */
import { readdirSync, type Dirent } from 'node:fs';
import { join } from 'node:path';

import { systemCode } from '../kernel/errors.ts';
import { breath } from './descriptor.ts';
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
export function* walk(options: Walk): Generator<string> {
  const base = options.prefix.slice(0, options.prefix.lastIndexOf('/') + 1);
  yield* walkFolder(options, base);
}

function* walkFolder(options: Walk, folder: string): Generator<string> {
  for (const key of keysOf(options.root, folder)) {
    const isFolder = key.endsWith('/');
    if (!couldBegin(key, options.prefix, isFolder) || !couldFollow(key, options.after, isFolder)) continue;
    if (!isFolder) {
      yield key;
    } else if (!options.grouped) {
      yield* walkFolder(options, key);
    } else if (compareNames(key, options.after) > 0 && holdsObject(options.root, key)) {
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
function keysOf(root: string, folder: string): string[] {
  const entries = readFolder(join(root, folder));
  const keys: string[] = [];
  for (const entry of entries) {
    if (folder === '' && entry.name.startsWith(OWN_FOLDER)) continue;
    if (!entry.isFile() && !entry.isDirectory()) continue;
    const name = folder + entry.name;
    if (objectNameProblem(name) === undefined) keys.push(entry.isDirectory() ? `${name}/` : name);
  }
  return keys.sort(compareNames);
}

function readFolder(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    // Taken away while we walk, or never there: nothing is listed.
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}

function holdsObject(root: string, folder: string): boolean {
  return walkFolder({ root, prefix: folder, after: '', grouped: false }, folder).next().done !== true;
}

/** How long a walk that was left at the end of a page may be gone on with: what it read since then may have changed. */
const KEPT_MS = 5_000;
/** Keys asked for between two breaths. */
const BREATH_EVERY = 128;

/** One page of keys, and the token of the next. */
export interface KeyPage {
  readonly keys: readonly string[];
  readonly nextPageToken: string | undefined;
}

/**
 * Walks page by page. Who asks for the next page right away goes on where the last one ended, so that a folder of many
 * entries is read once and not once a page; a token is good without that too.
 */
export class PagedWalk {
  readonly #root: string;
  #left:
    | { readonly place: string; readonly keys: Generator<string>; readonly first: string; readonly atMs: number }
    | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  async page(prefix: string, grouped: boolean, pageSize: number, after: string): Promise<KeyPage> {
    const place = JSON.stringify([prefix, grouped, after]);
    const left = this.#left;
    this.#left = undefined;
    const goesOn = left?.place === place && performance.now() - left.atMs < KEPT_MS;
    const walked = goesOn ? left.keys : walk({ root: this.#root, prefix, after, grouped });
    const keys: string[] = goesOn ? [left.first] : [];
    for (let next = walked.next(); next.done !== true; next = walked.next()) {
      if (keys.length === pageSize) {
        const nextPageToken = keys.at(-1) as string;
        const nextPlace = JSON.stringify([prefix, grouped, nextPageToken]);
        this.#left = { place: nextPlace, keys: walked, first: next.value, atMs: performance.now() };
        return { keys, nextPageToken };
      }
      keys.push(next.value);
      if (keys.length % BREATH_EVERY === 0) await breath();
    }
    return { keys, nextPageToken: undefined };
  }
}
