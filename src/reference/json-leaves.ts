/**
 * The leaves of a JSON column: every path at which its objects hold something that is no object, and of which type that
 * is, judged from all rows.
 *
 * Invariant: a leaf has a number's type only if every value of it is a number (or null), because the tool casts: of
 * `"3 rooms"` it would make 3, of `"x"` 0.
 */
import type { DatabaseSync } from 'node:sqlite';

import { quoted } from './integer-probe.ts';
import type { ColumnType } from './model.ts';

export interface JsonLeaf {
  /** Keys from the column's object down. */
  readonly path: readonly string[];
  /** As `JSON_EXTRACT` wants it: `$.a."b c"`. */
  readonly jsonPath: string;
  readonly type: ColumnType;
  /** Whether some value is a list; it is answered as JSON text. */
  readonly hasLists: boolean;
}

/** What was seen of one leaf. */
interface Seen {
  readonly path: readonly string[];
  numbers: number;
  fractions: number;
  booleans: number;
  lists: number;
  others: number;
  /** Texts that are numbers as they would be printed. */
  numericTexts: number;
}

/** The paths of an object, in the order in which the data first show them. */
class LeafCensus {
  readonly byPath = new Map<string, Seen>();

  add(value: object, above: readonly string[] = []): void {
    for (const [key, part] of Object.entries(value as Record<string, unknown>)) {
      const path = [...above, key];
      if (part !== null && typeof part === 'object' && !Array.isArray(part)) this.add(part, path);
      else this.count(path, part);
    }
  }

  private count(path: readonly string[], value: unknown): void {
    const id = path.join('\0');
    let seen = this.byPath.get(id);
    if (seen === undefined) {
      seen = { path, numbers: 0, fractions: 0, booleans: 0, lists: 0, others: 0, numericTexts: 0 };
      this.byPath.set(id, seen);
    }
    if (value === null) return;
    if (typeof value === 'number') {
      seen.numbers += 1;
      if (!Number.isInteger(value)) seen.fractions += 1;
    } else if (typeof value === 'boolean') seen.booleans += 1;
    else if (Array.isArray(value)) seen.lists += 1;
    else if (typeof value === 'string' && isPlainNumber(value)) {
      seen.numericTexts += 1;
      if (!/^-?\d+$/.test(value)) seen.fractions += 1;
    } else seen.others += 1;
  }
}

/** Whether a text is nothing but a number: no leading zeros (those are codes), no blanks, no `+`. */
function isPlainNumber(text: string): boolean {
  return /^-?(?:0|[1-9]\d{0,14})(?:\.\d+)?$/.test(text);
}

/**
 * The leaves of `column`, or undefined if it is no JSON column: if some value is no JSON object, or all are null.
 * @param column a column of the table; its values are read once
 */
export function jsonLeaves(database: DatabaseSync, table: string, column: string): JsonLeaf[] | undefined {
  const [from, name] = [quoted(table), quoted(column)];
  // Most columns are told by their first value.
  const first = database.prepare(`SELECT ${name} AS value FROM ${from} WHERE ${name} IS NOT NULL LIMIT 1`).get();
  if (first === undefined || !looksLikeObject(first['value'])) return undefined;
  const census = new LeafCensus();
  for (const { value } of database
    .prepare(`SELECT ${name} AS value FROM ${from} WHERE ${name} IS NOT NULL`)
    .iterate()) {
    const object = looksLikeObject(value) ? parsed(value) : undefined;
    if (object === undefined) return undefined;
    census.add(object);
  }
  return [...census.byPath.values()].map((seen) => {
    const jsonPath = jsonPathOf(seen.path);
    return { path: seen.path, jsonPath, type: typeOf(database, from, name, jsonPath, seen), hasLists: seen.lists > 0 };
  });
}

const looksLikeObject = (value: unknown): value is string => typeof value === 'string' && /^\s*\{/.test(value);

function parsed(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

/** The path that `JSON_EXTRACT` takes: keys that are no identifiers stand in quotes. */
export function jsonPathOf(path: readonly string[]): string {
  return `$${path.map((key) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `.${key}` : `."${key.replaceAll('"', '\\"')}"`)).join('')}`;
}

function typeOf(database: DatabaseSync, from: string, name: string, jsonPath: string, seen: Seen): ColumnType {
  const { numbers, numericTexts, fractions, booleans, lists, others } = seen;
  if (lists > 0 || others > 0) return 'TEXT';
  if (booleans > 0) return numbers + numericTexts === 0 ? 'BOOLEAN' : 'TEXT';
  if (numbers + numericTexts === 0) return 'TEXT';
  if (fractions > 0) return 'DOUBLE';
  // `3.0` is a real number to SQLite, and as INT it would divide as whole numbers do; JSON.parse does not tell it from 3.
  const real = database
    .prepare(`SELECT 1 FROM ${from} WHERE ${name} IS NOT NULL AND json_type(${name}, ?) = 'real' LIMIT 1`)
    .get(jsonPath);
  return real === undefined ? 'INT' : 'DOUBLE';
}
