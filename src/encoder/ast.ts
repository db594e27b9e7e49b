/**
 * What a definition says, as a tree. The parser leaves `name` nodes; resolving replaces each by the column, count of rows
 * or text that it stands for. Writing SQL and evaluating both walk this tree and nothing else.
 */

import type { Hop } from './joins.ts';

/** A column of a model, base, JSON leaf or derived. */
export interface ColumnRef {
  readonly model: string;
  readonly column: string;
}

export type ArithmeticOp = '+' | '-' | '*' | '/' | '^';
export type CompareOp = '=' | '!=' | '<' | '<=' | '>' | '>=';
/**
 * Scalar functions. `day` is a date as a number of days, `days` the whole days of a difference; `number` reads a text that
 * holds a number; `trim` takes blanks off the end; `log` has no base and `truth` is a yes/no by name: neither outlives
 * resolving.
 */
export type FunctionName =
  | 'abs'
  | 'ceil'
  | 'day'
  | 'days'
  | 'exp'
  | 'floor'
  | 'ln'
  | 'log'
  | 'log10'
  | 'max'
  | 'min'
  | 'number'
  | 'sqrt'
  | 'trim'
  | 'truth';
export type AggregateName = 'avg' | 'count' | 'max' | 'min' | 'sum';

export interface Branch {
  readonly when: Expr;
  readonly value: Expr;
}

export type Expr =
  | { readonly kind: 'number'; readonly value: number }
  /** `50%`: what it is compared with decides whether that is 50 or 0.5. */
  | { readonly kind: 'percent'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** The day on which the query runs. */
  | { readonly kind: 'today' }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'column'; readonly ref: ColumnRef }
  | { readonly kind: 'negate'; readonly arg: Expr }
  | { readonly kind: 'not'; readonly arg: Expr }
  | { readonly kind: 'arithmetic'; readonly op: ArithmeticOp; readonly left: Expr; readonly right: Expr }
  | { readonly kind: 'compare'; readonly op: CompareOp; readonly left: Expr; readonly right: Expr }
  | { readonly kind: 'logic'; readonly op: 'and' | 'or'; readonly args: readonly Expr[] }
  | { readonly kind: 'in'; readonly arg: Expr; readonly values: readonly Expr[] }
  | { readonly kind: 'contains'; readonly arg: Expr; readonly text: string }
  | { readonly kind: 'isNull'; readonly arg: Expr }
  | { readonly kind: 'call'; readonly fn: FunctionName; readonly args: readonly Expr[] }
  /** The first branch that holds; without one, `otherwise`, and without that, NULL. */
  | { readonly kind: 'cases'; readonly branches: readonly Branch[]; readonly otherwise?: Expr }
  | Aggregate;

/** Over the rows of `set`; without `arg` the number of rows. */
export interface Aggregate {
  readonly kind: 'aggregate';
  readonly fn: AggregateName;
  readonly set: RowSet;
  readonly arg?: Expr;
}

/** Rows of a table as a definition writes them: `{v in table | key = R}`. */
export interface RowSet {
  readonly table: string;
  /** The letter for one row, where there is one. */
  readonly variable?: string;
  /** The column that is held to the entity in question, as written. */
  readonly key?: string;
  /** Instead of `key`: the foreign keys that lead a row to the host. Each host row has one row at most; its value is meant. */
  readonly via?: readonly Hop[];
  /** Which rows count; all where absent. */
  readonly where?: Expr;
}

/** The parts of a node. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'negate':
    case 'not':
    case 'contains':
    case 'isNull':
      return [expr.arg];
    case 'arithmetic':
    case 'compare':
      return [expr.left, expr.right];
    case 'logic':
    case 'call':
      return expr.args;
    case 'in':
      return [expr.arg, ...expr.values];
    case 'cases':
      return [
        ...expr.branches.flatMap(({ when, value }) => [when, value]),
        ...(expr.otherwise === undefined ? [] : [expr.otherwise]),
      ];
    case 'aggregate':
      return [expr.arg, expr.set.where].filter((part) => part !== undefined);
    default:
      return [];
  }
}

/** A copy whose parts have gone through `change`; nodes without parts come back as they are. */
export function mapChildren(expr: Expr, change: (part: Expr) => Expr): Expr {
  switch (expr.kind) {
    case 'negate':
    case 'not':
    case 'contains':
    case 'isNull':
      return { ...expr, arg: change(expr.arg) };
    case 'arithmetic':
    case 'compare':
      return { ...expr, left: change(expr.left), right: change(expr.right) };
    case 'logic':
    case 'call':
      return { ...expr, args: expr.args.map(change) };
    case 'in':
      return { ...expr, arg: change(expr.arg), values: expr.values.map(change) };
    case 'cases':
      return {
        ...expr,
        branches: expr.branches.map(({ when, value }) => ({ when: change(when), value: change(value) })),
        ...(expr.otherwise !== undefined && { otherwise: change(expr.otherwise) }),
      };
    case 'aggregate':
      return {
        ...expr,
        ...(expr.arg !== undefined && { arg: change(expr.arg) }),
        set: { ...expr.set, ...(expr.set.where !== undefined && { where: change(expr.set.where) }) },
      };
    default:
      return expr;
  }
}

/** Every node, parents before their parts. */
export function* walk(expr: Expr): Generator<Expr> {
  yield expr;
  for (const part of childrenOf(expr)) yield* walk(part);
}

/**
 * What a case list compares with numbers or dates. Where one of them is NULL no branch can be decided by it, so the value
 * for "otherwise" is not taken either: the result is NULL. A text that is NULL is just another value.
 */
export function unknownsOf(cases: Expr & { kind: 'cases' }): Expr[] {
  const found = new Map<string, Expr>();
  const isText = (side: Expr): boolean => side.kind === 'text' || (side.kind === 'call' && side.fn === 'trim');
  for (const { when } of cases.branches) {
    for (const node of walk(when)) {
      if (node.kind !== 'compare' || isText(node.left) || isText(node.right)) continue;
      for (const side of [node.left, node.right]) {
        if (side.kind !== 'number' && side.kind !== 'today') found.set(JSON.stringify(side), side);
      }
    }
  }
  return [...found.values()];
}
