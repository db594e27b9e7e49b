/**
 * Turns a parsed condition into one over columns: texts must be values that the column has, percentages must be of
 * something that counts in percent, dates are compared with dates.
 */
import { mapChildren, type CompareOp, type Expr } from './ast.ts';
import type { KnownMap } from './knowledge-index.ts';
import { where } from './lookup.ts';
import { LOGICAL, NumberResolver, sameRef } from './resolve-number.ts';

export class Resolver extends NumberResolver {
  condition(expr: Expr): Expr {
    switch (expr.kind) {
      case 'logic':
      case 'not':
        return mapChildren(expr, (part) => this.condition(part));
      case 'compare':
        return this.compare(expr.op, expr.left, expr.right);
      case 'in': {
        const arg = this.value(expr.arg);
        const values = expr.values.map((value) => this.literalFor(arg, value));
        this.someOccurs(arg, values, termOf(expr.arg));
        return { kind: 'in', arg: this.padded(arg, values), values };
      }
      case 'contains': {
        const arg = this.value(expr.arg);
        if (this.kindOf(arg) !== 'text') return this.bad(expr, termOf(expr.arg), 'it holds no texts');
        return { ...expr, arg };
      }
      case 'isNull':
        return { kind: 'isNull', arg: this.value(expr.arg) };
      case 'call':
        if (expr.fn === 'truth') return this.truth(expr.args[0]!);
        break;
      case 'name':
        return this.truth(expr);
      default:
    }
    return this.bad(expr, termOf(expr), 'it is no condition');
  }

  protected compare(op: CompareOp, leftSide: Expr, rightSide: Expr): Expr {
    let left = this.value(leftSide);
    if (rightSide.kind === 'boolean') {
      const truth = this.truth(leftSide);
      return (op === '=') === rightSide.value ? truth : { kind: 'not', arg: truth };
    }
    const right = this.literalFor(left, rightSide);
    if (right.kind === 'percent' || left.kind === 'percent') return this.percent(op, left, right, rightSide);
    const [a, b] = [this.kindOf(left), this.kindOf(right)];
    if (a === 'date' && b === 'date') {
      const day = (side: Expr): Expr => ({ kind: 'call', fn: 'day', args: [side] });
      return { kind: 'compare', op, left: day(left), right: day(right) };
    }
    if (a === 'text' && b === 'number' && left.kind === 'column')
      left = this.asNumber(this.lookup.index.get(left.ref)!, termOf(leftSide));
    else if (a !== b && !(a === 'boolean' && b === 'number')) {
      if (left.kind === 'name' || right.kind === 'name') return { kind: 'compare', op, left, right };
      return this.bad(
        { kind: 'compare', op, left, right },
        termOf(leftSide),
        `${a === 'text' ? 'texts are' : `a ${a} is`} compared with a ${b}`,
      );
    }
    if (a === 'text' && b === 'text' && op !== '=' && op !== '!=')
      return this.bad(left, termOf(leftSide), 'texts have no order that is said');
    if (op === '=') this.someOccurs(left, [right], termOf(leftSide));
    return { kind: 'compare', op, left: right.kind === 'text' ? this.padded(left, [right]) : left, right };
  }

  /** Of the texts asked for, one at least must be in the data: else the condition can never hold, and is not meant so. */
  protected someOccurs(left: Expr, values: readonly Expr[], term: string): void {
    const texts = values.flatMap((value) => (value.kind === 'text' ? [value.value] : []));
    const known =
      left.kind === 'column' && this.lookup.index.get(left.ref) ? this.lookup.index.values(left.ref) : undefined;
    if (texts.length < values.length || known === undefined) return;
    const present = new Set(known.map((value) => String(value).trimEnd()));
    if (texts.some((text) => present.has(text))) return;
    const shown = [...present].slice(0, 6);
    this.lookup.issue(term, `no row has ${texts.map((text) => `'${text}'`).join(' or ')} there`, shown);
  }

  /** The other side of a comparison with `left`: a quoted or bare text must be a value of the column. */
  protected literalFor(left: Expr, side: Expr): Expr {
    const column = left.kind === 'column' ? this.lookup.index.get(left.ref) : undefined;
    const isText = column !== undefined && this.kindOfColumn(column) === 'text';
    if (isText && side.kind === 'arithmetic') {
      const hyphened = hyphenedText(side);
      if (hyphened !== undefined && this.lookup.index.values(column.ref)?.includes(hyphened))
        return { kind: 'text', value: hyphened };
    }
    if (side.kind !== 'text' && side.kind !== 'name') return this.value(side);
    const text = side.kind === 'text' ? side.value : side.name;
    if (isText) {
      const values = this.lookup.index.values(column.ref)?.map((value) => String(value).trimEnd());
      if (values?.includes(text)) return { kind: 'text', value: text };
      if (side.kind === 'text') {
        const meant = new RegExp(`(?<!\\w)${text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}(?!\\w)`);
        if (values === undefined || !meant.test(column.meaning)) {
          this.lookup.issue(`'${text}'`, `${where(column)} has no such value`, values?.slice(0, 6) ?? []);
        }
        return side;
      }
    }
    if (side.kind === 'text') {
      if (column !== undefined) this.lookup.issue(`'${text}'`, `${where(column)} holds no texts`);
      return side;
    }
    return this.value(side);
  }

  protected padded(left: Expr, values: readonly Expr[]): Expr {
    if (left.kind !== 'column' || !values.some(({ kind }) => kind === 'text')) return left;
    const known = this.lookup.index.get(left.ref) === undefined ? undefined : this.lookup.index.values(left.ref);
    const isPadded = known?.some((value) => typeof value === 'string' && value !== value.trimEnd()) ?? false;
    return isPadded ? { kind: 'call', fn: 'trim', args: [left] } : left;
  }

  /** `x < 50%`: 50 where x counts in percent; else it cannot be told. */
  protected percent(op: CompareOp, left: Expr, right: Expr, side: Expr): Expr {
    const other = right.kind === 'percent' ? left : right;
    const percent = right.kind === 'percent' ? right : (left as Expr & { kind: 'percent' });
    if (!this.countsInPercent(other))
      return this.bad(side, `${percent.value}%`, 'it is not said whether that is out of 1 or of 100');
    const number: Expr = { kind: 'number', value: percent.value };
    return right.kind === 'percent'
      ? { kind: 'compare', op, left, right: number }
      : { kind: 'compare', op, left: number, right };
  }

  protected countsInPercent(expr: Expr): boolean {
    if (expr.kind !== 'column') return false;
    const info = this.lookup.index.get(expr.ref);
    if (info !== undefined) return /pct|percent/.test(info.path.at(-1)!) || /percent/i.test(info.meaning);
    return [...this.lookup.derived.values()].some(({ ref, isPercent }) => isPercent && sameRef(ref, expr.ref));
  }

  /** A name that says yes or no. */
  protected truth(expr: Expr): Expr {
    if (expr.kind !== 'name') return this.condition(expr);
    const value = this.name(expr.name, false);
    if (value.kind !== 'column')
      return LOGICAL.has(value.kind) ? value : this.bad(value, expr.name, 'it says neither yes nor no');
    const kind = this.kindOf(value);
    const values = this.lookup.index.get(value.ref) && this.lookup.index.values(value.ref);
    const isFlag =
      kind === 'boolean' || (kind === 'number' && values?.length && values.every((one) => one === 0 || one === 1));
    if (!isFlag)
      return this.bad(value, expr.name, 'it says neither yes nor no', (values ?? []).slice(0, 5).map(String));
    return { kind: 'compare', op: '=', left: value, right: { kind: 'number', value: 1 } };
  }

  /** The score that a value list gives. */
  listed(list: KnownMap): Expr | undefined {
    const found = this.lookup.list(list);
    return found?.kind === 'mapped' ? found.expr : undefined;
  }
}

/** `Non-compliant` without quotes reads as a difference. */
function hyphenedText(expr: Expr): string | undefined {
  if (expr.kind === 'name') return expr.name;
  if (expr.kind !== 'arithmetic' || expr.op !== '-') return undefined;
  const [left, right] = [hyphenedText(expr.left), hyphenedText(expr.right)];
  return left === undefined || right === undefined ? undefined : `${left}-${right}`;
}

/** How a part of an expression is called in a question. */
function termOf(expr: Expr): string {
  if (expr.kind === 'name') return expr.name;
  if (expr.kind === 'call' && expr.args[0]) return termOf(expr.args[0]);
  return expr.kind === 'number' || expr.kind === 'text' ? String(expr.value) : expr.kind;
}
