/**
 * Which tasks or databases a command line names: `--all`, or ids one by one, exactly one way of saying it.
 *
 * Invariant: an id that is no legal name, unknown or given twice ends the command, with all such ids in one line.
 */
import { readFile } from 'node:fs/promises';

import type { Dataset } from '../dataset/dataset.ts';
import type { Task } from '../dataset/task.ts';
import { SkeinError, systemCode } from '../kernel/errors.ts';
import { parseName } from '../kernel/ids.ts';
import type { Flags } from './flags.ts';
import { nearest } from './flags.ts';
import { invalid } from './values.ts';

export const TASK_WAYS = ['all', 'instance-ids', 'instance-ids-file'] as const;
export const DATABASE_WAYS = ['all', 'databases'] as const;

/** What was named, before the dataset is looked at: every id a legal name, none twice. */
export type Selection =
  | { readonly kind: 'all' }
  | { readonly kind: 'ids'; readonly field: string; readonly ids: readonly string[] };

/** @throws SkeinError INVALID_INPUT: no way or two, no id, an illegal one, one twice, a file that cannot be read */
export async function selectionOf(flags: Flags, ways: typeof TASK_WAYS | typeof DATABASE_WAYS): Promise<Selection> {
  const used = ways.filter((way) => flags.has(way) || flags.get(way) !== undefined);
  const [way, second] = used;
  const choices = ways.map((name) => `--${name}`);
  if (way === undefined) throw refused(`nothing to do: give one of ${choices.join(', ')}`, choices.join(', '));
  if (second !== undefined)
    throw refused(`--${way} and --${second} are both given; one of them says what to do`, `--${way}`);
  if (way === 'all') return { kind: 'all' };
  const field = `--${way}`;
  const typed = flags.get(way) ?? '';
  const ids = way === 'instance-ids-file' ? await idsOfFile(field, typed) : split(typed, /,/);
  if (ids.length === 0) throw invalid(field, typed, way === 'instance-ids-file' ? 'holds no id' : 'names no id');
  const seen = new Set<string>();
  for (const id of ids) {
    if (seen.has(parseName(field, id))) throw invalid(field, id, 'is given twice');
    seen.add(id);
  }
  return { kind: 'ids', field, ids };
}

async function idsOfFile(field: string, path: string): Promise<string[]> {
  try {
    return split(await readFile(path, 'utf8'), /\s+/);
  } catch (error) {
    const code = systemCode(error);
    const why = code === 'ENOENT' ? 'is not there' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`;
    throw new SkeinError('INVALID_INPUT', `${field}: the file ${JSON.stringify(path)} ${why}`, {
      cause: error,
      fields: { field },
    });
  }
}

const split = (text: string, by: RegExp): string[] =>
  text
    .split(by)
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** The tasks in the order in which they were named, or all in file order. @throws SkeinError INVALID_INPUT */
export function selectTasks(selection: Selection, dataset: Dataset): readonly Task[] {
  if (selection.kind === 'all') return dataset.tasks;
  const { field, ids } = selection;
  refuseUnknown(field, 'task', ids, dataset.taskById.keys());
  return ids.flatMap((id) => dataset.taskById.get(id) ?? []);
}

/** @throws SkeinError INVALID_INPUT */
export function selectDatabases(selection: Selection, dataset: Dataset): readonly string[] {
  if (selection.kind === 'all') return dataset.databases;
  refuseUnknown(selection.field, 'database', selection.ids, dataset.databases);
  return selection.ids;
}

function refuseUnknown(field: string, what: string, ids: readonly string[], known: Iterable<string>): void {
  const there = new Set(known);
  const unknown = ids.filter((id) => !there.has(id));
  if (unknown.length === 0) return;
  const listed = unknown.map((id) => {
    const meant = nearest(id, there);
    return meant === undefined ? id : `${id} (did you mean ${meant}?)`;
  });
  throw refused(`${field}: the dataset has no such ${what}: ${listed.join(', ')}`, field);
}

function refused(message: string, field: string): SkeinError {
  return new SkeinError('INVALID_INPUT', message, { fields: { field } });
}
