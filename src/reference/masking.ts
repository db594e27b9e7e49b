/**
 * Hides KB items from one task's own store (T-03): their memories, references to them, everything that stands for them
 * in the models, and their rows and results. The store must be a copy; a reference is never written to (T-04).
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { jsonBytes, parseJson } from '../kernel/json.ts';
import { dropTagged } from './kb-entities.ts';
import { SETUP_RESULTS_FILE } from './load-reference.ts';
import { isGone } from './marked-tree.ts';
import { memoryId, parseMemories, renderMemories } from './memory-file.ts';
import { readModels, writeModels, writeTouched } from './model-folder.ts';
import { KB_ROWS_FILE } from './stage1.ts';

/** @throws SkeinError CORRUPT when a file of the store is not what its name says */
export async function maskStore(dir: string, database: string, deletedKbIds: readonly number[]): Promise<void> {
  if (deletedKbIds.length === 0) return;
  const deleted = new Set(deletedKbIds);
  await maskModels(dir, database, deleted);
  await maskMemories(dir, database, deleted);
  await maskList(join(dir, KB_ROWS_FILE), 'id', deleted);
  await maskList(join(dir, SETUP_RESULTS_FILE), 'kb_id', deleted);
}

/** A model file that holds something encoded says so; the others need not be parsed, task after task. */
const TAGGED = /\bkb_ids?\b/;

async function maskModels(dir: string, database: string, deleted: ReadonlySet<number>): Promise<void> {
  const isHidden = (ids: readonly number[]): boolean => ids.some((id) => deleted.has(id));
  const tagged = await readModels(dir, database, (text) => TAGGED.test(text));
  const names = [...tagged.keys()];
  const touched = dropTagged(tagged, isHidden);
  if (names.every((name) => tagged.has(name))) {
    await writeTouched(dir, database, tagged, touched);
    return;
  }
  // A whole model goes: others may join it, tagged or not.
  const models = await readModels(dir, database);
  const before = new Map([...models].map(([name, model]) => [name, structuredClone(model)]));
  dropTagged(models, isHidden);
  await writeModels(dir, database, models, before);
}

async function maskMemories(dir: string, database: string, deleted: ReadonlySet<number>): Promise<void> {
  const path = join(dir, 'memories.yaml');
  const hidden = new Set([...deleted].map((id) => memoryId(database, id)));
  const memories = parseMemories(path, await readFile(path, 'utf8'));
  const left = memories
    .filter((memory) => !hidden.has(memory.id))
    .map((memory) => ({
      ...memory,
      entities: memory.entities.filter((entity) => !hidden.has(entity.replace(/^memory:/, ''))),
    }));
  await writeFile(path, renderMemories(left));
}

/** Takes the deleted ones out of a JSON list of objects; an absent file stays absent. */
async function maskList(path: string, idField: string, deleted: ReadonlySet<number>): Promise<void> {
  const bytes = await readFile(path).catch((error: unknown) => {
    if (isGone(error)) return undefined;
    throw error;
  });
  if (bytes === undefined) return;
  const list = parseJson(path, bytes);
  if (!Array.isArray(list)) return;
  const left = (list as Record<string, unknown>[]).filter((item) => !deleted.has(item[idField] as number));
  await writeFile(path, jsonBytes(left, 2));
}
