/**
 * The columns of a database by the names that definitions may give them, and what the data say about each. Only what
 * stage 1 made is in it: columns that encodes add are known through the items that they stand for.
 */
import type { DatabaseSync } from 'node:sqlite';

import type { Column, ColumnType, Model } from '../reference/model.ts';
import type { ColumnRef } from './ast.ts';
import { isPrefixBlend, plain, wordsOf } from './words.ts';

/** More distinct values than this are no list of codes. */
const MAX_VALUES = 400;
/** A column with more distinct values than this holds no codes that people name things after. */
const MAX_CODES = 12;

export interface ColumnInfo {
  readonly ref: ColumnRef;
  readonly type: ColumnType;
  /** As in the model's file. */
  readonly sql: string;
  readonly meaning: string;
  /** Model, column, and for a JSON leaf the keys down to it; each without spelling habits. */
  readonly path: readonly string[];
  /** Holds JSON objects: has leaves, is no value itself. */
  readonly isJson: boolean;
}

/** How sure a match of a name is. */
export type MatchTier = 'name' | 'alias' | 'blend' | 'meaning';

export interface Match {
  readonly tier: MatchTier;
  readonly columns: readonly ColumnInfo[];
}

export class SchemaIndex {
  readonly columns: readonly ColumnInfo[];
  readonly #database: DatabaseSync;
  readonly #models: ReadonlyMap<string, Model>;
  readonly #byRef = new Map<string, ColumnInfo>();
  readonly #byLast = new Map<string, ColumnInfo[]>();
  readonly #byAlias = new Map<string, ColumnInfo[]>();
  #codeWords: Map<string, string> | undefined;
  readonly #values = new Map<string, readonly unknown[] | undefined>();

  constructor(models: ReadonlyMap<string, Model>, database: DatabaseSync) {
    this.#database = database;
    this.#models = models;
    this.columns = [...models.values()].flatMap((model) =>
      model.sql_table === undefined || model.hidden ? [] : model.columns.map((column) => infoOf(model, column)),
    );
    for (const column of this.columns) {
      this.#byRef.set(keyOf(column.ref), column);
      push(this.#byLast, column.path.at(-1)!, column);
      for (const [, alias] of column.meaning.matchAll(/\b(?:was|formerly|aka|alias) '([^']+)'/g)) {
        push(this.#byAlias, plain(alias!), column);
      }
    }
  }

  get(ref: ColumnRef): ColumnInfo | undefined {
    return this.#byRef.get(keyOf(ref));
  }

  model(name: string): Model | undefined {
    return this.#models.get(name);
  }

  /** The table called `name`, spelling habits aside, where there is just one. */
  table(name: string): Model | undefined {
    const found = [...this.#models.values()].filter((model) => plain(model.name) === plain(name) && model.sql_table);
    return found.length === 1 ? found[0] : undefined;
  }

  /** The columns that `name` may mean, from the surest way of reading it that finds any. `within`: only of that model. */
  match(name: string, within?: string): Match | undefined {
    const keep = (columns: readonly ColumnInfo[] | undefined): readonly ColumnInfo[] =>
      (columns ?? []).filter(({ ref }) => within === undefined || ref.model === within);
    const segments = name.split('.').map(plain).filter(Boolean);
    const last = segments.at(-1);
    if (last === undefined) return undefined;
    const named = keep(this.#byLast.get(last)).filter(({ path }) => endsWith(path, segments));
    if (named.length > 0) return { tier: 'name', columns: named };
    if (segments.length > 1) return undefined;
    const aliased = keep(this.#byAlias.get(last));
    if (aliased.length > 0) return { tier: 'alias', columns: aliased };
    const words = wordsOf(name);
    const all = keep(this.columns);
    const blends =
      words.length > 1 ? all.filter(({ path }) => path.at(-1)!.length >= 4 && isPrefixBlend(path.at(-1)!, words)) : [];
    if (blends.length > 0) return { tier: 'blend', columns: blends };
    const meant = words[0] === 'number' && words.length > 2 ? all.filter(({ meaning }) => saysOf(meaning, words)) : [];
    return meant.length > 0 ? { tier: 'meaning', columns: meant } : undefined;
  }

  /** First words of texts in columns that hold codes, as `mouse` or `wireless`, and which column has them. Words of models are left out. */
  get codeWords(): ReadonlyMap<string, string> {
    if (this.#codeWords === undefined) {
      this.#codeWords = new Map();
      const modelWords = new Set(
        [...this.#models.keys()].flatMap(wordsOf).flatMap((word) => [word, word.replace(/s$/, '')]),
      );
      for (const column of this.columns) {
        if (column.type !== 'TEXT' || column.isJson) continue;
        const values = this.values(column.ref) ?? [];
        if (values.length > MAX_CODES) continue;
        for (const value of values) {
          const shown = `${column.ref.model}.${column.ref.column} = '${String(value)}'`;
          const [first] = wordsOf(String(value));
          if (first !== undefined && first.length > 3 && !modelWords.has(first)) this.#codeWords.set(first, shown);
        }
      }
    }
    return this.#codeWords;
  }

  /** The distinct values of a column that are not NULL; undefined when there are too many for a list of codes. */
  values(ref: ColumnRef): readonly unknown[] | undefined {
    const key = keyOf(ref);
    if (!this.#values.has(key)) this.#values.set(key, this.#readValues(ref));
    return this.#values.get(key);
  }

  #readValues(ref: ColumnRef): readonly unknown[] | undefined {
    const { table, sql } = this.physical(ref);
    const rows = this.#database
      .prepare(`SELECT DISTINCT ${sql} AS value FROM ${table} WHERE ${sql} IS NOT NULL LIMIT ${MAX_VALUES + 1}`)
      .all();
    return rows.length > MAX_VALUES ? undefined : rows.map(({ value }) => value);
  }

  /** Whether every value of a column passes `test`; false for one without values. */
  every(ref: ColumnRef, condition: string): boolean {
    const { table, sql } = this.physical(ref);
    const row = this.#database
      .prepare(
        `SELECT COUNT(x) AS n, SUM(NOT (${condition})) AS bad FROM (SELECT ${sql} AS x FROM ${table}) WHERE x IS NOT NULL`,
      )
      .get() as { n: number; bad: number | null };
    return row.n > 0 && row.bad === 0;
  }

  /** Table and expression of a column, to be read straight from the file. */
  physical(ref: ColumnRef): { table: string; sql: string } {
    const info = this.get(ref)!;
    return { table: quoted(this.#models.get(ref.model)!.sql_table!), sql: physicalSql(info.sql) };
  }
}

/** A model's own column for SQL outside SLayer; with `alias`, of that table. */
export function physicalSql(sql: string, alias?: string): string {
  const prefix = alias === undefined ? '' : `${alias}.`;
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(sql)) return `${prefix}${quoted(sql)}`;
  return sql.replace(/^JSON_EXTRACT\((\w+|"[^"]*")/, (_, column: string) => {
    return `JSON_EXTRACT(${prefix}${column.startsWith('"') ? column : quoted(column)}`;
  });
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const keyOf = ({ model, column }: ColumnRef): string => `${model}.${column}`;

function infoOf(model: Model, column: Column): ColumnInfo {
  const jsonPath = column.meta?.['json_path'];
  const parent = column.meta?.['derived_from'];
  const keys =
    typeof jsonPath === 'string' && typeof parent === 'string'
      ? [
          parent,
          ...jsonPath
            .slice(1)
            .split(/\.(?=(?:[^"]*"[^"]*")*[^"]*$)/)
            .filter(Boolean),
        ]
      : [column.name];
  return {
    ref: { model: model.name, column: column.name },
    type: column.type,
    sql: column.sql,
    meaning: column.description ?? '',
    path: [model.name, ...keys].map(plain),
    isJson: column.meta?.['jsonb'] === true,
  };
}

function endsWith(path: readonly string[], segments: readonly string[]): boolean {
  const start = path.length - segments.length;
  return start >= 0 && segments.every((segment, at) => path[start + at] === segment);
}

/** Whether a meaning begins with a count: "Total number of bathrooms in …" for "number of bathrooms". */
function saysOf(meaning: string, words: readonly string[]): boolean {
  const said = ` ${wordsOf(meaning).join(' ')} `;
  return said.startsWith(` ${words.join(' ')} `) || said.startsWith(` total ${words.join(' ')} `);
}

function push(map: Map<string, ColumnInfo[]>, key: string, column: ColumnInfo): void {
  const list = map.get(key);
  if (list) list.push(column);
  else map.set(key, [column]);
}
