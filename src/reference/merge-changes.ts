/** What putting a reference in place would change in a database's folder, file by file: for `fetch --dry-run`. Looks only. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isGone } from './marked-tree.ts';
import type { SliceFile } from './slice-files.ts';

export interface MergeChanges {
  /** Paths relative to the database's folder, sorted; the marker counts as a file. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  /** What would go: files of the old reference that the new one does not have, scrap, links. */
  readonly removed: readonly string[];
}

export const NO_CHANGES: MergeChanges = { added: [], changed: [], removed: [] };

/** @throws the system's error; a folder that is not there holds nothing */
export async function changesOf(target: string, files: readonly SliceFile[]): Promise<MergeChanges> {
  const standing = new Set(everythingBelow(target));
  const added: string[] = [];
  const changed: string[] = [];
  for (const { path, source } of files) {
    if (!standing.delete(path)) added.push(path);
    else if (!(await isSame(source, join(target, path)))) changed.push(path);
  }
  return { added: added.sort(), changed: changed.sort(), removed: [...standing].sort() };
}

async function isSame(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([readFile(a), readFile(b).catch(() => undefined)]);
  return right?.equals(left) ?? false;
}

function everythingBelow(dir: string): string[] {
  const found: string[] = [];
  const visit = (relative: string): void => {
    for (const entry of readdirSync(join(dir, relative), { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else found.push(path);
    }
  };
  try {
    visit('');
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  return found;
}
