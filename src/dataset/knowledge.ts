/**
 * The knowledge base and the column meanings of one database, as files; and which items a task must not see.
 *
 * Not here: what an item says (an encoder's work) and the dependency graph (the reference builder's).
 */
import { asError, SkeinError } from '../kernel/errors.ts';
import type { ColumnMeaning, ColumnMeanings, FieldsMeaning, KbRow, Task } from './task.ts';
import { parseJsonLines, shown } from './tasks-file.ts';

/**
 * The rows of a `<db>_kb.jsonl`, in file order, every field kept.
 * @throws SkeinError INVALID_INPUT naming file, line, field and value: no JSON, an id that is no whole number from 0 or used twice, a text field that is none
 */
export function parseKb(file: string, text: string): KbRow[] {
  const lineOfId = new Map<number, number>();
  return parseJsonLines(file, text).map(({ number, value }) => {
    const where = `${file} line ${number}`;
    const { id } = value;
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) {
      throw new SkeinError('INVALID_INPUT', `${where}: id: ${shown(id)} is no whole number from 0 on`);
    }
    const first = lineOfId.get(id);
    if (first !== undefined)
      throw new SkeinError('INVALID_INPUT', `${where}: id: ${id} is already the id of line ${first}`);
    lineOfId.set(id, number);
    for (const field of ['knowledge', 'description', 'definition', 'type']) {
      const text = value[field] ?? '';
      if (typeof text !== 'string')
        throw new SkeinError('INVALID_INPUT', `${where}: ${field}: ${shown(text)} is no text`);
    }
    return {
      ...value,
      id,
      knowledge: (value.knowledge as string | undefined) ?? '',
      description: (value.description as string | undefined) ?? '',
      definition: (value.definition as string | undefined) ?? '',
      type: (value.type as string | undefined) ?? '',
      children_knowledge: (value.children_knowledge as KbRow['children_knowledge'] | undefined) ?? null,
    };
  });
}

/** The ids that `row` depends on (G-01): none for -1 and null; of a list the whole numbers from 0 on, each once, in its order. */
export function childIds(row: KbRow): number[] {
  const { children_knowledge: children } = row;
  const listed: readonly unknown[] = Array.isArray(children) ? children : [children];
  return [
    ...new Set(listed.filter((id): id is number => typeof id === 'number' && Number.isSafeInteger(id) && id >= 0)),
  ];
}

/** The KB ids that `task` must not see (T-03), ascending. */
export function deletedKbIds(task: Task): number[] {
  const ids = task.knowledge_ambiguity.flatMap(({ deleted_knowledge: deleted }): readonly unknown[] =>
    Array.isArray(deleted) ? deleted : [deleted],
  );
  return [
    ...new Set(ids.filter((id): id is number => typeof id === 'number' && Number.isSafeInteger(id) && id >= 0)),
  ].sort((a, b) => a - b);
}

/**
 * The meanings in a `<db>_column_meaning_base.json`. Entries that are neither a text nor an object are left out.
 * @throws SkeinError INVALID_INPUT naming the file: no JSON, or no object
 */
export function parseMeanings(file: string, text: string): ColumnMeanings {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new SkeinError('INVALID_INPUT', `${file} is no JSON: ${asError(error).message.split('\n', 1)[0]}`, {
      cause: error,
    });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new SkeinError('INVALID_INPUT', `${file}: ${shown(value)} is no JSON object of column meanings`);
  }
  const meanings: Record<string, ColumnMeaning> = {};
  for (const [key, entry] of Object.entries(value as Record<string, unknown>)) {
    const meaning = meaningFrom(entry);
    if (meaning !== undefined) meanings[key] = meaning;
  }
  return meanings;
}

function meaningFrom(entry: unknown): ColumnMeaning | undefined {
  if (typeof entry === 'string') return entry;
  if (entry === null || typeof entry !== 'object' || Array.isArray(entry)) return undefined;
  const { column_meaning: text, fields_meaning: fields } = entry as Record<string, unknown>;
  return { column_meaning: typeof text === 'string' ? text : '', fields_meaning: fieldsFrom(fields) };
}

function fieldsFrom(value: unknown): FieldsMeaning {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return {};
  const fields: Record<string, string | FieldsMeaning> = {};
  for (const [name, part] of Object.entries(value)) {
    // A list tells the meaning of each element.
    if (Array.isArray(part)) fields[name] = part.filter((item) => typeof item === 'string').join('; ');
    else fields[name] = part !== null && typeof part === 'object' ? fieldsFrom(part) : String(part);
  }
  return fields;
}
