/**
 * Results of SQL as they are compared (§3C) and as they are shown in a row (§3A).
 *
 * SQLite has no dates, lists or dicts: here a text that is a whole ISO timestamp counts as its date, and a text that is a
 * whole JSON object or list counts as that value, whatever its spelling.
 */
import type { SqlOutcome } from './framework.ts';
import { canonicalJson } from '../kernel/json.ts';

type Rows = Extract<SqlOutcome, { kind: 'rows' }>;

/** Rows that a snapshot shows. */
const SAMPLE_ROWS = 5;
const TIMESTAMP = /^(\d{4}-\d\d-\d\d)[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s?(?:Z|[+-]\d\d:?\d\d)?$/;

/** Whether two results are the same: as lists when `isOrdered`, else as sets of rows. Both empty is the same (§3C). */
export function isSameResult(predicted: Rows, gold: Rows, isOrdered: boolean): boolean {
  const one = predicted.rows.map(rowKey);
  const two = gold.rows.map(rowKey);
  if (one.length === 0 || two.length === 0) return one.length === two.length;
  if (isOrdered) return one.length === two.length && one.every((key, index) => key === two[index]);
  const [left, right] = [new Set(one), new Set(two)];
  return left.size === right.size && [...left].every((key) => right.has(key));
}

/** A row's text: equal exactly when the rows are, number and text of the same digits apart. */
export function rowKey(row: readonly unknown[]): string {
  return JSON.stringify(row.map(cellKey));
}

function cellKey(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? roundToCents(value) : { real: String(value) };
  if (typeof value === 'bigint') return { integer: String(value) };
  if (value instanceof Uint8Array) return { blob: Buffer.from(value).toString('hex') };
  if (typeof value !== 'string') return value;
  const date = TIMESTAMP.exec(value)?.[1];
  return date ?? jsonKey(value) ?? value;
}

/** A JSON object or list, keys sorted and floats rounded; undefined for any other text. */
function jsonKey(text: string): string | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return canonicalJson(
      JSON.parse(text, (_key, part: unknown) => (typeof part === 'number' ? roundToCents(part) : part)),
    );
  } catch {
    return undefined;
  }
}

/**
 * `value` to two decimals, a tie to the even cent. Ties are only the eighths (0.125): every other decimal tie has no exact
 * binary form, so `toFixed`, which works on the exact value, decides it.
 */
export function roundToCents(value: number): number {
  if (Number.isInteger(value)) return value === 0 ? 0 : value;
  const isTie = Number.isInteger(value * 8) && !Number.isInteger(value * 4);
  const rounded = isTie ? (2 * Math.round((value * 100) / 2)) / 100 : Number(value.toFixed(2));
  return rounded === 0 ? 0 : rounded;
}

/** A result as the row shows it: JSON text, with an error as `{error}`, BLOBs as `<bytes:N>`. */
export function snapshotJson(outcome: SqlOutcome): string {
  if (outcome.kind === 'error') return JSON.stringify({ error: outcome.message });
  return JSON.stringify({
    columns: outcome.columns,
    row_count: outcome.rows.length,
    row_count_truncated: outcome.isTruncated,
    sample_rows: outcome.rows.slice(0, SAMPLE_ROWS).map((row) => row.map(shownCell)),
  });
}

function shownCell(value: unknown): unknown {
  if (value instanceof Uint8Array) return `<bytes:${value.byteLength}>`;
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
