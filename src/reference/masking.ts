/**
 * Hides KB items from one task's own store (T-03): their memories, references to them, everything that stands for them
 * in the models, and their rows and results. Says what changes and writes nothing: a reference is never written to (T-04).
 */
import { jsonBytes } from '../kernel/json.ts';
import { dropTagged } from './kb-entities.ts';
import { SETUP_RESULTS_FILE } from './load-reference.ts';
import { memoryId, renderMemories } from './memory-file.ts';
import { renderModel } from './model-file.ts';
import type { Model } from './model.ts';
import { MEMORIES_FILE, type ReferenceContent } from './reference-content.ts';
import { KB_ROWS_FILE } from './load-reference.ts';

/** Files by path below the store: their new content, undefined for a file that goes. */
export type Changes = Map<string, Buffer | undefined>;

/** JSON lists that only lose the items whose id, in the field beside, is hidden. */
export const FILTERED_LISTS: ReadonlyMap<string, string> = new Map([
  [KB_ROWS_FILE, 'id'],
  [SETUP_RESULTS_FILE, 'kb_id'],
]);

/**
 * What hiding `deletedKbIds` changes.
 * @throws SkeinError CORRUPT when a document is not what its name says
 */
export function maskingChanges(content: ReferenceContent, database: string, deletedKbIds: readonly number[]): Changes {
  const changes: Changes = new Map();
  if (deletedKbIds.length === 0) return changes;
  const deleted = new Set(deletedKbIds);
  for (const [name, model] of maskedModels(content, database, deleted)) {
    changes.set(`models/${database}/${name}.yaml`, model && Buffer.from(renderModel(model)));
  }
  changes.set(MEMORIES_FILE, Buffer.from(maskedMemories(content, database, deleted)));
  for (const [path, idField] of FILTERED_LISTS) {
    const left = content.list(path)?.filter((item) => !deleted.has(item[idField] as number));
    if (left) changes.set(path, jsonBytes(left, 2));
  }
  return changes;
}

/** The models that change or go, by name. */
function maskedModels(
  content: ReferenceContent,
  database: string,
  deleted: ReadonlySet<number>,
): Map<string, Model | undefined> {
  const isHidden = (ids: readonly number[]): boolean => ids.some((id) => deleted.has(id));
  const mask = (which: 'all' | 'tagged') => {
    // Flat copies: lists are replaced, never changed.
    const models = new Map([...content.models(database, which)].map(([name, model]) => [name, { ...model }]));
    const touched = dropTagged(models, isHidden);
    return { models, touched: [...touched], goes: [...touched].some((name) => !models.has(name)) };
  };
  const tagged = mask('tagged');
  // When a whole model goes, others may join it, tagged or not.
  const { models, touched } = tagged.goes ? mask('all') : tagged;
  return new Map(touched.map((name) => [name, models.get(name)]));
}

function maskedMemories(content: ReferenceContent, database: string, deleted: ReadonlySet<number>): string {
  const hidden = new Set([...deleted].map((id) => memoryId(database, id)));
  const left = content
    .memories()
    .filter((memory) => !hidden.has(memory.id))
    .map((memory) => {
      const entities = memory.entities.filter((entity) => !hidden.has(entity.replace(/^memory:/, '')));
      return entities.length === memory.entities.length ? memory : { ...memory, entities };
    });
  return renderMemories(left);
}
