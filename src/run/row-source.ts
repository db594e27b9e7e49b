/** Where the rows of a run are read from: the bucket, or a local mirror of it. Paths are below the run's `rows/`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { systemCode } from '../kernel/errors.ts';
import { readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { rowsPrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';
import { addRowPath, groupRowPaths, type RowFile } from './canonical-row.ts';

export interface RowSource {
  /** The row files of every id that has any. */
  list(): Promise<Map<string, RowFile[]>>;
  /** The JSON of one of them, undefined if it went away. */
  read(file: RowFile): Promise<Uint8Array | string | undefined>;
}

export function storeRows(store: ObjectStore, runId: string, options: PersistOptions = {}): RowSource {
  const prefix = rowsPrefix(runId);
  return {
    list: async () => {
      const files = groupRowPaths([]);
      for await (const { name } of listAll(store, prefix, options)) addRowPath(files, name.slice(prefix.length));
      return files;
    },
    read: async ({ path }) => (await readPatiently(store, `${prefix}${path}`, options))?.bytes,
  };
}

/** A mirror's rows, and what lies among them under a name that no attempt has. */
export interface MirrorRows extends RowSource {
  /** Of the last `list`: paths such as `<iid>/attempt-01.json`, of files that are no rows (B-02). */
  strays(): readonly string[];
}

/** How a file is called that somebody meant for a row. */
const LIKE_A_ROW = /^attempt-.*\.json$/;

/** The rows in `rowsDir`, the `rows/` of a mirrored run. Synchronous inside: for a thread of its own. */
export function mirrorRows(rowsDir: string): MirrorRows {
  const strays: string[] = [];
  return {
    strays: () => strays,
    list: async () => {
      const files = groupRowPaths([]);
      strays.length = 0;
      for (const id of entries(rowsDir)) {
        for (const name of entries(join(rowsDir, id))) {
          const isRow = addRowPath(files, `${id}/${name}`);
          if (!isRow && LIKE_A_ROW.test(name)) strays.push(`${id}/${name}`);
        }
      }
      return files;
    },
    read: async ({ path }) => {
      try {
        return readFileSync(join(rowsDir, path), 'utf8');
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
  };
}

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}
