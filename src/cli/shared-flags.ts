/** Flags that several commands take, and what they mean: the same words and defaults everywhere. */
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { openStore, type OpenStoreOptions } from '../store/open.ts';
import type { ObjectStore } from '../store/port.ts';
import type { FlagSpec } from './command.ts';
import type { CliContext } from './context.ts';
import type { Flags } from './flags.ts';

/** Where everything goes that no flag gives a place. */
const DATA_DIR = 'skein-data';
const FOLDERS = {
  store: join(DATA_DIR, 'store'),
  'cache-root': join(DATA_DIR, 'slayer_otf_cache'),
  'reference-root': join(DATA_DIR, 'slayer_models_otf'),
  out: join(DATA_DIR, 'out'),
} as const;

export const STORE: FlagSpec = {
  value: 'URL',
  describe: 'the store of the runs, file:///absolute/dir or gs://bucket[/prefix]; also SKEIN_STORE',
  default: `./${FOLDERS.store}`,
};
export const DATASET: FlagSpec = {
  value: 'DIR',
  describe: 'a dataset in the layout of BIRD-Interact; it is only read',
};
export const CACHE_ROOT: FlagSpec = {
  value: 'DIR',
  describe: 'stage-1 caches, one folder a database; built when missing or stale',
  default: `./${FOLDERS['cache-root']}`,
};
export const REFERENCE_ROOT: FlagSpec = {
  value: 'DIR',
  describe: 'references, one folder a database; reused by every run',
  default: `./${FOLDERS['reference-root']}`,
};
export const ACCEPT_REFERENCE: FlagSpec = {
  describe: 'use references of unknown make (the original tool writes no record of whose they are) as they are',
};
export const OUT: FlagSpec = {
  value: 'DIR',
  describe: 'where results.db, eval.json, merge_report.json and the mirrored run go',
  default: `./${FOLDERS.out}`,
};
export const ENCODER: FlagSpec = { value: 'NAME', describe: 'what encodes the knowledge', default: 'rules' };
export const ACTORS: FlagSpec = {
  value: 'N',
  describe: 'tasks at a time, each on its own thread',
  default: 'cores',
};
export const GRACE: FlagSpec = {
  value: 'SECONDS',
  describe: 'what started tasks get after a Ctrl-C',
  default: '10',
};
export const ADDRESS: FlagSpec = {
  value: 'HOST:PORT',
  describe: 'a head that runs elsewhere; also SKEIN_ADDRESS (absent: one is started inside this command)',
};
export const LOG_FILE: FlagSpec = {
  value: 'FILE',
  describe: 'what head and node did, as JSON lines',
  default: '<out>/<run id>.log',
};
export const QUIET: FlagSpec = { describe: 'nothing but errors, and the paths of the results' };
export const JSON_FLAG: FlagSpec = {
  describe: 'one JSON object on stdout instead of tables; progress stays on stderr',
};
export const MAX_ACTORS = 512;

/** The folder of a flag, absolute. It need not exist. */
export function folderOf(flags: Flags, name: Exclude<keyof typeof FOLDERS, 'store'>): string {
  return resolve(flags.get(name) ?? FOLDERS[name]);
}

/**
 * The store of the flag, else of the environment, else of this folder. Opening makes nothing.
 * @throws SkeinError INVALID_INPUT, or PREFLIGHT when it cannot be looked into
 */
export async function storeOf(flags: Flags, { env }: CliContext): Promise<ObjectStore> {
  const typed = flags.get('store');
  const field = typed === undefined && env['SKEIN_STORE'] ? 'SKEIN_STORE' : '--store';
  const url = typed ?? (env['SKEIN_STORE'] || pathToFileURL(resolve(FOLDERS.store)).href);
  try {
    return await openStore(url, field, openOptions(env));
  } catch (error) {
    if (!isSkeinError(error, 'STORE_UNAVAILABLE')) throw error;
    const text = `${field}: ${JSON.stringify(url)} cannot be opened: ${error.message}`;
    throw new SkeinError('PREFLIGHT', text, { cause: error, fields: { field } });
  }
}

/** What the environment says of how stores are reached. */
export function openOptions(env: CliContext['env']): OpenStoreOptions {
  return { gcsEndpoint: env['SKEIN_GCS_ENDPOINT'] || undefined };
}

/** The folder that a directory store is, undefined for any other. */
export function storeFolder(store: ObjectStore): string | undefined {
  return store.url.startsWith('file:') ? fileURLToPath(store.url) : undefined;
}

/** ` --store URL --out DIR` as a command that goes on must repeat them: nothing for defaults and the environment's. */
export function repeated(flags: Flags, names: readonly string[] = ['store', 'out']): string {
  return names
    .map((name) => [name, flags.get(name)] as const)
    .map(([name, typed]) => (typed === undefined ? '' : ` --${name} ${shellWord(typed)}`))
    .join('');
}

/** `text` as a word that a shell reads back. */
function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** @throws SkeinError INVALID_INPUT for a path that cannot be a folder of ours */
export function absoluteFile(flags: Flags, name: string): string | undefined {
  const typed = flags.get(name);
  if (typed === undefined) return undefined;
  if (typed.endsWith('/')) throw new SkeinError('INVALID_INPUT', `--${name}: ${JSON.stringify(typed)} is no file name`);
  return isAbsolute(typed) ? typed : resolve(typed);
}
