/**
 * Turns a parsed expression into one over columns, where it calculates: every part must be a number, or dates that are
 * subtracted. What compares is read by `resolve.ts`, which extends this.
 */
import type { Expr } from './ast.ts';
import type { ValueKind } from './knowledge-index.ts';
import { where, type Lookup } from './lookup.ts';
import type { ColumnInfo } from './schema-index.ts';

const ISO_DATE = "x GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' AND julianday(x) IS NOT NULL";
/** Nodes that are yes or no. */
export const LOGICAL: ReadonlySet<Expr['kind']> = new Set([
  'compare',
  'logic',
  'in',
  'not',
  'contains',
  'isNull',
  'boolean',
]);

export abstract class NumberResolver {
  protected readonly lookup: Lookup;
  readonly #open = new Set<string>();
  #within: string | undefined;

  constructor(lookup: Lookup) {
    this.lookup = lookup;
  }

  /** `expr` as a condition. */
  abstract condition(expr: Expr): Expr;
  /** A name that says yes or no. */
  protected abstract truth(expr: Expr): Expr;

  /** `expr` as a number; issues go to the lookup, and what could not be resolved stays a name. */
  number(expr: Expr): Expr {
    switch (expr.kind) {
      case 'number':
        return expr;
      case 'percent':
        return this.bad(expr, `${expr.value}%`, 'a percentage is meant of something that is not said');
      case 'name':
        return this.name(expr.name, true);
      case 'arithmetic':
        return this.arithmetic(expr);
      case 'call':
        return this.call(expr);
      case 'negate':
        return { kind: 'negate', arg: this.number(expr.arg) };
      case 'cases':
        return {
          kind: 'cases',
          branches: expr.branches.map(({ when, value }) => ({ when: this.condition(when), value: this.number(value) })),
          ...(expr.otherwise !== undefined && { otherwise: this.number(expr.otherwise) }),
        };
      case 'aggregate':
        return this.aggregate(expr);
      case 'column':
        return expr;
      default:
        return this.bad(expr, expr.kind, 'a condition or text stands where a number is calculated');
    }
  }

  /** A side of a comparison. */
  value(expr: Expr): Expr {
    if (expr.kind === 'text' || expr.kind === 'today' || expr.kind === 'percent' || expr.kind === 'boolean')
      return expr;
    return expr.kind === 'name' ? this.name(expr.name, false) : this.number(expr);
  }

  kindOf(expr: Expr): ValueKind {
    if (expr.kind === 'text') return 'text';
    if (expr.kind === 'today') return 'date';
    if (LOGICAL.has(expr.kind)) return 'boolean';
    if (expr.kind === 'call' && expr.fn === 'trim') return 'text';
    if (expr.kind !== 'column') return 'number';
    const info = this.lookup.index.get(expr.ref);
    if (info !== undefined) return this.kindOfColumn(info);
    return [...this.lookup.derived.values()].find(({ ref }) => sameRef(ref, expr.ref))?.value ?? 'number';
  }

  protected kindOfColumn(info: ColumnInfo): ValueKind {
    if (info.type === 'BOOLEAN') return 'boolean';
    if (info.type === 'DATE' || info.type === 'TIMESTAMP') return 'date';
    if (info.type !== 'TEXT') return 'number';
    return this.lookup.index.every(info.ref, ISO_DATE) ? 'date' : 'text';
  }

  protected name(name: string, asNumber: boolean): Expr {
    const unresolved: Expr = { kind: 'name', name };
    const found = this.lookup.find(name, { asNumber, within: this.#within });
    if (found === undefined) return unresolved;
    switch (found.kind) {
      case 'local': {
        if (this.#open.has(name)) return this.bad(unresolved, name, 'it is defined by itself');
        this.#open.add(name);
        const expr = LOGICAL.has(found.expr.kind) ? this.condition(found.expr) : this.number(found.expr);
        this.#open.delete(name);
        return expr;
      }
      case 'derived':
        if (found.derived.kind === 'measure') return found.derived.expr;
        if (asNumber && found.derived.value === 'text') return this.bad(unresolved, name, 'its values are texts');
        return { kind: 'column', ref: found.derived.ref };
      case 'mapped':
        return found.expr;
      case 'column':
        return asNumber ? this.asNumber(found.column, name) : { kind: 'column', ref: found.column.ref };
    }
  }

  protected asNumber(column: ColumnInfo, term: string): Expr {
    const expr: Expr = { kind: 'column', ref: column.ref };
    const kind = this.kindOfColumn(column);
    if (kind === 'number' || kind === 'boolean') return expr;
    if (kind === 'text') {
      const values = this.lookup.index.values(column.ref);
      if (
        values?.length &&
        values.every((value) => typeof value === 'number' || /^-?\d+(?:\.\d+)?$/.test(String(value).trim()))
      ) {
        return { kind: 'call', fn: 'number', args: [expr] };
      }
    }
    const shown = (this.lookup.index.values(column.ref) ?? []).slice(0, 5).map(String);
    return this.bad(
      expr,
      term,
      `${where(column)} holds ${kind === 'date' ? 'dates' : 'texts'}, and no number is given for them`,
      shown,
    );
  }

  protected arithmetic(expr: Expr & { kind: 'arithmetic' }): Expr {
    if (expr.op === '-') {
      const days = this.dayDifference(expr.left, expr.right);
      if (days !== undefined) return days;
    }
    if (expr.op === '*' && expr.right.kind === 'percent' && expr.right.value === 100) {
      return { ...expr, left: this.number(expr.left), right: { kind: 'number', value: 100 } };
    }
    return { ...expr, left: this.number(expr.left), right: this.number(expr.right) };
  }

  /** Days between two dates, where both sides are dates. */
  protected dayDifference(left: Expr, right: Expr): Expr | undefined {
    const isDate = (side: Expr): boolean => {
      if (side.kind === 'today') return true;
      if (side.kind !== 'name') return false;
      const column = this.lookup.index.match(side.name)?.columns;
      return column?.length === 1 && this.kindOfColumn(column[0]!) === 'date';
    };
    if (!isDate(left) || !isDate(right)) return undefined;
    const day = (side: Expr): Expr => ({ kind: 'call', fn: 'day', args: [this.value(side)] });
    return { kind: 'arithmetic', op: '-', left: day(left), right: day(right) };
  }

  protected call(expr: Expr & { kind: 'call' }): Expr {
    if (expr.fn === 'log')
      return this.bad(expr, 'log', 'the base of the logarithm is not given', ['ln (natural)', 'log10']);
    if (expr.fn === 'truth') return this.truth(expr.args[0]!);
    const [only] = expr.args;
    if (expr.fn === 'abs' && only?.kind === 'name' && this.isTable(only.name)) {
      return this.aggregate({ kind: 'aggregate', fn: 'count', set: { table: only.name } });
    }
    return { ...expr, args: expr.args.map((arg) => this.number(arg)) };
  }

  /** `|t|` is the number of rows of a table, unless `t` is a column too. */
  protected isTable(name: string): boolean {
    return this.lookup.index.table(name) !== undefined && this.lookup.index.match(name)?.tier !== 'name';
  }

  protected aggregate(expr: Expr & { kind: 'aggregate' }): Expr {
    const outer = this.#within;
    const table = expr.set.table === '' ? undefined : this.lookup.index.table(expr.set.table);
    if (table === undefined && expr.set.table !== '') {
      return this.bad(expr, expr.set.table, 'no table has this name');
    }
    this.#within = table?.name;
    const arg = expr.arg === undefined ? undefined : this.number(expr.arg);
    const condition = expr.set.where === undefined ? undefined : this.condition(expr.set.where);
    this.#within = outer;
    return {
      ...expr,
      ...(arg !== undefined && { arg }),
      set: { ...expr.set, table: table?.name ?? '', ...(condition !== undefined && { where: condition }) },
    };
  }

  protected bad(expr: Expr, term: string, reason: string, candidates: readonly string[] = []): Expr {
    this.lookup.issue(term, reason, candidates);
    return expr;
  }
}

/** Whether two refs are one column. */
export const sameRef = (a: { model: string; column: string }, b: { model: string; column: string }): boolean =>
  a.model === b.model && a.column === b.column;
