/**
 * Turns a parsed expression into one over columns, and checks that every part gets what it works on: numbers where it
 * calculates, texts that the column really has where it compares, dates only where days between them are meant.
 */
import { mapChildren, type CompareOp, type Expr } from './ast.ts';
import type { KnownMap, ValueKind } from './knowledge-index.ts';
import type { Lookup } from './lookup.ts';
import { where } from './lookup.ts';
import type { ColumnInfo } from './schema-index.ts';

const ISO_DATE = "x GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' AND julianday(x) IS NOT NULL";
const LOGICAL = new Set<Expr['kind']>(['compare', 'logic', 'in', 'not', 'contains', 'isNull', 'boolean']);

export class Resolver {
  readonly #lookup: Lookup;
  readonly #open = new Set<string>();
  #within: string | undefined;

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  /** `expr` as a number; issues go to the lookup, and what could not be resolved stays a name. */
  number(expr: Expr): Expr {
    switch (expr.kind) {
      case 'number':
        return expr;
      case 'percent':
        return this.#bad(expr, `${expr.value}%`, 'a percentage is meant of something that is not said');
      case 'name':
        return this.#name(expr.name, true);
      case 'arithmetic':
        return this.#arithmetic(expr);
      case 'call':
        return this.#call(expr);
      case 'negate':
        return { kind: 'negate', arg: this.number(expr.arg) };
      case 'cases':
        return {
          kind: 'cases',
          branches: expr.branches.map(({ when, value }) => ({ when: this.condition(when), value: this.number(value) })),
          ...(expr.otherwise !== undefined && { otherwise: this.number(expr.otherwise) }),
        };
      case 'aggregate':
        return this.#aggregate(expr);
      case 'column':
        return expr;
      default:
        return this.#bad(expr, expr.kind, 'a condition or text stands where a number is calculated');
    }
  }

  condition(expr: Expr): Expr {
    switch (expr.kind) {
      case 'logic':
      case 'not':
        return mapChildren(expr, (part) => this.condition(part));
      case 'compare':
        return this.#compare(expr.op, expr.left, expr.right);
      case 'in': {
        const arg = this.value(expr.arg);
        const values = expr.values.map((value) => this.#literalFor(arg, value));
        this.#someOccurs(arg, values, termOf(expr.arg));
        return { kind: 'in', arg: this.#padded(arg, values), values };
      }
      case 'contains': {
        const arg = this.value(expr.arg);
        if (this.kindOf(arg) !== 'text') return this.#bad(expr, termOf(expr.arg), 'it holds no texts');
        return { ...expr, arg };
      }
      case 'isNull':
        return { kind: 'isNull', arg: this.value(expr.arg) };
      case 'call':
        if (expr.fn === 'truth') return this.#truth(expr.args[0]!);
        break;
      case 'name':
        return this.#truth(expr);
      default:
    }
    return this.#bad(expr, termOf(expr), 'it is no condition');
  }

  /** The score that a value list gives. */
  listed(list: KnownMap): Expr | undefined {
    const found = this.#lookup.list(list);
    return found?.kind === 'mapped' ? found.expr : undefined;
  }

  /** A side of a comparison. */
  value(expr: Expr): Expr {
    if (expr.kind === 'text' || expr.kind === 'today' || expr.kind === 'percent' || expr.kind === 'boolean')
      return expr;
    return expr.kind === 'name' ? this.#name(expr.name, false) : this.number(expr);
  }

  kindOf(expr: Expr): ValueKind {
    if (expr.kind === 'text') return 'text';
    if (expr.kind === 'today') return 'date';
    if (LOGICAL.has(expr.kind)) return 'boolean';
    if (expr.kind === 'call' && expr.fn === 'trim') return 'text';
    if (expr.kind !== 'column') return 'number';
    const info = this.#lookup.index.get(expr.ref);
    if (info !== undefined) return this.#kindOfColumn(info);
    return [...this.#lookup.derived.values()].find(({ ref }) => sameRef(ref, expr.ref))?.value ?? 'number';
  }

  #kindOfColumn(info: ColumnInfo): ValueKind {
    if (info.type === 'BOOLEAN') return 'boolean';
    if (info.type === 'DATE' || info.type === 'TIMESTAMP') return 'date';
    if (info.type !== 'TEXT') return 'number';
    return this.#lookup.index.every(info.ref, ISO_DATE) ? 'date' : 'text';
  }

  #name(name: string, asNumber: boolean): Expr {
    const unresolved: Expr = { kind: 'name', name };
    const found = this.#lookup.find(name, { asNumber, within: this.#within });
    if (found === undefined) return unresolved;
    switch (found.kind) {
      case 'local': {
        if (this.#open.has(name)) return this.#bad(unresolved, name, 'it is defined by itself');
        this.#open.add(name);
        const expr = LOGICAL.has(found.expr.kind) ? this.condition(found.expr) : this.number(found.expr);
        this.#open.delete(name);
        return expr;
      }
      case 'derived':
        if (found.derived.kind === 'measure') return found.derived.expr;
        if (asNumber && found.derived.value === 'text') return this.#bad(unresolved, name, 'its values are texts');
        return { kind: 'column', ref: found.derived.ref };
      case 'mapped':
        return found.expr;
      case 'column':
        return asNumber ? this.#asNumber(found.column, name) : { kind: 'column', ref: found.column.ref };
    }
  }

  #asNumber(column: ColumnInfo, term: string): Expr {
    const expr: Expr = { kind: 'column', ref: column.ref };
    const kind = this.#kindOfColumn(column);
    if (kind === 'number' || kind === 'boolean') return expr;
    if (kind === 'text') {
      const values = this.#lookup.index.values(column.ref);
      if (
        values?.length &&
        values.every((value) => typeof value === 'number' || /^-?\d+(?:\.\d+)?$/.test(String(value).trim()))
      ) {
        return { kind: 'call', fn: 'number', args: [expr] };
      }
    }
    const shown = (this.#lookup.index.values(column.ref) ?? []).slice(0, 5).map(String);
    return this.#bad(
      expr,
      term,
      `${where(column)} holds ${kind === 'date' ? 'dates' : 'texts'}, and no number is given for them`,
      shown,
    );
  }

  #arithmetic(expr: Expr & { kind: 'arithmetic' }): Expr {
    if (expr.op === '-') {
      const days = this.#dayDifference(expr.left, expr.right);
      if (days !== undefined) return days;
    }
    if (expr.op === '*' && expr.right.kind === 'percent' && expr.right.value === 100) {
      return { ...expr, left: this.number(expr.left), right: { kind: 'number', value: 100 } };
    }
    return { ...expr, left: this.number(expr.left), right: this.number(expr.right) };
  }

  /** Days between two dates, where both sides are dates. */
  #dayDifference(left: Expr, right: Expr): Expr | undefined {
    const isDate = (side: Expr): boolean => {
      if (side.kind === 'today') return true;
      if (side.kind !== 'name') return false;
      const column = this.#lookup.index.match(side.name)?.columns;
      return column?.length === 1 && this.#kindOfColumn(column[0]!) === 'date';
    };
    if (!isDate(left) || !isDate(right)) return undefined;
    const day = (side: Expr): Expr => ({ kind: 'call', fn: 'day', args: [this.value(side)] });
    return { kind: 'arithmetic', op: '-', left: day(left), right: day(right) };
  }

  #call(expr: Expr & { kind: 'call' }): Expr {
    if (expr.fn === 'log')
      return this.#bad(expr, 'log', 'the base of the logarithm is not given', ['ln (natural)', 'log10']);
    if (expr.fn === 'truth') return this.#truth(expr.args[0]!);
    const [only] = expr.args;
    if (expr.fn === 'abs' && only?.kind === 'name' && this.#isTable(only.name)) {
      return this.#aggregate({ kind: 'aggregate', fn: 'count', set: { table: only.name } });
    }
    return { ...expr, args: expr.args.map((arg) => this.number(arg)) };
  }

  /** `|t|` is the number of rows of a table, unless `t` is a column too. */
  #isTable(name: string): boolean {
    return this.#lookup.index.table(name) !== undefined && this.#lookup.index.match(name)?.tier !== 'name';
  }

  #aggregate(expr: Expr & { kind: 'aggregate' }): Expr {
    const outer = this.#within;
    const table = expr.set.table === '' ? undefined : this.#lookup.index.table(expr.set.table);
    if (table === undefined && expr.set.table !== '') {
      return this.#bad(expr, expr.set.table, 'no table has this name');
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

  #compare(op: CompareOp, leftSide: Expr, rightSide: Expr): Expr {
    let left = this.value(leftSide);
    if (rightSide.kind === 'boolean') {
      const truth = this.#truth(leftSide);
      return (op === '=') === rightSide.value ? truth : { kind: 'not', arg: truth };
    }
    const right = this.#literalFor(left, rightSide);
    if (right.kind === 'percent' || left.kind === 'percent') return this.#percent(op, left, right, rightSide);
    const [a, b] = [this.kindOf(left), this.kindOf(right)];
    if (a === 'date' && b === 'date') {
      const day = (side: Expr): Expr => ({ kind: 'call', fn: 'day', args: [side] });
      return { kind: 'compare', op, left: day(left), right: day(right) };
    }
    if (a === 'text' && b === 'number' && left.kind === 'column')
      left = this.#asNumber(this.#lookup.index.get(left.ref)!, termOf(leftSide));
    else if (a !== b && !(a === 'boolean' && b === 'number')) {
      if (left.kind === 'name' || right.kind === 'name') return { kind: 'compare', op, left, right };
      return this.#bad(
        { kind: 'compare', op, left, right },
        termOf(leftSide),
        `${a === 'text' ? 'texts are' : `a ${a} is`} compared with a ${b}`,
      );
    }
    if (a === 'text' && b === 'text' && op !== '=' && op !== '!=')
      return this.#bad(left, termOf(leftSide), 'texts have no order that is said');
    if (op === '=') this.#someOccurs(left, [right], termOf(leftSide));
    return { kind: 'compare', op, left: right.kind === 'text' ? this.#padded(left, [right]) : left, right };
  }

  /** Of the texts asked for, one at least must be in the data: else the condition can never hold, and is not meant so. */
  #someOccurs(left: Expr, values: readonly Expr[], term: string): void {
    const texts = values.flatMap((value) => (value.kind === 'text' ? [value.value] : []));
    const known =
      left.kind === 'column' && this.#lookup.index.get(left.ref) ? this.#lookup.index.values(left.ref) : undefined;
    if (texts.length < values.length || known === undefined) return;
    const present = new Set(known.map((value) => String(value).trimEnd()));
    if (texts.some((text) => present.has(text))) return;
    const shown = [...present].slice(0, 6);
    this.#lookup.issue(term, `no row has ${texts.map((text) => `'${text}'`).join(' or ')} there`, shown);
  }

  /** The other side of a comparison with `left`: a quoted or bare text must be a value of the column. */
  #literalFor(left: Expr, side: Expr): Expr {
    const column = left.kind === 'column' ? this.#lookup.index.get(left.ref) : undefined;
    const isText = column !== undefined && this.#kindOfColumn(column) === 'text';
    if (isText && side.kind === 'arithmetic') {
      const hyphened = hyphenedText(side);
      if (hyphened !== undefined && this.#lookup.index.values(column.ref)?.includes(hyphened))
        return { kind: 'text', value: hyphened };
    }
    if (side.kind !== 'text' && side.kind !== 'name') return this.value(side);
    const text = side.kind === 'text' ? side.value : side.name;
    if (isText) {
      const values = this.#lookup.index.values(column.ref)?.map((value) => String(value).trimEnd());
      if (values?.includes(text)) return { kind: 'text', value: text };
      if (side.kind === 'text') {
        const meant = new RegExp(`(?<!\\w)${text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}(?!\\w)`);
        if (values === undefined || !meant.test(column.meaning)) {
          this.#lookup.issue(`'${text}'`, `${where(column)} has no such value`, values?.slice(0, 6) ?? []);
        }
        return side;
      }
    }
    if (side.kind === 'text') {
      if (column !== undefined) this.#lookup.issue(`'${text}'`, `${where(column)} holds no texts`);
      return side;
    }
    return this.value(side);
  }

  #padded(left: Expr, values: readonly Expr[]): Expr {
    if (left.kind !== 'column' || !values.some(({ kind }) => kind === 'text')) return left;
    const known = this.#lookup.index.get(left.ref) === undefined ? undefined : this.#lookup.index.values(left.ref);
    const isPadded = known?.some((value) => typeof value === 'string' && value !== value.trimEnd()) ?? false;
    return isPadded ? { kind: 'call', fn: 'trim', args: [left] } : left;
  }

  /** `x < 50%`: 50 where x counts in percent; else it cannot be told. */
  #percent(op: CompareOp, left: Expr, right: Expr, side: Expr): Expr {
    const other = right.kind === 'percent' ? left : right;
    const percent = right.kind === 'percent' ? right : (left as Expr & { kind: 'percent' });
    if (!this.#countsInPercent(other))
      return this.#bad(side, `${percent.value}%`, 'it is not said whether that is out of 1 or of 100');
    const number: Expr = { kind: 'number', value: percent.value };
    return right.kind === 'percent'
      ? { kind: 'compare', op, left, right: number }
      : { kind: 'compare', op, left: number, right };
  }

  #countsInPercent(expr: Expr): boolean {
    if (expr.kind !== 'column') return false;
    const info = this.#lookup.index.get(expr.ref);
    if (info !== undefined) return /pct|percent/.test(info.path.at(-1)!) || /percent/i.test(info.meaning);
    return [...this.#lookup.derived.values()].some(({ ref, isPercent }) => isPercent && sameRef(ref, expr.ref));
  }

  /** A name that says yes or no. */
  #truth(expr: Expr): Expr {
    if (expr.kind !== 'name') return this.condition(expr);
    const value = this.#name(expr.name, false);
    if (value.kind !== 'column')
      return LOGICAL.has(value.kind) ? value : this.#bad(value, expr.name, 'it says neither yes nor no');
    const kind = this.kindOf(value);
    const values = this.#lookup.index.get(value.ref) && this.#lookup.index.values(value.ref);
    const isFlag =
      kind === 'boolean' || (kind === 'number' && values?.length && values.every((one) => one === 0 || one === 1));
    if (!isFlag)
      return this.#bad(value, expr.name, 'it says neither yes nor no', (values ?? []).slice(0, 5).map(String));
    return { kind: 'compare', op: '=', left: value, right: { kind: 'number', value: 1 } };
  }

  #bad(expr: Expr, term: string, reason: string, candidates: readonly string[] = []): Expr {
    this.#lookup.issue(term, reason, candidates);
    return expr;
  }
}

const sameRef = (a: { model: string; column: string }, b: { model: string; column: string }): boolean =>
  a.model === b.model && a.column === b.column;

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
