/**
 * What stage 1 adds to models as ingested: descriptions from the column meanings, a column for each JSON leaf, and meta
 * (seed-system D-03, phases 2 and 3).
 *
 * Invariants: N1 no type, key or join of an ingested column changes, nor the order of columns; leaves come after them.
 * N2 the same database and meanings give the same models. N3 a leaf says whose it is (`meta.derived_from`), so that
 * enriching twice adds nothing.
 */
import type { DatabaseSync } from 'node:sqlite';

import type { ColumnMeaning, ColumnMeanings, FieldsMeaning } from '../dataset/task.ts';
import { jsonLeaves } from './json-leaves.ts';
import type { JsonLeaf } from './json-leaves.ts';
import type { Column, Model } from './model.ts';

export interface Enrichment {
  readonly models: Model[];
  /** Keys of meanings that no column has. */
  readonly unmatchedMeanings: readonly string[];
  /** Ingested columns that no meaning describes, as `<model>.<column>`. */
  readonly undescribed: readonly string[];
  readonly leafCount: number;
}

/** `models` with all that `meanings` and the data in `database` tell of their columns. The models given are left as they are. */
export function enrich(models: readonly Model[], meanings: ColumnMeanings, database: DatabaseSync): Enrichment {
  const index = new MeaningIndex(meanings);
  const undescribed: string[] = [];
  let leafCount = 0;
  const enriched = models.map((model) => {
    const columns: Column[] = [];
    const leafColumns: Column[] = [];
    for (const column of model.columns) {
      if (column.meta?.['derived_from'] !== undefined) continue;
      const meaning = index.take(model.name, column.sql);
      if (meaning === undefined) undescribed.push(`${model.name}.${column.name}`);
      const leaves = mayHoldJson(model, column) ? jsonLeaves(database, model.sql_table!, column.sql) : undefined;
      columns.push(described(column, meaning, leaves !== undefined));
      const taken = new Set([...model.columns, ...leafColumns].map(({ name }) => name.toLowerCase()));
      for (const leaf of leaves ?? []) leafColumns.push(leafColumn(column, leaf, meaning, taken));
    }
    leafCount += leafColumns.length;
    return { ...model, columns: [...columns, ...leafColumns] };
  });
  return { models: enriched, unmatchedMeanings: index.unused(), undescribed, leafCount };
}

const mayHoldJson = (model: Model, column: Column): boolean =>
  model.sql_table !== undefined && (column.type === 'TEXT' || column.type === 'UNKNOWN');

function described(column: Column, meaning: ColumnMeaning | undefined, isJson: boolean): Column {
  const text = (typeof meaning === 'string' ? meaning : meaning?.column_meaning)?.trim();
  return {
    ...column,
    ...(text !== undefined && text !== '' && { description: text }),
    ...(isJson && { meta: { ...column.meta, jsonb: true } }),
  };
}

function leafColumn(parent: Column, leaf: JsonLeaf, meaning: ColumnMeaning | undefined, taken: Set<string>): Column {
  const wanted = [parent.name, ...leaf.path].map(identifier).join('__');
  let name = wanted;
  for (let number = 2; taken.has(name.toLowerCase()); number += 1) name = `${wanted}_${number}`;
  taken.add(name.toLowerCase());
  const description = typeof meaning === 'object' ? leafMeaning(meaning.fields_meaning, leaf.path) : undefined;
  const format = leaf.type === 'INT' ? 'integer' : leaf.type === 'DOUBLE' ? 'float' : undefined;
  return {
    name,
    sql: `JSON_EXTRACT(${columnSql(parent.sql)}, '${leaf.jsonPath.replaceAll("'", "''")}')`,
    type: leaf.type,
    primary_key: false,
    unique: false,
    ...(description !== undefined && { description }),
    hidden: false,
    ...(format !== undefined && { format: { type: format } }),
    meta: { derived_from: parent.name, json_path: leaf.jsonPath, ...(leaf.hasLists && { json_list: true }) },
  };
}

/** `key` as a part of a name that can stand in a query. */
function identifier(key: string): string {
  const plain = key.replaceAll(/[^A-Za-z0-9_]/g, '_');
  return /^[A-Za-z_]/.test(plain) ? plain : `_${plain}`;
}

const columnSql = (sql: string): string =>
  /^[A-Za-z_][A-Za-z0-9_]*$/.test(sql) ? sql : `"${sql.replaceAll('"', '""')}"`;

/** The text for the leaf at `path`; keys are matched as they are, else without case. */
function leafMeaning(fields: FieldsMeaning, path: readonly string[]): string | undefined {
  let part: string | FieldsMeaning | undefined = fields;
  for (const key of path) {
    if (typeof part !== 'object') return undefined;
    const level: FieldsMeaning = part;
    const match = Object.hasOwn(level, key)
      ? key
      : Object.keys(level).find((name) => name.toLowerCase() === key.toLowerCase());
    part = match === undefined ? undefined : level[match];
  }
  const text = typeof part === 'string' ? part.trim() : '';
  return text === '' ? undefined : text;
}

/** Meanings by table and column, without case; the prefix of a key is not always the database's name. */
class MeaningIndex {
  readonly #byColumn = new Map<string, { key: string; meaning: ColumnMeaning }>();
  readonly #unused: Set<string>;

  constructor(meanings: ColumnMeanings) {
    this.#unused = new Set(Object.keys(meanings));
    for (const [key, meaning] of Object.entries(meanings)) {
      const [, table, ...column] = key.toLowerCase().split('|');
      const place = `${table}|${column.join('|')}`;
      if (!this.#byColumn.has(place)) this.#byColumn.set(place, { key, meaning });
    }
  }

  take(table: string, column: string): ColumnMeaning | undefined {
    const entry = this.#byColumn.get(`${table}|${column}`.toLowerCase());
    if (entry !== undefined) this.#unused.delete(entry.key);
    return entry?.meaning;
  }

  unused(): string[] {
    return [...this.#unused];
  }
}
