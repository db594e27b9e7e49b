/**
 * Names for entities: the item's abbreviation, else its title, as an identifier; unique in the knowledge base first and on
 * the model next, so that no two items write the same entity and none hides a column.
 */
import type { KbRow } from '../dataset/task.ts';
import type { Model } from '../reference/model.ts';
import { titleParts } from './words.ts';

const MAX_LENGTH = 60;
/** Words that mean something else where SQL is read. */
const RESERVED = new Set(
  (
    'all and any as asc avg between by case cast check column count create cross current date day default delete desc distinct drop ' +
    'else end except exists false filter for foreign from full group having if in index inner insert int intersect interval into is ' +
    'join key left like limit map max min month natural no not null of offset on or order outer over partition percent primary range ' +
    'rank real references right row rows select set sum table text then time to top true union unique update using value values view ' +
    'when where window with year'
  ).split(' '),
);

/** Whether SQL reads a word as its own. */
export const isReserved = (word: string): boolean => RESERVED.has(word.toLowerCase());

/** The name that each item's entity gets, by kb id. */
export function entityNames(kb: ReadonlyMap<number, KbRow>): Map<number, string> {
  const names = new Map<number, string>();
  const taken = new Set<string>();
  for (const row of [...kb.values()].sort((a, b) => a.id - b.id)) {
    const base = baseName(row);
    const name = taken.has(base) ? `${base}_kb${row.id}` : base;
    taken.add(name);
    names.set(row.id, name);
  }
  return names;
}

/** `name`, or one like it that neither a column nor a measure of `host`, nor a model has. */
export function freeName(name: string, kbId: number, host: Model, models: ReadonlyMap<string, Model>): string {
  const taken = new Set(
    [...host.columns, ...host.measures, ...host.aggregations].map((part) => part.name.toLowerCase()),
  );
  for (const model of models.keys()) taken.add(model.toLowerCase());
  let free = name;
  for (let number = 1; taken.has(free); number += 1)
    free = number === 1 ? `${name}_kb${kbId}` : `${name}_kb${kbId}_${number}`;
  return free;
}

function baseName(row: KbRow): string {
  const { name, abbreviation } = titleParts(row.knowledge);
  const isCapitals = abbreviation !== undefined && !/[a-z]/.test(abbreviation);
  const short = abbreviation === undefined ? '' : identifier(isCapitals ? abbreviation.toLowerCase() : abbreviation);
  const isShort = /^[a-z_][a-z0-9_]{1,19}$/.test(short) && !RESERVED.has(short);
  const long = identifier(name).slice(0, MAX_LENGTH).replace(/_+$/, '');
  const chosen = isShort ? short : long === '' || RESERVED.has(long) ? `kb_${row.id}` : long;
  return /^[a-z_]/.test(chosen) ? chosen : `kb_${chosen}`;
}

function identifier(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/['’]/g, '')
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
}
