/**
 * The records of a database's encode, an item each: what was read, how names resolved, the SQL, the verdict. `items.jsonl`
 * for machines and `items.md` for people, in the order in which items were settled. Two files, not two per item: a session
 * of a database is shipped whole (U-02), and what is shipped is durable object by object.
 */
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { KbRow } from '../dataset/task.ts';
import { jsonBytes } from '../kernel/json.ts';
import type { SetupResult } from '../reference/model.ts';
import type { Outcome } from './outcome.ts';

/** One JSON object a line. */
export const SESSION_RECORDS = 'items.jsonl';
export const SESSION_PAGES = 'items.md';

/** Takes away what an earlier encode of this database left in `dir`. */
export function beginSessions(dir: string): void {
  for (const name of [SESSION_RECORDS, SESSION_PAGES]) rmSync(join(dir, name), { force: true });
}

/** Adds an item's record to those in `dir`, which is made if it is missing. @throws the system's error */
export function addSession(dir: string, row: KbRow, outcome: Outcome, result: SetupResult): void {
  mkdirSync(dir, { recursive: true });
  const isEncoded = outcome.kind === 'encoded';
  const record = {
    kb_id: row.id,
    knowledge: row.knowledge,
    type: row.type,
    definition: row.definition,
    readings: outcome.readings,
    ...(isEncoded && { host: outcome.draft.host, kind: outcome.draft.kind, text: outcome.draft.text }),
    executed: isEncoded ? outcome.verdict : outcome.sql === undefined ? null : { sql: outcome.sql },
    result,
  };
  appendFileSync(join(dir, SESSION_RECORDS), jsonBytes(record));
  appendFileSync(join(dir, SESSION_PAGES), `${page(row, outcome, result)}\n`);
}

function page(row: KbRow, outcome: Outcome, result: SetupResult): string {
  const lines = [
    `# KB ${row.id} — ${row.knowledge}`,
    '',
    `${result.status}: ${result.notes}`,
    '',
    '## Definition',
    '',
    row.definition,
    '',
  ];
  if (outcome.readings.length > 0) {
    lines.push('## Names', '', ...outcome.readings.map(({ term, as }) => `- \`${term}\`: ${as}`), '');
  }
  if (outcome.kind === 'encoded') {
    const { draft, verdict } = outcome;
    lines.push('## Entity', '', ...result.entities.map(({ kind, entity_ref: ref }) => `- ${kind} ${ref}`), '');
    lines.push(
      '```sql',
      draft.text,
      '```',
      '',
      `Executed on ${verdict.rows} rows, ${verdict.nonNull} with a value:`,
      '',
    );
    lines.push('```sql', verdict.sql, '```', '');
  } else {
    lines.push('## Questions', '', ...result.clarifying_questions.map((question) => `- ${question}`), '');
    if (outcome.sql !== undefined) lines.push('```sql', outcome.sql, '```', '');
  }
  return lines.join('\n');
}
