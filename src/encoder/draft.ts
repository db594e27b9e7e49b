/** From a resolved expression to an entity: where it belongs, how SLayer writes it, and whether the database agrees. */
import type { ColumnType } from '../reference/model.ts';
import type { Expr } from './ast.ts';
import { columnsOutside, hostOf } from './hosting.ts';
import type { ValueKind } from './knowledge-index.ts';
import type { Lookup } from './lookup.ts';
import { deferred, type EntityDraft, type Outcome } from './outcome.ts';
import { overSiblings } from './siblings.ts';
import { columnSql, measureFormula } from './slayer-text.ts';
import { meanWithGaps, validateColumn, validateMeasure } from './validation.ts';
import type { Workbench } from './workbench.ts';

export function draftOutcome(resolved: Expr, value: ValueKind, lookup: Lookup, bench: Workbench): Outcome {
  const readings = [...lookup.readings.values()];
  let expr = resolved;
  let hosting = hostOf(expr, bench);
  if (hosting.kind === 'refused' && hosting.apart !== undefined) {
    const refs = columnsOutside(expr);
    const locals = new Set(
      refs.filter(({ model, column }) => bench.derivedOf(model, column)?.isLocal).map(({ model }) => model),
    );
    const siblings = overSiblings(expr, hosting.apart, locals, bench);
    if (siblings !== undefined) {
      expr = siblings.expr;
      hosting = { kind: 'column', host: siblings.host, isLocal: true };
    }
  }
  if (hosting.kind === 'refused') {
    const ways = hosting.candidates.length > 0 ? ` (${hosting.candidates.join('; ')})` : '';
    return deferred(hosting.reason, [`Which rows belong together? ${hosting.reason}${ways}.`], readings);
  }
  const { host } = hosting;
  const gaps = meanWithGaps(bench.database, expr, bench);
  if (gaps !== undefined) {
    const question = `Some rows of ${gaps} have no value: do they count among the rows that the mean is taken over?`;
    return deferred(`it is a mean over the rows of ${gaps}, and some have no value`, [question], readings);
  }
  const text = hosting.kind === 'column' ? columnSql(expr, host, bench) : measureFormula(expr);
  if (text === undefined) return deferred('a measure can only add, subtract, multiply and divide totals', [], readings);
  const verdict =
    hosting.kind === 'column'
      ? validateColumn(bench.database, expr, host, bench)
      : validateMeasure(bench.database, expr, host, bench);
  if (verdict.kind === 'bad') return { ...deferred(verdict.reason, [], readings), sql: verdict.sql };
  const draft: EntityDraft = {
    kind: hosting.kind,
    host,
    expr,
    value,
    type: typeOf(expr, value, bench),
    isPercent: isPercent(expr),
    isLocal: hosting.kind === 'column' && hosting.isLocal,
    usedItems: [...lookup.usedItems],
    text,
  };
  return { kind: 'encoded', draft, verdict, readings };
}

function typeOf(expr: Expr, value: ValueKind, bench: Workbench): ColumnType {
  if (value === 'boolean') return 'BOOLEAN';
  if (value === 'text') return 'TEXT';
  return isWhole(expr, bench) ? 'INT' : 'DOUBLE';
}

function isWhole(expr: Expr, bench: Workbench): boolean {
  switch (expr.kind) {
    case 'number':
      return Number.isInteger(expr.value);
    case 'column':
      return bench.index.get(expr.ref)?.type === 'INT';
    case 'arithmetic':
      return expr.op !== '/' && expr.op !== '^' && isWhole(expr.left, bench) && isWhole(expr.right, bench);
    case 'cases': {
      const values = expr.branches.map((branch) => branch.value);
      return [...values, ...(expr.otherwise === undefined ? [] : [expr.otherwise])].every((part) =>
        isWhole(part, bench),
      );
    }
    case 'aggregate':
      return expr.fn === 'count' || (expr.fn !== 'avg' && expr.arg !== undefined && isWhole(expr.arg, bench));
    default:
      return false;
  }
}

/** `… × 100` at the top: said in percent. */
function isPercent(expr: Expr): boolean {
  return expr.kind === 'arithmetic' && expr.op === '*' && expr.right.kind === 'number' && expr.right.value === 100;
}
