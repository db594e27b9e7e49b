/** A resolved expression as SLayer wants it: SQL of a column with joined models by dotted path, or a measure's formula. */
import { walk, type Expr } from './ast.ts';
import { keyedSubquery, pathTo, type ExpansionContext } from './expansion.ts';
import { isReserved } from './naming.ts';
import { writeSql } from './sql-writer.ts';

/** `sql` of a column of `host`. */
export function columnSql(expr: Expr, host: string, context: ExpansionContext): string {
  const sql = writeSql(expr, {
    column: ({ model, column }) =>
      [...pathTo(context.graph, host, model).map(({ to }) => to), column].map(identifier).join('.'),
    aggregate: (aggregate) => keyedSubquery(aggregate, host, context),
  });
  return sql.startsWith('(') && !sql.startsWith('(SELECT') && closes(sql) ? sql.slice(1, -1) : sql;
}

/** `formula` of a measure, or undefined when its arithmetic is more than a formula takes. */
export function measureFormula(expr: Expr): string | undefined {
  if (!isFormula(expr) || [...walk(expr)].some((node) => node.kind === 'column' && !isPlain(node.ref.column)))
    return undefined;
  const names = {
    column: ({ column }: { column: string }) => column,
    aggregate: (node: Expr & { kind: 'aggregate' }): string => {
      if (node.arg === undefined && node.set.where === undefined) return 'count(*)';
      const arg = node.arg === undefined ? '1' : writeSql(node.arg, names);
      if (node.set.where === undefined) return `${node.fn.toUpperCase()}(${arg})`;
      return `SUM(CASE WHEN ${writeSql(node.set.where, names)} THEN ${arg} ELSE 0 END)`;
    },
  };
  const write = (part: Expr): string => {
    if (part.kind !== 'arithmetic') return part.kind === 'aggregate' ? names.aggregate(part) : writeSql(part, names);
    return part.op === '/'
      ? `(${write(part.left)} * 1.0 / ${write(part.right)})`
      : `(${write(part.left)} ${part.op} ${write(part.right)})`;
  };
  const formula = write(expr);
  return formula.startsWith('(') && closes(formula) ? formula.slice(1, -1) : formula;
}

const isPlain = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name) && !isReserved(name);
const identifier = (name: string): string => (isPlain(name) ? name : `"${name.replaceAll('"', '""')}"`);

function isFormula(expr: Expr): boolean {
  if (expr.kind === 'number' || expr.kind === 'aggregate') return true;
  if (expr.kind === 'negate') return isFormula(expr.arg);
  return expr.kind === 'arithmetic' && expr.op !== '^' && isFormula(expr.left) && isFormula(expr.right);
}

/** Whether the bracket that opens `text` is closed only at its end. */
function closes(text: string): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === "'") isText = !isText;
    if (isText) continue;
    if (char === '(') depth += 1;
    else if (char === ')' && --depth === 0) return at === text.length - 1;
  }
  return false;
}
