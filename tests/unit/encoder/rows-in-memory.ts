/** A database in memory, walked by its foreign keys: where the second reading of formulas gets its values from. */
import { DatabaseSync } from 'node:sqlite';

export class NotCovered extends Error {}

export type Row = Record<string, unknown>;
interface ForeignKey {
  readonly from: string[];
  readonly table: string;
  readonly to: string[];
}

/** A name without case, blanks and marks. */
export const squash = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

export class Rows {
  readonly tables = new Map<string, Row[]>();
  readonly #keys = new Map<string, ForeignKey[]>();
  readonly #indexes = new Map<string, Map<string, Row[]>>();
  /** Squashed name to where it is. */
  readonly #names = new Map<string, { table: string; column: string; path: string[] }[]>();

  constructor(path: string, meanings: Readonly<Record<string, unknown>>) {
    const database = new DatabaseSync(path, { readOnly: true });
    for (const { name } of database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all() as {
      name: string;
    }[]) {
      const rows = database.prepare(`SELECT * FROM "${name}"`).all() as Row[];
      this.tables.set(name, rows);
      const keys = new Map<number, ForeignKey>();
      for (const key of database.prepare(`PRAGMA foreign_key_list("${name}")`).all()) {
        const one = keys.get(Number(key['id'])) ?? { from: [], table: String(key['table']), to: [] };
        one.from.push(String(key['from']));
        one.to.push(String(key['to']));
        keys.set(Number(key['id']), one);
      }
      this.#keys.set(name, [...keys.values()]);
      for (const column of Object.keys(rows[0] ?? {})) this.#nameColumn(name, column, rows);
    }
    database.close();
    this.#nameAliases(meanings);
  }

  #nameColumn(table: string, column: string, rows: readonly Row[]): void {
    this.#add(column, { table, column, path: [] });
    const sample = rows.find((row) => typeof row[column] === 'string' && row[column].startsWith('{'));
    if (sample === undefined) return;
    for (const row of rows) {
      const text = row[column];
      if (typeof text !== 'string') continue;
      const visit = (value: unknown, path: string[]): void => {
        if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
          for (const [key, part] of Object.entries(value)) visit(part, [...path, key]);
        } else {
          for (let from = 0; from < path.length; from += 1)
            this.#add(path.slice(from).join('.'), { table, column, path });
          this.#add([column, ...path].join('.'), { table, column, path });
        }
      };
      visit(JSON.parse(text), []);
    }
  }

  #nameAliases(meanings: Readonly<Record<string, unknown>>): void {
    for (const [key, meaning] of Object.entries(meanings)) {
      const [, table, column] = key.toLowerCase().split('|');
      const visit = (part: unknown, path: string[]): void => {
        if (typeof part === 'string') {
          const alias = /\(was '(\w+)'\)/.exec(part)?.[1];
          if (alias) this.#add(alias, { table: table!, column: column!, path });
        } else if (part !== null && typeof part === 'object') {
          for (const [name, inner] of Object.entries(part))
            visit(inner, name === 'fields_meaning' ? path : [...path, name]);
        }
      };
      visit(meaning, []);
    }
  }

  #add(name: string, place: { table: string; column: string; path: string[] }): void {
    const key = squash(name);
    const places = this.#names.get(key) ?? [];
    const id = JSON.stringify(place);
    if (!places.some((other) => JSON.stringify(other) === id)) places.push(place);
    this.#names.set(key, places);
  }

  /** What a name is for one row of a table: the row's own value, or that of a row it refers to. */
  value(name: string, table: string, row: Row): unknown {
    const places = this.#names.get(squash(name)) ?? [];
    if (places.length !== 1) throw new NotCovered(`${name} names ${places.length} columns`);
    const { table: target, column, path } = places[0]!;
    const found = this.#related(table, row, target);
    let value: unknown = found === undefined ? null : found[column];
    if (path.length > 0 && typeof value === 'string')
      value = path.reduce<unknown>((at, key) => (at as Row | null)?.[key], JSON.parse(value));
    return value ?? null;
  }

  /** The rows of a table whose key is this row's, by the foreign key `key`. */
  members(table: string, key: string, row: Row): Row[] {
    const foreign = (this.#keys.get(table) ?? []).find(({ from }) => from.length === 1 && from[0] === key);
    if (foreign === undefined) throw new NotCovered(`${table}.${key} is no foreign key`);
    return this.#find(table, foreign.from, [row[foreign.to[0]!]]);
  }

  #related(from: string, row: Row, to: string): Row | undefined {
    for (const canGoBack of [false, true]) {
      const queue: { table: string; row: Row }[] = [{ table: from, row }];
      const seen = new Set([from]);
      for (const at of queue) {
        if (at.table === to) return at.row;
        for (const step of this.#steps(at.table, canGoBack)) {
          if (seen.has(step.table)) continue;
          const next = this.#find(
            step.table,
            step.to,
            step.from.map((column) => at.row[column]),
          );
          if (next.length !== 1) continue;
          seen.add(step.table);
          queue.push({ table: step.table, row: next[0]! });
        }
      }
    }
    return undefined;
  }

  #steps(table: string, canGoBack: boolean): ForeignKey[] {
    const forward = this.#keys.get(table) ?? [];
    if (!canGoBack) return forward;
    const back = [...this.#keys].flatMap(([other, keys]) =>
      keys.filter((key) => key.table === table).map((key) => ({ from: key.to, table: other, to: key.from })),
    );
    return [...forward, ...back];
  }

  #find(table: string, columns: readonly string[], values: readonly unknown[]): Row[] {
    const id = `${table} ${columns.join()}`;
    let index = this.#indexes.get(id);
    if (index === undefined) {
      index = new Map();
      for (const row of this.tables.get(table) ?? []) {
        const key = JSON.stringify(columns.map((column) => row[column]));
        index.set(key, [...(index.get(key) ?? []), row]);
      }
      this.#indexes.set(id, index);
    }
    return values.includes(null) ? [] : (index.get(JSON.stringify(values)) ?? []);
  }
}
