/**
 * An expression laid open for the database itself: derived columns replaced by what they stand for, joins spelled out.
 * It is how an entity is executed before it counts, without SLayer.
 */
import { mapChildren, type Aggregate, type ColumnRef, type Expr } from './ast.ts';
import type { Hop, JoinGraph } from './joins.ts';
import type { Derived } from './knowledge-index.ts';
import { physicalSql, quoted, type SchemaIndex } from './schema-index.ts';
import { writeSql } from './sql-writer.ts';

export interface ExpansionContext {
  readonly index: SchemaIndex;
  readonly graph: JoinGraph;
  readonly derivedOf: (model: string, column: string) => Derived | undefined;
}

/** One expression over base columns; in its refs `model` is an alias of the query. */
export class Expansion {
  readonly expr: Expr;
  /** Base columns by `<alias>.<column>`: their SQL. */
  readonly columns = new Map<string, string>();
  readonly #joins = new Map<string, { alias: string; sql: string }>();
  readonly #context: ExpansionContext;
  readonly #host: string;

  constructor(expr: Expr, host: string, context: ExpansionContext) {
    this.#context = context;
    this.#host = host;
    this.expr = this.#open(expr, host, 'r');
  }

  /** `FROM … LEFT JOIN …`, complete. */
  get from(): string {
    const joins = [...this.#joins.values()].map(({ sql }) => sql);
    return [`FROM ${this.#table(this.#host)} AS r`, ...joins].join(' ');
  }

  /** The expression as SQL for `SELECT … ${from}`. */
  get sql(): string {
    return writeSql(this.expr, {
      column: ({ model, column }) => this.columns.get(`${model}.${column}`)!,
      aggregate: (aggregate) => this.aggregateSql(aggregate),
    });
  }

  /** The column of the last step of a path from the host, which names the row at its end. */
  keyAt(hops: readonly Hop[]): string {
    const last = hops.at(-1)!;
    return `${this.#walk(this.#host, last.from, 'r')}.${quoted(last.pairs[0]![0])}`;
  }

  aggregateSql(aggregate: Aggregate): string {
    return keyedSubquery(aggregate, 'r', this.#context);
  }

  #table(model: string): string {
    return quoted(this.#context.index.model(model)!.sql_table!);
  }

  #open(expr: Expr, model: string, alias: string): Expr {
    if (expr.kind === 'aggregate') return expr;
    if (expr.kind !== 'column') return mapChildren(expr, (part) => this.#open(part, model, alias));
    const { ref } = expr;
    const at = this.#walk(model, ref.model, alias);
    const derived = this.#context.derivedOf(ref.model, ref.column);
    if (derived !== undefined) return this.#open(derived.expr, ref.model, at);
    this.columns.set(`${at}.${ref.column}`, physicalSql(this.#context.index.get(ref)!.sql, at));
    return { kind: 'column', ref: { model: at, column: ref.column } };
  }

  /** The alias of `to` as seen from a row of `from`. */
  #walk(from: string, to: string, alias: string): string {
    let at = alias;
    for (const hop of pathTo(this.#context.graph, from, to)) {
      const key = `${at}>${hop.to}`;
      let join = this.#joins.get(key);
      if (join === undefined) {
        const next = `j${this.#joins.size + 1}`;
        const on = hop.pairs.map(([a, b]) => `${at}.${quoted(a)} = ${next}.${quoted(b)}`).join(' AND ');
        join = { alias: next, sql: `LEFT JOIN ${this.#table(hop.to)} AS ${next} ON ${on}` };
        this.#joins.set(key, join);
      }
      at = join.alias;
    }
    return at;
  }
}

/** The hops that hosting relied on: foreign keys alone if they suffice. */
export function pathTo(graph: JoinGraph, from: string, to: string): readonly Hop[] {
  const forward = graph.path(from, to, false);
  const path = forward.kind === 'path' ? forward : graph.path(from, to, true);
  if (path.kind !== 'path') throw new Error(`${to} is not reached from ${from}`);
  return path.hops;
}

/**
 * A total per entity: the totals of all entities, of which the host's is taken. Written this way round the table is read
 * once, not once a row. An entity without rows has no sum (NULL), and the count 0.
 */
export function keyedSubquery(aggregate: Aggregate, host: string, context: ExpansionContext): string {
  const { table, key, where, via } = aggregate.set;
  if (via !== undefined) return lookupSubquery(aggregate, via, host, context);
  const { index, graph } = context;
  const column = index.match(key!, table)!.columns[0]!;
  const hop = graph.target(table, column.ref.column)!;
  const names = {
    column: (ref: ColumnRef) => physicalSql(index.get(ref)!.sql, 'of_it'),
    aggregate: () => {
      throw new Error('a total inside a total');
    },
  };
  const value = aggregate.arg === undefined ? '*' : writeSql(aggregate.arg, names);
  const [[source, target]] = hop.pairs as [readonly [string, string]];
  const id = `of_it.${quoted(source)}`;
  const filter = where === undefined ? '' : ` WHERE ${writeSql(where, names)}`;
  const from = `${quoted(index.model(table)!.sql_table!)} AS of_it${filter}`;
  const all = `SELECT ${id} AS id, ${aggregate.fn.toUpperCase()}(${value}) AS total FROM ${from} GROUP BY ${id}`;
  const one = `(SELECT of_all.total FROM (${all}) AS of_all WHERE of_all.id = ${host}.${quoted(target)})`;
  return aggregate.fn === 'count' ? `COALESCE(${one}, 0)` : one;
}

/** The value on the one row of a table that leads to the host's row. */
function lookupSubquery({ set, arg }: Aggregate, via: readonly Hop[], host: string, context: ExpansionContext): string {
  const inner = new Expansion(arg!, set.table, context);
  const id = inner.keyAt(via);
  const all = `SELECT ${id} AS id, MAX(${inner.sql}) AS total ${inner.from} GROUP BY ${id}`;
  return `(SELECT of_all.total FROM (${all}) AS of_all WHERE of_all.id = ${host}.${quoted(via.at(-1)!.pairs[0]![1])})`;
}
