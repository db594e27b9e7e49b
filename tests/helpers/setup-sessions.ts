/** The records that the rules encoder left of its items, by KB id. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { SESSION_RECORDS } from '../../src/encoder/session-file.ts';

export interface SessionRecord {
  readonly kb_id: number;
  readonly executed: { readonly sql: string };
}

export function sessionsIn(dir: string): Map<number, SessionRecord> {
  const lines = readFileSync(join(dir, SESSION_RECORDS), 'utf8').trimEnd().split('\n');
  return new Map(lines.map((line) => JSON.parse(line) as SessionRecord).map((record) => [record.kb_id, record]));
}
