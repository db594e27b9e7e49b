/**
 * What the INT columns of an SQLite table really hold: SQLite keeps any value in any column, so the tool looks before
 * it believes a declaration (slayer-format §2, rule 4).
 */
import type { DatabaseSync } from 'node:sqlite';

import type { ColumnType } from './model.ts';

/** The rows that are looked at. */
const SCANNED_ROWS = 100_001;
/** More distinct texts than these are taken for text, whatever they say. */
const MAX_DISTINCT_TEXTS = 1_000;

/** `name` as an SQL identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The types of the INT columns `columns` of `table`, in their order: INT, DOUBLE or TEXT. One scan for all of them. */
export function probeIntegers(database: DatabaseSync, table: string, columns: readonly string[]): ColumnType[] {
  if (columns.length === 0) return [];
  const parts = columns.flatMap((column) => {
    const name = quoted(column);
    return [
      `MAX(typeof(${name}) = 'blob')`,
      `MAX(typeof(${name}) = 'text')`,
      `MAX(typeof(${name}) = 'real' OR (typeof(${name}) = 'integer' AND ROUND(${name}) <> ${name}))`,
    ];
  });
  const statement = database.prepare(
    `SELECT ${parts.join(', ')} FROM (SELECT ${columns.map(quoted).join(', ')} FROM ${quoted(table)} LIMIT ${SCANNED_ROWS})`,
  );
  statement.setReturnArrays(true);
  // An empty table gives null for each.
  const flags = statement.get() as unknown as readonly (number | null)[];
  return columns.map((column, index) => {
    const [hasBlob, hasText, hasFraction] = flags.slice(index * 3, index * 3 + 3);
    if (hasBlob) return 'TEXT';
    if (hasText) return textsAreNumbers(database, table, column) ? 'DOUBLE' : 'TEXT';
    return hasFraction ? 'DOUBLE' : 'INT';
  });
}

function textsAreNumbers(database: DatabaseSync, table: string, column: string): boolean {
  const name = quoted(column);
  const statement = database.prepare(
    `SELECT DISTINCT ${name} FROM (SELECT ${name} FROM ${quoted(table)} LIMIT ${SCANNED_ROWS}) WHERE typeof(${name}) = 'text' LIMIT ${MAX_DISTINCT_TEXTS + 1}`,
  );
  statement.setReturnArrays(true);
  const texts = statement.all() as unknown as readonly (readonly [string])[];
  return texts.length <= MAX_DISTINCT_TEXTS && texts.every(([text]) => isPythonFloat(text));
}

const DIGITS = String.raw`\p{Nd}+(?:_\p{Nd}+)*`;
const PYTHON_FLOAT = new RegExp(`^[+-]?(?:${DIGITS}(?:\\.(?:${DIGITS})?)?|\\.${DIGITS})(?:[eE][+-]?${DIGITS})?$`, 'u');
/** Python's white space: not that of `trim()`. */
const BLANK = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+`;
const BLANKS = new RegExp(`^${BLANK}|${BLANK}$`, 'g');

/**
 * Whether Python's `float()` makes a finite number of `text`: `'1_000'`, `' 1 '`, `'1e3'` yes; `''`, `'0x10'`, `'nan'`,
 * `'1e999'` no. `Number()` answers differently on most of them.
 */
export function isPythonFloat(text: string): boolean {
  const trimmed = text.replaceAll(BLANKS, '');
  if (!PYTHON_FLOAT.test(trimmed)) return false;
  // Digits of any script count; which one does not matter for being finite.
  return Number.isFinite(Number(trimmed.replaceAll('_', '').replaceAll(/[^\d.eE+-]/gu, '1')));
}
