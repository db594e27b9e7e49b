/**
 * The tasks file of a dataset: one JSON object a line. Unknown fields are kept; known ones are brought into one form
 * (`sol_sql` as a text becomes a list of one, absent lists become empty).
 *
 * Invariant: whatever is wrong is one SkeinError INVALID_INPUT whose text names the file, the line, the field and the value.
 */
import { isName } from '../kernel/ids.ts';
import { asError, SkeinError } from '../kernel/errors.ts';
import type { Task } from './task.ts';

/** A non-empty line of a JSON-lines file with its number, from 1. */
export interface JsonLine {
  readonly number: number;
  readonly value: Record<string, unknown>;
}

/** `value` in an error's text: JSON, cut where it gets long. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}

/**
 * The objects of a JSON-lines text. Blank lines and a byte order mark are passed over.
 * @throws SkeinError INVALID_INPUT, naming `file` and the line
 */
export function parseJsonLines(file: string, text: string): JsonLine[] {
  const lines: JsonLine[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = raw.trim();
    if (line === '') continue;
    const number = index + 1;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw invalid(
        `${file} line ${number}: ${shown(line)} is no JSON (${asError(error).message.split('\n', 1)[0]})`,
        error,
      );
    }
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      throw invalid(`${file} line ${number}: ${shown(value)} is no JSON object`);
    }
    lines.push({ number, value: value as Record<string, unknown> });
  }
  return lines;
}

/**
 * The tasks in `text`, in file order.
 * @throws SkeinError INVALID_INPUT: broken line, illegal or twice-used id, field of another kind, no task at all
 */
export function parseTasks(file: string, text: string): Task[] {
  const lineOfId = new Map<string, number>();
  const tasks = parseJsonLines(file, text).map(({ number, value }) => {
    const where = `${file} line ${number}`;
    const task = taskFrom(where, value);
    const first = lineOfId.get(task.instance_id);
    if (first !== undefined) {
      throw invalid(`${where}: instance_id ${shown(task.instance_id)} is already the id of line ${first}`);
    }
    lineOfId.set(task.instance_id, number);
    return task;
  });
  if (tasks.length === 0) throw invalid(`${file} is empty: it holds no task`);
  return tasks;
}

function taskFrom(where: string, value: Record<string, unknown>): Task {
  const { conditions } = value;
  if (
    conditions !== undefined &&
    conditions !== null &&
    (typeof conditions !== 'object' || Array.isArray(conditions))
  ) {
    throw invalid(`${where}: conditions: ${shown(conditions)} is no object`);
  }
  const { conditions: _dropped, ...rest } = value;
  return {
    ...rest,
    instance_id: legalName(where, value, 'instance_id'),
    selected_database: legalName(where, value, 'selected_database'),
    amb_user_query: textOf(where, value, 'amb_user_query'),
    sol_sql: textsOf(where, value, 'sol_sql'),
    preprocess_sql: textsOf(where, value, 'preprocess_sql'),
    clean_up_sqls: textsOf(where, value, 'clean_up_sqls'),
    test_cases: textsOf(where, value, 'test_cases'),
    external_knowledge: numbersOf(where, value, 'external_knowledge'),
    category: textOf(where, value, 'category', 'Query'),
    knowledge_ambiguity: objectsOf(where, value, 'knowledge_ambiguity') as Task['knowledge_ambiguity'],
    ...(conditions !== undefined &&
      conditions !== null && { conditions: conditions as NonNullable<Task['conditions']> }),
  };
}

function legalName(where: string, row: Record<string, unknown>, field: string): string {
  const value = row[field];
  if (typeof value === 'string' && isName(value)) return value;
  throw invalid(
    `${where}: ${field}: ${shown(value)} is no legal name (letters, digits, '.', '_' and '-', at most 128, the first a letter or digit)`,
  );
}

function textOf(where: string, row: Record<string, unknown>, field: string, absent = ''): string {
  const value = row[field] ?? absent;
  if (typeof value === 'string') return value;
  throw invalid(`${where}: ${field}: ${shown(value)} is no text`);
}

function textsOf(where: string, row: Record<string, unknown>, field: string): string[] {
  const value = row[field] ?? [];
  if (typeof value === 'string') return value.trim() === '' ? [] : [value];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw invalid(`${where}: ${field}: ${shown(value)} is no list of texts`);
}

function numbersOf(where: string, row: Record<string, unknown>, field: string): number[] {
  const value = row[field] ?? [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value;
  throw invalid(`${where}: ${field}: ${shown(value)} is no list of numbers`);
}

function objectsOf(where: string, row: Record<string, unknown>, field: string): object[] {
  const value = row[field] ?? [];
  if (Array.isArray(value) && value.every((item) => item !== null && typeof item === 'object')) return value;
  throw invalid(`${where}: ${field}: ${shown(value)} is no list of objects`);
}

function invalid(message: string, cause?: unknown): SkeinError {
  return new SkeinError('INVALID_INPUT', message, cause === undefined ? {} : { cause });
}
