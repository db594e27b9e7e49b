/**
 * Writes a resolved expression as SQL that SQLite and SLayer read alike. Who calls says how a column and an aggregate are
 * written there.
 *
 * Meanings: division is of reals, and by zero NULL; a logarithm, root or power outside its domain is NULL (the functions
 * that SLayer registers would fail the whole query); NULL in a calculation is NULL.
 */
import type { Aggregate, ColumnRef, Expr } from './ast.ts';
import { unknownsOf } from './ast.ts';

export interface SqlNames {
  column(ref: ColumnRef): string;
  aggregate(expr: Aggregate): string;
}

/** EXP of more than this is no double. */
const MAX_EXPONENT = 700;

export function writeSql(expr: Expr, names: SqlNames): string {
  const sql = (part: Expr): string => writeSql(part, names);
  switch (expr.kind) {
    case 'number':
      return expr.value < 0 ? `(${numeral(expr.value)})` : numeral(expr.value);
    case 'text':
      return textLiteral(expr.value);
    case 'boolean':
      return expr.value ? '1' : '0';
    case 'today':
      return 'CURRENT_DATE';
    case 'column':
      return names.column(expr.ref);
    case 'aggregate':
      return names.aggregate(expr);
    case 'negate':
      return `(-${sql(expr.arg)})`;
    case 'arithmetic':
      return arithmetic(expr, sql);
    case 'call':
      return call(expr, sql);
    case 'compare':
      return `(${sql(expr.left)} ${expr.op === '!=' ? '<>' : expr.op} ${sql(expr.right)})`;
    case 'logic':
      return `(${expr.args.map(sql).join(expr.op === 'and' ? ' AND ' : ' OR ')})`;
    case 'not':
      return `(NOT ${sql(expr.arg)})`;
    case 'in':
      return `(${sql(expr.arg)} IN (${expr.values.map(sql).join(', ')}))`;
    case 'contains':
      return `(INSTR(${sql(expr.arg)}, ${textLiteral(expr.text)}) > 0)`;
    case 'isNull':
      return `(${sql(expr.arg)} IS NULL)`;
    case 'cases':
      return cases(expr, sql);
    case 'name':
    case 'percent':
      throw new Error(`${expr.kind} ${JSON.stringify(expr)} was never resolved`);
  }
}

/** A number as SQL reads it; whole ones stay whole. */
function numeral(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(20).replace(/0+$/, '0') : text;
}

export const textLiteral = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function arithmetic({ op, left, right }: Expr & { kind: 'arithmetic' }, sql: (part: Expr) => string): string {
  if (op === '^') return power(left, right, sql);
  if (op !== '/') return `(${sql(left)} ${op} ${sql(right)})`;
  if (right.kind === 'number' && right.value !== 0) {
    const by = Number.isInteger(right.value) ? `${numeral(right.value)}.0` : numeral(right.value);
    return `(${sql(left)} / ${by})`;
  }
  return `(CAST(${sql(left)} AS REAL) / NULLIF(${sql(right)}, 0))`;
}

function power(base: Expr, exponent: Expr, sql: (part: Expr) => string): string {
  const by =
    exponent.kind === 'negate' && exponent.arg.kind === 'number'
      ? -exponent.arg.value
      : exponent.kind === 'number'
        ? exponent.value
        : undefined;
  if (by === undefined) return `(CASE WHEN ${sql(base)} > 0 THEN POWER(${sql(base)}, ${sql(exponent)}) END)`;
  if (base.kind === 'number') return numeral(base.value ** by);
  if (by === -1) return `(1.0 / NULLIF(${sql(base)}, 0))`;
  if (by < 0) return `(1.0 / NULLIF(POWER(${sql(base)}, ${numeral(-by)}), 0))`;
  if (Number.isInteger(by)) return `POWER(${sql(base)}, ${numeral(by)})`;
  return `(CASE WHEN ${sql(base)} >= 0 THEN POWER(${sql(base)}, ${numeral(by)}) END)`;
}

function call({ fn, args }: Expr & { kind: 'call' }, sql: (part: Expr) => string): string {
  const [first] = args.map(sql) as [string];
  switch (fn) {
    case 'abs':
      return `ABS(${first})`;
    case 'ceil':
    case 'floor':
      return `(CASE WHEN ${first} IS NOT NULL THEN ${fn.toUpperCase()}(${first}) END)`;
    case 'day':
      return `JULIANDAY(${first})`;
    case 'days':
      return `CAST(${first} AS INTEGER)`;
    case 'exp':
      return `(CASE WHEN ${first} < ${MAX_EXPONENT} THEN EXP(${first}) END)`;
    case 'ln':
    case 'log10':
      return `(CASE WHEN ${first} > 0 THEN ${fn.toUpperCase()}(${first}) END)`;
    case 'max':
    case 'min':
      return args.length === 1 ? first : `${fn.toUpperCase()}(${args.map(sql).join(', ')})`;
    case 'number':
      return `CAST(${first} AS REAL)`;
    case 'sqrt':
      return `(CASE WHEN ${first} >= 0 THEN SQRT(${first}) END)`;
    case 'trim':
      return `RTRIM(${first})`;
    case 'log':
    case 'truth':
      throw new Error(`${fn} was never resolved`);
  }
}

function cases(expr: Expr & { kind: 'cases' }, sql: (part: Expr) => string): string {
  const lines = expr.branches.map(({ when, value }) => `WHEN ${sql(when)} THEN ${sql(value)}`);
  if (expr.otherwise !== undefined) {
    const unknowns = unknownsOf(expr);
    if (unknowns.length > 0)
      lines.push(`WHEN ${unknowns.map((part) => `${sql(part)} IS NULL`).join(' OR ')} THEN NULL`);
    lines.push(`ELSE ${sql(expr.otherwise)}`);
  }
  return `(CASE ${lines.join(' ')} END)`;
}
