/** The record of one item's encode, for people and machines: what was read, how names resolved, the SQL, the verdict. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { KbRow } from '../dataset/task.ts';
import type { SetupResult } from '../reference/model.ts';
import type { Outcome } from './outcome.ts';

export async function writeSession(dir: string, row: KbRow, outcome: Outcome, result: SetupResult): Promise<void> {
  await mkdir(dir, { recursive: true });
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
  await writeFile(join(dir, `${row.id}.json`), `${JSON.stringify(record, null, 2)}\n`);
  await writeFile(join(dir, `${row.id}.md`), page(row, outcome, result));
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
