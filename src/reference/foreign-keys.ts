/**
 * The joins that foreign keys give, as the real tool orders, names and classifies them (slayer-format §2, rules 6 and 7).
 *
 * Invariants: F1 a join stands on the referencing model. F2 of two foreign keys that are exactly inverse, one stays.
 * F3 two joins between the same two models each have a name.
 */
import type { DatabaseSync } from 'node:sqlite';

import { quoted } from './integer-probe.ts';
import type { Join } from './model.ts';

interface ForeignKey {
  readonly table: string;
  readonly from: string[];
  readonly to: string[];
}

/** What the joins of one table need to know of each table. */
export interface TableKeys {
  readonly name: string;
  /** The text of its CREATE TABLE; empty for a view. */
  readonly ddl: string;
  readonly primaryKey: readonly string[];
  /** Primary key, UNIQUE constraints and full unique indexes. */
  readonly uniqueKeys: readonly (readonly string[])[];
}

/** The joins of every table in `tables`, by table. */
export function foreignKeyJoins(database: DatabaseSync, tables: ReadonlyMap<string, TableKeys>): Map<string, Join[]> {
  /** By relationship, whatever its direction: who declares it. */
  const kept = new Map<string, { declaring: string; join: Join }>();
  for (const name of [...tables.keys()].sort(byCodePoint)) {
    for (const join of joinsOf(database, tables.get(name)!, tables)) {
      const key = relationship(name, join);
      const other = kept.get(key);
      if (other === undefined || survivor(other.declaring, other.join, name, join) === name) {
        kept.set(key, { declaring: name, join });
      }
    }
  }
  const joins = new Map<string, Join[]>([...tables.keys()].map((name) => [name, []]));
  for (const { declaring, join } of kept.values()) joins.get(declaring)!.push(join);
  nameParallelJoins(joins);
  return joins;
}

function joinsOf(database: DatabaseSync, source: TableKeys, tables: ReadonlyMap<string, TableKeys>): Join[] {
  const joins: Join[] = [];
  for (const { table, from, to } of foreignKeysOf(database, source, tables)) {
    const target = tables.get(table);
    const count = Math.min(from.length, to.length);
    if (target === undefined || table === source.name || count === 0) continue;
    const [sourceColumns, targetColumns] = [from.slice(0, count), to.slice(0, count)];
    const join: Join = {
      target_model: table,
      join_pairs: sourceColumns.map((column, index) => [modelColumn(column), modelColumn(targetColumns[index]!)]),
      join_type: 'left',
    };
    if (holdsKey(target, targetColumns))
      join.cardinality = holdsKey(source, sourceColumns) ? 'one_to_one' : 'many_to_one';
    joins.push(join);
  }
  return joins;
}

/** The name of a table's column in its model: `_count` would hide the count of rows. */
export function modelColumn(column: string): string {
  return column === '_count' ? 'count_col' : column;
}

const holdsKey = (table: TableKeys, columns: readonly string[]): boolean =>
  table.uniqueKeys.some((key) => key.every((column) => columns.includes(column)));

/** Table-level clauses in the order of the DDL, then column-level ones by SQLite's ids. */
function foreignKeysOf(
  database: DatabaseSync,
  source: TableKeys,
  tables: ReadonlyMap<string, TableKeys>,
): ForeignKey[] {
  const rows = database.prepare(`PRAGMA foreign_key_list(${quoted(source.name)})`).all() as unknown as readonly {
    id: number;
    table: string;
    from: string;
    to: string | null;
  }[];
  const byId = new Map<number, ForeignKey>();
  for (const { id, table, from, to } of rows) {
    let key = byId.get(id);
    if (key === undefined) {
      key = { table, from: [], to: to === null ? [...(tables.get(table)?.primaryKey ?? [])] : [] };
      byId.set(id, key);
    }
    key.from.push(from);
    if (to !== null) key.to.push(to);
  }
  const bySignature = new Map([...byId.values()].map((key) => [signature(key), key]));
  const inDdl: ForeignKey[] = [];
  for (const clause of ddlClauses(source.ddl)) {
    const key = bySignature.get(signature(clause));
    if (key === undefined) continue;
    bySignature.delete(signature(clause));
    inDdl.push(key);
  }
  return [...inDdl, ...bySignature.values()];
}

const signature = ({ table, from, to }: ForeignKey): string => JSON.stringify([from, table, to]);

const NAME = String.raw`"[^"]+"|\w+`;
const CLAUSE = new RegExp(
  String.raw`FOREIGN\s+KEY\s*\(\s*(.+?)\s*\)\s+REFERENCES\s+(${NAME})\s*\(\s*((?:${NAME})(?:\s*,\s*(?:${NAME}))*)\s*\)`,
  'gi',
);

/** The `FOREIGN KEY (…) REFERENCES t (…)` clauses of a CREATE TABLE, as far as they name their target's columns. */
function* ddlClauses(ddl: string): Generator<ForeignKey> {
  for (const [, from = '', table = '', to = ''] of ddl.matchAll(CLAUSE)) {
    yield { table: bare(table), from: namesIn(from), to: namesIn(to) };
  }
}

const namesIn = (text: string): string[] => [...text.matchAll(new RegExp(NAME, 'g'))].map(([name]) => bare(name));
const bare = (name: string): string => name.replace(/^"(.*)"$/, '$1');

/** One text for a foreign key and its exact inverse. */
function relationship(model: string, { target_model: target, join_pairs: pairs }: Join): string {
  const isForward = model < target;
  const sorted = pairs.map(([a, b]) => JSON.stringify(isForward ? [a, b] : [b, a])).sort(byCodePoint);
  return JSON.stringify([isForward ? model : target, isForward ? target : model, [...new Set(sorted)]]);
}

/** Who keeps its half of an inverse pair: the one whose target is unique, else the first by name. */
function survivor(modelA: string, joinA: Join, modelB: string, joinB: Join): string {
  const isKnownA = joinA.cardinality !== undefined;
  if (isKnownA !== (joinB.cardinality !== undefined)) return isKnownA ? modelA : modelB;
  return modelA < modelB ? modelA : modelB;
}

function nameParallelJoins(joins: ReadonlyMap<string, Join[]>): void {
  const groups = new Map<string, { declaring: string; index: number; stem: string; join: Join }[]>();
  for (const [declaring, list] of joins) {
    for (const [index, join] of list.entries()) {
      const pair = JSON.stringify([declaring, join.target_model].sort(byCodePoint));
      const stem = join.join_pairs.map(([source]) => source.replace(/_(?:id|fk)$/i, '') || source).join('_');
      groups.set(pair, [...(groups.get(pair) ?? []), { declaring, index, stem, join }]);
    }
  }
  const pending = [...groups].filter(([, members]) => members.length > 1).sort(([a], [b]) => byCodePoint(a, b));
  const taken = new Map<string, Set<string>>();
  const takenBy = (model: string): Set<string> => {
    const names = taken.get(model) ?? new Set<string>();
    taken.set(model, names);
    return names;
  };
  for (const [, members] of pending) {
    members.sort(
      (a, b) =>
        byCodePoint(a.declaring, b.declaring) ||
        byCodePoint(a.stem, b.stem) ||
        byCodePoint(pairsText(a.join), pairsText(b.join)) ||
        a.index - b.index,
    );
    for (const { declaring, stem, join } of members) {
      const [mine, theirs] = [takenBy(declaring), takenBy(join.target_model)];
      const name = candidates(declaring, stem).find(
        (candidate) =>
          !/[.:]|^__slayer_/.test(candidate) && !joins.has(candidate) && !mine.has(candidate) && !theirs.has(candidate),
      );
      if (name === undefined) continue;
      join.name = name;
      mine.add(name);
      theirs.add(name);
    }
  }
}

const pairsText = (join: Join): string =>
  JSON.stringify(join.join_pairs.map((pair) => JSON.stringify(pair)).sort(byCodePoint));

function* candidates(declaring: string, stem: string): Generator<string> {
  yield stem;
  yield `${declaring}_${stem}`;
  for (let number = 2; number < 1_000; number += 1) yield `${declaring}_${stem}_${number}`;
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
