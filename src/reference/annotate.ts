/** What became of each KB item, appended to its memory (G-07), so that whoever reads the memory finds the entity. */
import { memoryId } from './memory-file.ts';
import type { Memory, SetupResult } from './model.ts';

/**
 * The memories with a section each. An item's entities are linked from its own memory only, each once; an item without
 * a memory is passed over.
 */
export function annotateMemories(
  database: string,
  memories: readonly Memory[],
  results: readonly SetupResult[],
): Memory[] {
  const byMemory = new Map(results.map((result) => [memoryId(database, result.kb_id), result]));
  return memories.map((memory) => {
    const result = byMemory.get(memory.id);
    if (!result) return memory;
    const links = result.status === 'encoded' ? result.entities.map((entity) => entity.entity_ref) : [];
    return {
      ...memory,
      learning: `${memory.learning.trimEnd()}\n\n${sectionOf(result)}\n`,
      entities: [...new Set([...memory.entities, ...links])],
    };
  });
}

function sectionOf({ status, entities, notes, error, clarifying_questions: questions }: SetupResult): string {
  const header = `--- setup-encode: ${status} ---`;
  switch (status) {
    case 'encoded':
      return [header, ...entities.map(({ kind, entity_ref: ref }) => `- ${kind} ${ref}`)].join('\n');
    case 'deferred':
      return [header, notes || 'no reason was given', ...questions.map((question) => `? ${question}`)].join('\n');
    case 'error':
      return [header, error || notes || 'no message was given'].join('\n');
  }
}
