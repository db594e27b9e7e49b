/**
 * A knowledge base as SLayer's memories, in the one-file form `memories.yaml` that the tool reads once and splits up.
 *
 * Invariant: the same rows give the same bytes on any machine at any time (D-04, T-01): the stamp is 1970.
 */
import { z } from 'zod';

import { childIds } from '../dataset/knowledge.ts';
import type { KbRow } from '../dataset/task.ts';
import { SkeinError } from '../kernel/errors.ts';
import type { Memory } from './model.ts';
import { fromYaml, toYaml } from './yaml-text.ts';

const CREATED_AT = '1970-01-01T00:00:00Z';
/** The tool refuses longer descriptions. */
const MAX_DESCRIPTION = 500;

/** The id of a KB item's memory. */
export function memoryId(database: string, kbId: number): string {
  return `${database}_kb_${kbId}`;
}

export interface MemoriesOptions {
  /** Items that must not be seen (T-03): neither they nor references to them are written. */
  readonly deleted?: Iterable<number>;
  /** Called once for every child that no row has; such a reference is left out. */
  readonly onUnknownChild?: (kbId: number, child: number) => void;
}

/** One memory for each row of `kb`, in its order (T-01). */
export function memoriesFor(database: string, kb: readonly KbRow[], options: MemoriesOptions = {}): Memory[] {
  const deleted = new Set(options.deleted);
  const known = new Set(kb.map((row) => row.id));
  return kb
    .filter((row) => !deleted.has(row.id))
    .map((row) => {
      const children = childIds(row).filter((child) => {
        if (!known.has(child)) options.onUnknownChild?.(row.id, child);
        return known.has(child) && !deleted.has(child);
      });
      return {
        version: 1,
        id: memoryId(database, row.id),
        learning: learningOf(database, row),
        description: clipped(row.description.trim() || row.knowledge),
        entities: [database, ...children.map((child) => `memory:${memoryId(database, child)}`)],
        query: null,
        created_at: CREATED_AT,
      };
    });
}

function learningOf(database: string, row: KbRow): string {
  return `KB ${row.id} — ${row.knowledge}\n\nFrom ${database}_kb.jsonl:\n${JSON.stringify(row, null, 2)}\n`;
}

function clipped(text: string): string {
  // Code points, as the tool counts them.
  const characters = Array.from(text);
  return characters.length <= MAX_DESCRIPTION ? text : `${characters.slice(0, MAX_DESCRIPTION - 1).join('')}…`;
}

/** What `renderMemories` wrote for a memory; nobody changes one in place. */
const rendered = new WeakMap<Memory, string>();

/** The text of a `memories.yaml`. Tasks that mask differently share most memories, so each is rendered once. */
export function renderMemories(memories: readonly Memory[]): string {
  return memories.length === 0 ? toYaml([]) : memories.map(renderMemory).join('');
}

function renderMemory(memory: Memory): string {
  let text = rendered.get(memory);
  if (text === undefined) {
    const { version, id, learning, description, entities, query, created_at } = memory;
    text = toYaml([{ version, id, learning, description, entities, query, created_at }]);
    rendered.set(memory, text);
  }
  return text;
}

const memoriesSchema = z.array(
  z.looseObject({
    version: z.number().default(1),
    id: z.union([z.string(), z.number()]).transform(String),
    learning: z.string(),
    description: z.string().default(''),
    entities: z.array(z.string()).default([]),
    query: z.null().default(null),
    created_at: z.string().default(CREATED_AT),
  }),
);

/**
 * The memories in a `memories.yaml`.
 * @throws SkeinError CORRUPT naming `where`
 */
export function parseMemories(where: string, text: string): Memory[] {
  const result = memoriesSchema.safeParse(fromYaml(where, text));
  if (result.success) return result.data as unknown as Memory[];
  const issue = result.error.issues[0];
  throw new SkeinError(
    'CORRUPT',
    `${where} is no list of memories: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    {
      cause: result.error,
    },
  );
}
