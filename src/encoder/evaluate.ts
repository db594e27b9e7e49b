/**
 * Calculates a resolved expression from the raw values of one row, in JavaScript: the check that the SQL written from the
 * same expression means what the expression means. Three-valued as SQL is: null is unknown.
 */
import { unknownsOf, type Aggregate, type ColumnRef, type Expr } from './ast.ts';

export type Value = number | string | boolean | null;

export interface RowValues {
  column(ref: ColumnRef): Value;
  aggregate(expr: Aggregate): Value;
  /** The day that `today` is, as `YYYY-MM-DD`. */
  readonly today: string;
}

/** The expression's value; null where SQL says NULL. */
export function evaluate(expr: Expr, row: RowValues): Value {
  const of = (part: Expr): Value => evaluate(part, row);
  switch (expr.kind) {
    case 'number':
    case 'text':
    case 'boolean':
      return expr.value;
    case 'today':
      return row.today;
    case 'column':
      return row.column(expr.ref);
    case 'aggregate':
      return row.aggregate(expr);
    case 'negate':
      return onNumbers([of(expr.arg)], ([x]) => -x!);
    case 'arithmetic':
      return onNumbers([of(expr.left), of(expr.right)], ([a, b]) => calculate(expr.op, a!, b!));
    case 'call':
      return call(expr.fn, expr.args.map(of));
    case 'compare':
      return compare(expr.op, of(expr.left), of(expr.right));
    case 'not': {
      const value = of(expr.arg);
      return value === null ? null : !isTrue(value);
    }
    case 'logic': {
      const values = expr.args.map(of);
      const decisive = expr.op === 'or';
      if (values.some((value) => value !== null && isTrue(value) === decisive)) return decisive;
      return values.includes(null) ? null : !decisive;
    }
    case 'in': {
      const value = of(expr.arg);
      return value === null ? null : expr.values.some((one) => of(one) === value);
    }
    case 'contains': {
      const value = of(expr.arg);
      return value === null ? null : String(value).includes(expr.text);
    }
    case 'isNull':
      return of(expr.arg) === null;
    case 'cases': {
      const branch = expr.branches.find(({ when }) => isTrue(of(when)));
      if (branch !== undefined) return of(branch.value);
      if (expr.otherwise === undefined || unknownsOf(expr).some((part) => of(part) === null)) return null;
      return of(expr.otherwise);
    }
    case 'name':
    case 'percent':
      throw new Error(`${expr.kind} was never resolved`);
  }
}

const isTrue = (value: Value): boolean => value !== null && value !== false && value !== 0;

function onNumbers(values: readonly Value[], use: (numbers: number[]) => number): number | null {
  if (values.includes(null)) return null;
  const result = use(values.map(Number));
  return Number.isFinite(result) ? result : null;
}

function calculate(op: '+' | '-' | '*' | '/' | '^', a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '^':
      return a ** b;
  }
}

const SCALARS: Readonly<Record<string, (...numbers: number[]) => number>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  days: Math.trunc,
  exp: Math.exp,
  floor: Math.floor,
  ln: Math.log,
  log10: Math.log10,
  max: Math.max,
  min: Math.min,
  number: Number,
  sqrt: Math.sqrt,
};

function call(fn: string, args: readonly Value[]): Value {
  if (args.includes(null)) return null;
  const [first] = args;
  if (fn === 'trim') return String(first).replace(/ +$/, '');
  if (fn === 'day') return Date.parse(isoDate(String(first))) / 86_400_000 + 2_440_587.5;
  const result = SCALARS[fn]?.(...args.map(Number));
  if (result === undefined) throw new Error(`${fn} was never resolved`);
  return Number.isFinite(result) ? result : null;
}

/** A date or time of SQLite as one of UTC. */
function isoDate(text: string): string {
  return text.length <= 10 ? `${text}T00:00:00Z` : `${text.trim().replace(' ', 'T').replace(/Z?$/, 'Z')}`;
}

function compare(op: string, a: Value, b: Value): boolean | null {
  if (a === null || b === null) return null;
  const [left, right] = [typeof a === 'boolean' ? Number(a) : a, typeof b === 'boolean' ? Number(b) : b];
  switch (op) {
    case '=':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}
