/**
 * SLayer's models of an SQLite database, as the real tool (`slayer datasources create` + `slayer ingest`, 1.4.1) makes
 * them: for every table and view its columns, types, keys and joins (slayer-format §2). Pure introspection in the
 * calling thread.
 *
 * Not here: descriptions, JSON leaves and meta (`enrich.ts`).
 *
 * Invariant: `renderModel` of each model is, byte for byte, the file that the tool writes.
 */
import type { DatabaseSync } from 'node:sqlite';

import { columnKind } from './declared-type.ts';
import { foreignKeyJoins, modelColumn } from './foreign-keys.ts';
import type { TableKeys } from './foreign-keys.ts';
import { probeIntegers, quoted } from './integer-probe.ts';
import type { Column, Join, Model } from './model.ts';

/** Book-keeping tables of migration and load tools, which the tool hides; by lower-cased name. */
const INTERNAL_TABLES: Readonly<Record<string, string>> = {
  _fivetran_audit: 'fivetran',
  _fivetran_audit_warning: 'fivetran',
  flyway_schema_history: 'flyway',
  schema_version: 'flyway',
  databasechangelog: 'liquibase',
  databasechangeloglock: 'liquibase',
  alembic_version: 'alembic',
  django_migrations: 'django',
  schema_migrations: 'rails',
  ar_internal_metadata: 'rails',
  sequelizemeta: 'sequelize',
  pgmigrations: 'node-pg-migrate',
  __efmigrationshistory: 'entity-framework',
  __migrationhistory: 'entity-framework',
  knex_migrations: 'knex',
  knex_migrations_lock: 'knex',
};
const INTERNAL_PREFIXES: readonly (readonly [prefix: string, tool: string])[] = [
  ['_dlt_', 'dlt'],
  ['_airbyte_', 'airbyte'],
];

interface Table extends TableKeys {
  readonly kind: 'table' | 'view';
  readonly columns: readonly { readonly name: string; readonly declared: string; readonly isGenerated: boolean }[];
}

/**
 * The models of `database`, sorted by name.
 * @param dataSource the name under which the store knows the database
 * @throws the SQLite error of a table that cannot be read; a broken view is left out, as the tool does
 */
export function ingest(database: DatabaseSync, dataSource: string): Model[] {
  const tables = new Map(tablesOf(database).map((table) => [table.name, table]));
  const joins = foreignKeyJoins(database, tables);
  return [...tables.values()]
    .map((table) => modelOf(database, dataSource, table, joins.get(table.name) ?? []))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function tablesOf(database: DatabaseSync): Table[] {
  const objects = database
    .prepare(
      `SELECT name, type AS kind, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite~_%' ESCAPE '~'`,
    )
    .all() as unknown as readonly { name: string; kind: 'table' | 'view'; sql: string | null }[];
  const tables: Table[] = [];
  for (const { name, kind, sql } of objects) {
    if (!isModelName(name) || !isFileName(name)) continue;
    try {
      const shape = shapeOf(database, name);
      if (!shape.columns.every((column) => column.name.includes('.') || isModelName(column.name))) continue;
      tables.push({ name, kind, ddl: kind === 'table' ? (sql ?? '') : '', ...shape });
    } catch (error) {
      if (kind === 'table') throw error;
    }
  }
  return tables;
}

/** What may stand in a model's or a column's name; a table that has another is skipped as a whole, as the tool does. */
const isModelName = (name: string): boolean => !/[.:]|^__slayer_/.test(name);

/** Whether a model of that name can be a file of its folder. */
const isFileName = (name: string): boolean => !/[/\0]/.test(name);

function shapeOf(database: DatabaseSync, table: string): Pick<Table, 'columns' | 'primaryKey' | 'uniqueKeys'> {
  const rows = database.prepare(`PRAGMA table_xinfo(${quoted(table)})`).all() as unknown as readonly {
    name: string;
    type: string;
    pk: number;
    hidden: number;
  }[];
  const columns = rows.filter(({ hidden }) => hidden !== 1);
  const primaryKey = columns
    .filter(({ pk }) => pk > 0)
    .sort((a, b) => a.pk - b.pk)
    .map(({ name }) => name);
  return {
    columns: columns.map(({ name, type, hidden }) => ({ name, declared: type, isGenerated: hidden > 1 })),
    primaryKey,
    uniqueKeys: [...(primaryKey.length > 0 ? [primaryKey] : []), ...uniqueKeysOf(database, table)],
  };
}

/** UNIQUE constraints and unique indexes over whole tables and plain columns. */
function uniqueKeysOf(database: DatabaseSync, table: string): string[][] {
  const indexes = database.prepare(`PRAGMA index_list(${quoted(table)})`).all() as unknown as readonly {
    name: string;
    unique: number;
    origin: string;
    partial: number;
  }[];
  return indexes
    .filter(({ unique, origin, partial }) => unique === 1 && origin !== 'pk' && partial === 0)
    .map(
      ({ name }) =>
        database.prepare(`PRAGMA index_info(${quoted(name)})`).all() as unknown as { name: string | null }[],
    )
    .filter((parts): parts is { name: string }[] => parts.length > 0 && parts.every(({ name }) => name !== null))
    .map((parts) => parts.map(({ name }) => name));
}

function modelOf(database: DatabaseSync, dataSource: string, table: Table, joins: Join[]): Model {
  const columns = columnsOf(database, table);
  const tool = internalTool(table.name);
  return {
    version: 15,
    name: table.name,
    sql_table: table.name,
    source_kind: table.kind,
    query_variables: {},
    data_source: dataSource,
    columns,
    measures: [],
    aggregations: [],
    joins,
    filters: [],
    hidden: tool !== undefined,
    access_tags: [],
    ...(tool !== undefined && { meta: { internal_table: tool } }),
  };
}

function columnsOf(database: DatabaseSync, table: Table): Column[] {
  const solo = new Set(table.uniqueKeys.filter((key) => key.length === 1).map(([column]) => column));
  const kinds = table.columns
    // The tool leaves out what cannot be a column of a model.
    .filter(({ name }) => !name.includes('.'))
    .map(({ name, declared, isGenerated }) => ({ name, ...columnKind(declared, isGenerated) }));
  const integers = kinds.filter(({ type }) => type === 'INT').map(({ name }) => name);
  const probed = probeIntegers(database, table.name, integers);
  const probedType = new Map(integers.map((name, index) => [name, probed[index]!]));
  return kinds.map(({ name, type: declaredType, dbType }) => {
    const type = probedType.get(name) ?? declaredType;
    const isKey = table.primaryKey.includes(name);
    const format = type === 'INT' ? 'integer' : type === 'DOUBLE' ? 'float' : undefined;
    return {
      name: modelColumn(name),
      sql: name,
      type,
      ...(dbType !== undefined && { db_type: dbType }),
      primary_key: isKey,
      unique: !isKey && solo.has(name),
      hidden: false,
      ...(format !== undefined && { format: { type: format } }),
    };
  });
}

function internalTool(table: string): string | undefined {
  const name = table.toLowerCase();
  if (Object.hasOwn(INTERNAL_TABLES, name)) return INTERNAL_TABLES[name];
  return INTERNAL_PREFIXES.find(([prefix]) => name.startsWith(prefix))?.[1];
}
