/**
 * Executes what an item would leave, on the database, before it counts: it must run, have a value on some row, and on
 * sampled rows agree with the same expression calculated in JavaScript.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

import { writeSql, type SqlNames } from './sql-writer.ts';
import { evaluate, type Value } from './evaluate.ts';
import { Expansion, type ExpansionContext } from './expansion.ts';
import { walk, type Expr } from './ast.ts';
import { physicalSql, quoted } from './schema-index.ts';

const SAMPLE = 60;
/** The sample is taken from this many rows at most. */
const MAX_READ = 20_000;
const TOLERANCE = 1e-9;

export type Verdict =
  | {
      readonly kind: 'good';
      readonly rows: number;
      readonly nonNull: number;
      readonly sampled: number;
      readonly sql: string;
    }
  | { readonly kind: 'bad'; readonly reason: string; readonly sql: string };

/** A column of `host`, value by value. */
export function validateColumn(database: DatabaseSync, expr: Expr, host: string, context: ExpansionContext): Verdict {
  const expansion = new Expansion(expr, host, context);
  const { sql, from } = expansion;
  const shown = `SELECT ${sql} AS v ${from}`;
  const aggregates = [...walk(expansion.expr)].filter((node) => node.kind === 'aggregate');
  const parts = [...expansion.columns.values(), ...aggregates.map((aggregate) => expansion.aggregateSql(aggregate))];
  const keys = [...expansion.columns.keys()];
  const { n } = database.prepare(`SELECT COUNT(*) AS n ${from}`).get() as { n: number };
  const step = Math.max(1, Math.floor(Math.min(n, MAX_READ) / SAMPLE));
  const selected = parts.map((part, at) => `, ${part} AS p${at}`).join('');
  const statement = database.prepare(`SELECT ${sql} AS v${selected}, date() AS today ${from} LIMIT ${MAX_READ}`);
  const rows: Record<string, unknown>[] = [];
  let at = 0;
  for (const row of statement.iterate()) {
    if (at % step === 0) rows.push(row);
    at += 1;
  }
  for (const row of rows) {
    const expected = evaluate(expansion.expr, {
      today: String(row['today']),
      column: ({ model, column }) => row[`p${keys.indexOf(`${model}.${column}`)}`] as Value,
      aggregate: (aggregate) => row[`p${keys.length + aggregates.indexOf(aggregate)}`] as Value,
    });
    if (!agree(row['v'] as Value, expected)) {
      return {
        kind: 'bad',
        reason: `SQL says ${String(row['v'])} where the formula gives ${String(expected)}`,
        sql: shown,
      };
    }
  }
  const nonNull = countOf(database, sql, from);
  if (nonNull === 0) return { kind: 'bad', reason: `it is NULL on each of ${n} rows`, sql: shown };
  return { kind: 'good', rows: n, nonNull, sampled: rows.length, sql: shown };
}

function countOf(database: DatabaseSync, sql: string, from: string): number {
  return (database.prepare(`SELECT COUNT(${sql}) AS k ${from}`).get() as { k: number }).k;
}

/** Thrown for a measure of what is not in the host's own rows. */
class NotOwn extends Error {}

/** Columns of one model's rows, derived ones by what they stand for. */
function ownColumns(host: string, context: ExpansionContext): SqlNames {
  const names: SqlNames = {
    column: (ref) => {
      const derived = context.derivedOf(ref.model, ref.column);
      if (ref.model !== host || derived?.isLocal)
        throw new NotOwn(`${ref.model}.${ref.column} is no column of its rows`);
      return derived === undefined ? physicalSql(context.index.get(ref)!.sql, 'r') : writeSql(derived.expr, names);
    },
    aggregate: () => {
      throw new NotOwn('a total inside a total');
    },
  };
  return names;
}

/** A measure over all rows of `host`. */
export function validateMeasure(database: DatabaseSync, expr: Expr, host: string, context: ExpansionContext): Verdict {
  const rows = ownColumns(host, context);
  const aggregate = (node: Expr & { kind: 'aggregate' }): string => {
    const arg = node.arg === undefined ? '*' : writeSql(node.arg, rows);
    if (node.set.where === undefined) return `${node.fn.toUpperCase()}(${arg})`;
    return `SUM(CASE WHEN ${writeSql(node.set.where, rows)} THEN ${node.arg === undefined ? '1' : arg} ELSE 0 END)`;
  };
  const names = { ...rows, aggregate };
  const sql = `SELECT ${writeSql(expr, names)} AS v FROM ${quoted(context.index.model(host)!.sql_table!)} AS r`;
  const value = (database.prepare(sql).get() as { v: SQLInputValue }).v;
  if (value === null) return { kind: 'bad', reason: 'it is NULL over all rows', sql };
  return { kind: 'good', rows: 1, nonNull: 1, sampled: 1, sql };
}

/** A mean written as `sum / number of rows` whose sum leaves rows out, because they have no value; undefined when there is none. */
export function meanWithGaps(database: DatabaseSync, expr: Expr, context: ExpansionContext): string | undefined {
  for (const node of walk(expr)) {
    if (
      node.kind !== 'arithmetic' ||
      node.op !== '/' ||
      node.left.kind !== 'aggregate' ||
      node.right.kind !== 'aggregate'
    )
      continue;
    const { left: sum, right: count } = node;
    if (sum.fn !== 'sum' || sum.arg === undefined || count.fn !== 'count' || count.set.where !== undefined) continue;
    const table = sum.set.table;
    const refs = [...walk(sum.arg)].flatMap((part) => (part.kind === 'column' ? [part.ref] : []));
    if (table !== count.set.table || refs.some(({ model }) => model !== table)) continue;
    const sql = `SELECT 1 FROM ${quoted(context.index.model(table)!.sql_table!)} AS r WHERE ${writeSql(sum.arg, ownColumns(table, context))} IS NULL LIMIT 1`;
    if (database.prepare(sql).get() !== undefined) return table;
  }
  return undefined;
}

/** Whether two expressions have the same values on every row of `host` where both have one. */
export function agreeEverywhere(
  database: DatabaseSync,
  a: Expr,
  b: Expr,
  host: string,
  context: ExpansionContext,
): boolean {
  const pair = new Expansion({ kind: 'arithmetic', op: '-', left: a, right: b }, host, context);
  const scale = new Expansion({ kind: 'call', fn: 'abs', args: [a] }, host, context);
  const [difference, size] = [pair.sql, scale.sql];
  const sql = `SELECT 1 ${pair.from} WHERE ABS(${difference}) > 1e-6 * (1 + ${size}) LIMIT 1`;
  return database.prepare(sql).get() === undefined;
}

/** Equal up to rounding; SQL's 1 and 0 are true and false. */
export function agree(sql: Value, calculated: Value): boolean {
  const value = typeof calculated === 'boolean' ? Number(calculated) : calculated;
  if (typeof sql !== 'number' || typeof value !== 'number') return sql === value;
  return Math.abs(sql - value) <= TOLERANCE * Math.max(1, Math.abs(sql), Math.abs(value));
}
