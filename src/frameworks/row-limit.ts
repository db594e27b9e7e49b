/**
 * Rows have a limit: one that is longer is cut field by field, the longest first, and says so itself in
 * `truncated_fields`. A task whose transcript or result runs away then costs its own detail, and nobody's memory.
 *
 * Not here: SQL results, which are cut where they are read, and logs.
 *
 * Invariants: R1 a row that fits is given back as it is. R2 what names the row (ids, database, attempt, verdict) is never
 * cut. R3 what was cut is still JSON of the same kind: a text is a text, a list a list with its first and last elements.
 */
import type { TaskRow } from './framework.ts';

/** Of a row as JSON. */
export const MAX_ROW_BYTES = 8 * 1024 * 1024;

/** What is left of a field at least, in the first round and, if that is not enough, in the second. */
const LEAST_BYTES = [16 * 1024, 64] as const;
/** The final newline, braces, and room for rounding. */
const ROW_OVERHEAD_BYTES = 1024;
/** Of a field of `truncated_fields` besides its name. */
const NOTE_BYTES = 24;
/** A control character is six bytes of JSON. */
const MOST_BYTES_A_UNIT = 6;
/** Of a number, a literal, a bracket with its comma. */
const MOST_BYTES_A_VALUE = 32;

/** Never cut: readers find the row by them, or they are short by nature. */
const KEPT: ReadonlySet<string> = new Set(
  'task_id instance_id database attempt node submission_status truncated_fields'.split(' '),
);

/** `row`, cut so that its JSON has at most `maxBytes`. @throws TypeError when it is no JSON (a bigint in it, a circle) */
export function boundRow<Row extends TaskRow>(row: Row, maxBytes = MAX_ROW_BYTES): Row {
  if (fitsCertainly(row, maxBytes)) return row;
  const sizes = new Map(Object.entries(row).map(([field, value]) => [field, bytesOf(value)]));
  const nameBytes = (field: string): number => bytesOf(field) + 2;
  let total = ROW_OVERHEAD_BYTES;
  for (const [field, size] of sizes) total += size + nameBytes(field);
  if (total <= maxBytes) return row;

  const cut: Record<string, unknown> = { ...row };
  const truncated: Record<string, number> = {};
  const now = new Map(sizes);
  for (const least of LEAST_BYTES) {
    for (const [field, size] of longestFirst(now)) {
      if (total <= maxBytes) break;
      const allowed = Math.max(least, size - (total - maxBytes) - nameBytes(field) - NOTE_BYTES);
      if (KEPT.has(field) || allowed >= size) continue;
      cut[field] = field.endsWith('_json') ? leftOutJson(sizes.get(field) ?? size) : shrunk(row[field], allowed);
      if (!(field in truncated)) total += nameBytes(field) + NOTE_BYTES;
      truncated[field] = sizes.get(field) ?? size;
      const left = bytesOf(cut[field]);
      total -= size - left;
      now.set(field, left);
    }
  }
  // So many fields, or such names, that none of them is long: those that the format does not know go.
  for (const [field, size] of longestFirst(new Map([...now].map(([name, bytes]) => [name, bytes + bytesOf(name)])))) {
    if (total <= maxBytes) break;
    if (KEPT.has(field) || field.length < 64) continue;
    delete cut[field];
    delete truncated[field];
    total -= size;
  }
  return { ...cut, truncated_fields: truncated } as unknown as Row;
}

/** Whether the JSON of `value` fits whatever is in its texts; false means that it is to be measured. */
function fitsCertainly(value: unknown, maxBytes: number): boolean {
  let most = ROW_OVERHEAD_BYTES;
  // No recursion: a circle runs out of budget, not of stack.
  const left: unknown[] = [value];
  while (left.length > 0) {
    const part = left.pop();
    most += MOST_BYTES_A_VALUE;
    if (typeof part === 'string') most += MOST_BYTES_A_UNIT * part.length;
    else if (Array.isArray(part)) {
      most += part.length;
      if (most <= maxBytes) for (const element of part) left.push(element);
    } else if (part !== null && typeof part === 'object') {
      for (const [key, element] of Object.entries(part)) {
        most += MOST_BYTES_A_UNIT * key.length + MOST_BYTES_A_VALUE;
        left.push(element);
      }
    }
    if (most > maxBytes) return false;
  }
  return true;
}

/** Bytes of `value` as JSON; a member that JSON leaves away has none. */
function bytesOf(value: unknown): number {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? 0 : Buffer.byteLength(text);
}

function longestFirst(sizes: ReadonlyMap<string, number>): [field: string, bytes: number][] {
  return [...sizes].sort(([, a], [, b]) => b - a);
}

/** §3A's snapshots of results are JSON texts: a piece of one would be none. */
const leftOutJson = (bytes: number): string => JSON.stringify({ error: `${bytes} bytes are left out of this row` });

/** `value` with the longest of it left out, in at most about `bytes` bytes. */
function shrunk(value: unknown, bytes: number): unknown {
  if (typeof value === 'string') return shrunkText(value, bytes);
  if (Array.isArray(value)) return shrunkList(value, bytes);
  if (value !== null && typeof value === 'object') return shrunkObject(value as Record<string, unknown>, bytes);
  return value;
}

function shrunkText(text: string, bytes: number): string {
  const markOf = (left: number): string => ` [${text.length - left} characters are left out here] `;
  let kept = Math.floor((text.length * bytes) / Math.max(1, bytesOf(text)));
  for (;;) {
    const end = Math.floor(kept / 2);
    const ends = [text.slice(0, kept - end), end === 0 ? '' : text.slice(-end)];
    const short = ends.map((part) => part.toWellFormed()).join(markOf(kept));
    if (kept === 0 || bytesOf(short) <= bytes) return short;
    kept = Math.floor(kept * 0.9) - 8 < 0 ? 0 : Math.floor(kept * 0.9) - 8;
  }
}

/** The first and the last elements, and how many are left out between them. */
function shrunkList(list: readonly unknown[], bytes: number): unknown[] {
  const sizes = list.map((element) => bytesOf(element) + 1);
  let room = bytes - NOTE_BYTES;
  let front = 0;
  let back = list.length;
  for (let half = room / 2; front < back && (sizes[front] ?? 0) <= half; front += 1) {
    half -= sizes[front] ?? 0;
    room -= sizes[front] ?? 0;
  }
  for (; back > front && (sizes[back - 1] ?? 0) <= room; back -= 1) room -= sizes[back - 1] ?? 0;
  if (back === front) return [...list];
  // One that is too long by itself: what can be shown of it is more than nothing.
  const isAlone = front === 0 && back === list.length;
  const shown = isAlone ? [shrunk(list[0], room)] : [];
  const leftOut = back - front - shown.length;
  const mark = leftOut > 0 ? [{ left_out: leftOut }] : [];
  return [...list.slice(0, front), ...shown, ...mark, ...list.slice(back)];
}

function shrunkObject(object: Readonly<Record<string, unknown>>, bytes: number): Record<string, unknown> {
  const cut: Record<string, unknown> = { ...object };
  const sizes = new Map(Object.entries(object).map(([key, value]) => [key, bytesOf(value)]));
  let total = 2;
  for (const [key, size] of sizes) total += size + bytesOf(key) + 2;
  for (const [key, size] of longestFirst(sizes)) {
    if (total <= bytes) break;
    const allowed = Math.max(64, size - (total - bytes));
    if (allowed >= size) break;
    cut[key] = shrunk(object[key], allowed);
    total -= size - bytesOf(cut[key]);
  }
  // Thousands of short members: the first ones stay.
  for (const key of Object.keys(cut).toReversed()) {
    if (total <= bytes) break;
    total -= bytesOf(cut[key]) + bytesOf(key) + 2;
    delete cut[key];
  }
  return cut;
}
