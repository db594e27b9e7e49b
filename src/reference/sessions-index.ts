/** The page over a database's setup sessions: what became of each KB item, for a person who looks into `INDEX.md`. */
import type { KbRow } from '../dataset/task.ts';
import type { Encoder } from './encoder.ts';
import type { SetupResult } from './model.ts';

export function sessionsIndex(
  database: string,
  encoder: Pick<Encoder, 'id' | 'version'>,
  kb: readonly KbRow[],
  results: readonly SetupResult[],
): string {
  const rows = new Map(kb.map((row) => [row.id, row]));
  const count = (status: SetupResult['status']): number => results.filter((result) => result.status === status).length;
  const items = results.flatMap(({ kb_id: id, status, entities, notes, error, clarifying_questions: questions }) => [
    `- KB ${id} ${rows.get(id)?.knowledge ?? ''} (${rows.get(id)?.type ?? ''}): ${status}`,
    ...entities.map((entity) => `  - ${entity.kind} \`${entity.entity_ref}\``),
    ...questions.map((question) => `  - asks: ${question}`),
    ...[error ?? notes].filter(Boolean).map((text) => `  - ${text.split('\n', 1)[0]}`),
  ]);
  return [
    `# ${database}: encoded by ${encoder.id} ${encoder.version}`,
    '',
    `${count('encoded')} encoded, ${count('deferred')} deferred, ${count('error')} with errors`,
    '',
    ...items,
    '',
  ].join('\n');
}
