/**
 * The values of a formula: numbers, names, functions, brackets, case lists, and sums over sets of rows. What stands between
 * values is read by `parser.ts`, which this calls back for whatever is inside brackets.
 *
 * Invariant: what it does not understand throws; it never skips a token inside a value.
 */
import type { AggregateName, Branch, Expr, FunctionName, RowSet } from './ast.ts';
import { TokenCursor } from './token-cursor.ts';
import type { Token } from './tokenizer.ts';

const KEYWORDS = new Set(
  'and or not if else otherwise between in is of contains containing with where when then for but as by from to via on'.split(
    ' ',
  ),
);
const FUNCTIONS: Readonly<Record<string, FunctionName>> = {
  abs: 'abs',
  ceil: 'ceil',
  ceiling: 'ceil',
  exp: 'exp',
  floor: 'floor',
  greatest: 'max',
  least: 'min',
  ln: 'ln',
  log: 'log',
  log10: 'log10',
  max: 'max',
  min: 'min',
  sqrt: 'sqrt',
};
const AGGREGATES: Readonly<Record<string, AggregateName>> = { avg: 'avg', average: 'avg', mean: 'avg' };

export interface ParseOptions {
  /** The letter that stands for the entity of which the definition speaks: `R` in "for a given robot R". */
  readonly entity?: string;
  /** Prose: `and` beside `or` without parentheses is not decided by precedence but refused. Default false. */
  readonly isProse?: boolean;
  /** The letters for rows in force. */
  readonly variables?: readonly string[];
  /** A side of an equation: an `=` outside brackets ends it. Default false. */
  readonly isSide?: boolean;
}

export abstract class ValueParser extends TokenCursor {
  protected readonly entity: string | undefined;
  protected readonly variables: string[];
  /** How many brackets are open. */
  protected depth = 0;
  /** Nodes that stood in parentheses: their `and`/`or` is no mix with the outer one. */
  protected readonly grouped = new WeakSet<Expr>();

  constructor(tokens: readonly Token[], from: number, { entity, variables = [] }: ParseOptions) {
    super(tokens, from);
    this.entity = entity;
    this.variables = [...variables];
  }

  abstract expression(): Expr;
  protected abstract or(): Expr;
  protected abstract additive(): Expr;
  protected abstract multiplicative(): Expr;
  protected abstract unary(): Expr;

  protected postfix(): Expr {
    const arg = this.primary();
    if (arg.kind === 'number' && this.takeOp('%')) return { kind: 'percent', value: arg.value };
    return arg;
  }

  protected primary(): Expr {
    const token = this.next();
    switch (token.kind) {
      case 'number':
        return { kind: 'number', value: Number(token.text) };
      case 'text':
        return { kind: 'text', value: token.text };
      case 'name':
        return this.named(token);
      case 'op':
        if (token.text === '(') return this.until(')');
        if (token.text === '{') return this.until('}');
        if (token.text === '[') return this.until(']');
        if (token.text === '|') return this.bars();
        if (token.text === 'cases{') return this.cases();
        if (token.text === 'lfloor') return { kind: 'call', fn: 'floor', args: [this.until('rfloor')] };
        break;
      default:
    }
    this.at -= 1;
    return this.fail(token.kind === 'end' ? 'the formula ends early' : `"${token.text}" begins no value`);
  }

  protected named(token: Token): Expr {
    const word = token.text.replace(/^\\/, '').toLowerCase();
    if (token.text === '\\frac' || token.text === '\\tfrac' || token.text === '\\dfrac') {
      const left = this.braced();
      return { kind: 'arithmetic', op: '/', left, right: this.braced() };
    }
    if (token.text === '\\sqrt') return { kind: 'call', fn: 'sqrt', args: [this.braced()] };
    if (['\\sum', '\\max', '\\min'].includes(token.text) && this.isOpAt(0, '_')) return this.overRows(word as 'sum');
    const fn = FUNCTIONS[word];
    if (fn === 'log' && this.takeOp('_')) return this.logarithm();
    if (fn !== undefined && this.isOpAt(0, '(')) return { kind: 'call', fn, args: this.arguments() };
    if (fn !== undefined && token.text.startsWith('\\')) return { kind: 'call', fn, args: [this.postfix()] };
    const aggregate = AGGREGATES[word];
    if (aggregate !== undefined && this.isOpAt(0, '(')) {
      const args = this.arguments();
      if (args.length !== 1) this.fail(`${token.text} takes one value`);
      return { kind: 'aggregate', fn: aggregate, set: { table: '' }, arg: args[0]! };
    }
    if (token.text.startsWith('\\')) this.fail(`${token.text} is not understood`);
    if (!token.isMarked && KEYWORDS.has(word)) {
      this.at -= 1;
      this.fail(`"${token.text}" begins no value`);
    }
    return this.plainName(token);
  }

  protected plainName(token: Token): Expr {
    if (!token.isMarked) {
      if (/^(?:current_date|today|now)$/i.test(token.text)) return { kind: 'today' };
      if (/^(?:true|false)$/i.test(token.text)) return { kind: 'boolean', value: token.text.toLowerCase() === 'true' };
    } else if (/^current[_ ]date$/i.test(token.text)) return { kind: 'today' };
    let name = token.text;
    if (!token.isMarked) {
      for (;;) {
        const { kind, text, isMarked } = this.peek;
        if (kind !== 'name' || isMarked || KEYWORDS.has(text.toLowerCase())) break;
        name += ` ${text}`;
        this.at += 1;
      }
    }
    if (this.isOpAt(0, '(')) {
      const letter = this.tokens[this.at + 1]?.text;
      const isLetter = letter !== undefined && (letter === this.entity || this.variables.includes(letter));
      if (isLetter && this.isOpAt(2, ')')) this.at += 3;
      else if (!token.isMarked) this.fail(`"${name}(…)" is no function that is known`);
    }
    return { kind: 'name', name: this.withoutLetter(name) };
  }

  /** `jc.j1tempval` and `x_i` without the letter of the row. */
  protected withoutLetter(name: string): string {
    for (const letter of this.variables) {
      if (name.startsWith(`${letter}.`)) return name.slice(letter.length + 1);
      const [first, ...path] = name.split('.');
      if (first!.endsWith(`_${letter}`)) return [first!.slice(0, -letter.length - 1), ...path].join('.');
    }
    return name;
  }

  protected logarithm(): Expr {
    const base = this.takeOp('{') ? this.until('}') : this.primary();
    const arg = this.isOpAt(0, '(') ? this.primary() : this.braced();
    if (base.kind === 'number' && base.value === 10) return { kind: 'call', fn: 'log10', args: [arg] };
    if (base.kind === 'name' && base.name === 'e') return { kind: 'call', fn: 'ln', args: [arg] };
    const ln = (of: Expr): Expr => ({ kind: 'call', fn: 'ln', args: [of] });
    return { kind: 'arithmetic', op: '/', left: ln(arg), right: ln(base) };
  }

  protected arguments(): Expr[] {
    this.expectOp('(');
    this.depth += 1;
    const args: Expr[] = [];
    do args.push(this.expression());
    while (this.takeOp(','));
    this.depth -= 1;
    this.expectOp(')');
    return args;
  }

  /** `|x|`, or the number of rows of a set: `|{v in t | k = R}|`, `|t with c|`. */
  protected bars(): Expr {
    if (this.takeOp('set{')) {
      const set = this.rowSet();
      this.expectOp('set}');
      this.expectOp('|');
      return { kind: 'aggregate', fn: 'count', set };
    }
    this.depth += 1;
    const inner = this.expression();
    this.depth -= 1;
    if (inner.kind === 'name' && this.takeWord('with')) {
      const where = this.or();
      this.expectOp('|');
      return { kind: 'aggregate', fn: 'count', set: { table: inner.name, where } };
    }
    this.expectOp('|');
    return { kind: 'call', fn: 'abs', args: [inner] };
  }

  /** `v in t`, `v in t | k = R`. */
  protected rowSet(): RowSet {
    const variable = this.next();
    if (variable.kind !== 'name' || (!this.takeOp('in') && !this.takeWord('in')))
      this.fail('a set of rows was expected');
    const table = this.next();
    if (table.kind !== 'name') this.fail('a table was expected');
    const set: RowSet = { table: table.text, variable: variable.text };
    if (!this.takeOp('mid') && !this.takeOp('|')) return set;
    const key = this.next();
    this.expectOp('=');
    const letter = this.next();
    if (key.kind !== 'name' || letter.text !== this.entity) this.fail('a key of the entity was expected');
    return { ...set, key: key.text };
  }

  protected overRows(fn: AggregateName): Expr {
    this.expectOp('_');
    this.expectOp('{');
    const set = this.rowSet();
    this.expectOp('}');
    if (this.isOpAt(0, '^')) this.fail('a sum with an upper end is not understood');
    this.variables.push(set.variable!);
    const arg = fn === 'sum' ? this.multiplicative() : this.unary();
    this.variables.pop();
    return { kind: 'aggregate', fn, set, arg };
  }

  protected cases(): Expr {
    const branches: Branch[] = [];
    let otherwise: Expr | undefined;
    this.depth += 1;
    for (;;) {
      const value = this.additive();
      this.takeOp('&');
      this.takeOp(',');
      if (this.takeWord('otherwise') || this.takeWord('else')) otherwise = value;
      else {
        if (!this.takeWord('if') && !this.takeWord('when') && !this.takeWord('for')) this.fail('"if" was expected');
        branches.push({ when: this.or(), value });
      }
      if (this.takeOp('newline') && !this.isOpAt(0, '}cases')) {
        if (otherwise !== undefined) this.fail('a case after "otherwise"');
        continue;
      }
      this.expectOp('}cases');
      this.depth -= 1;
      return { kind: 'cases', branches, ...(otherwise !== undefined && { otherwise }) };
    }
  }

  protected braced(): Expr {
    return this.takeOp('{') ? this.until('}') : this.primary();
  }

  protected until(close: string): Expr {
    this.depth += 1;
    const inner = this.expression();
    this.depth -= 1;
    this.expectOp(close);
    this.grouped.add(inner);
    return inner;
  }
}
