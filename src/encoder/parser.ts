/**
 * Reads one expression from tokens: arithmetic, comparisons, conditions and ternaries over the values of `value-parser.ts`.
 * It stops where the expression ends; whether what follows may follow is the caller's business.
 *
 * Invariant: what it does not understand throws; it never skips a token inside an expression.
 */
import type { CompareOp, Expr } from './ast.ts';
import type { Token } from './tokenizer.ts';
import { ValueParser, type ParseOptions } from './value-parser.ts';

export { ParseFailure } from './token-cursor.ts';

const COMPARES: ReadonlySet<string> = new Set(['=', '!=', '<', '<=', '>', '>=']);

export interface Parsed {
  readonly expr: Expr;
  /** Index of the first token that is not part of it. */
  readonly next: number;
}

/** The expression that begins at token `from`. @throws ParseFailure */
export function parseExpression(tokens: readonly Token[], from = 0, options: ParseOptions = {}): Parsed {
  const parser = new Parser(tokens, from, options);
  const expr = parser.expression();
  return { expr, next: parser.at };
}

/** One comparison, membership or bare value, without the `and`s and `or`s around it. @throws ParseFailure */
export function parseComparison(tokens: readonly Token[], from = 0, options: ParseOptions = {}): Parsed {
  const parser = new Parser(tokens, from, options);
  const expr = parser.comparison();
  return { expr, next: parser.at };
}

class Parser extends ValueParser {
  readonly #isProse: boolean;
  readonly #isSide: boolean;

  constructor(tokens: readonly Token[], from: number, options: ParseOptions) {
    super(tokens, from, options);
    this.#isProse = options.isProse ?? false;
    this.#isSide = options.isSide ?? false;
  }

  expression(): Expr {
    const first = this.or();
    if (this.takeOp('?')) {
      const value = this.expression();
      this.expectOp(':');
      return { kind: 'cases', branches: [{ when: truth(first), value }], otherwise: this.expression() };
    }
    if (this.isWord('if') && !isCondition(first)) {
      this.at += 1;
      const when = truth(this.or());
      if (!this.takeWord('else')) this.fail('an "else" was expected');
      return { kind: 'cases', branches: [{ when, value: first }], otherwise: this.expression() };
    }
    return first;
  }

  protected or(): Expr {
    const args = [this.and()];
    while (this.takeWord('or') || this.takeOp('or')) args.push(this.and());
    if (args.length === 1) return args[0]!;
    if (this.#isProse && args.some((arg) => arg.kind === 'logic' && arg.op === 'and' && !this.grouped.has(arg))) {
      this.fail('"and" beside "or" without parentheses can be read in two ways');
    }
    return { kind: 'logic', op: 'or', args };
  }

  protected and(): Expr {
    const args = [this.not()];
    while (this.takeWord('and') || this.takeOp('and')) args.push(this.not());
    return args.length === 1 ? args[0]! : { kind: 'logic', op: 'and', args };
  }

  protected not(): Expr {
    return this.takeWord('not') ? { kind: 'not', arg: this.not() } : this.comparison();
  }

  comparison(): Expr {
    let left = this.additive();
    const parts: Expr[] = [];
    for (;;) {
      const { kind, text } = this.peek;
      if (text === '=' && this.#isSide && this.depth === 0) break;
      if (kind === 'op' && COMPARES.has(text)) {
        this.at += 1;
        const right = this.additive();
        parts.push(this.withAlternatives(text as CompareOp, left, right));
        left = right;
        continue;
      }
      if (parts.length > 0) break;
      if (this.takeWord('between')) return this.between(left);
      if (this.takeOp('in') || (this.isWord('in') && this.isOpAt(1, 'set{', '{', '('))) return this.membership(left);
      if (this.isWord('is') || this.isWord('of')) return this.stated(left);
      if (this.takeWord('contains') || this.takeWord('containing')) {
        const token = this.next();
        if (token.kind !== 'text') this.fail('a quoted text was expected');
        return { kind: 'contains', arg: left, text: token.text };
      }
      break;
    }
    if (parts.length === 0) return left;
    return parts.length === 1 ? parts[0]! : { kind: 'logic', op: 'and', args: parts };
  }

  /** `x = 'A' or 'B'`: the texts that follow an `or` are further values, unless something is done with them. */
  protected withAlternatives(op: CompareOp, left: Expr, right: Expr): Expr {
    const values = op === '=' && right.kind === 'text' ? this.alternatives(right) : [right];
    return values.length > 1 ? { kind: 'in', arg: left, values } : { kind: 'compare', op, left, right };
  }

  protected alternatives(first: Expr): Expr[] {
    const values = [first];
    for (;;) {
      const comma = this.isOpAt(0, ',') ? 1 : 0;
      const or = this.isWordAt(comma, 'or') ? comma + 1 : comma;
      const token = this.tokens[this.at + or];
      if (or === 0 || token?.kind !== 'text') return values;
      const after = this.tokens[this.at + or + 1];
      if (after?.kind === 'op' && COMPARES.has(after.text)) return values;
      values.push({ kind: 'text', value: token.text });
      this.at += or + 1;
    }
  }

  /** `x is 'A' or 'B'`, `x is not null`, `x is true`, `x of 'A'`. */
  protected stated(left: Expr): Expr {
    const start = this.at;
    this.at += 1;
    this.takeWord('either');
    const isNegated = this.takeWord('not');
    const word = this.peek.text.toLowerCase();
    let stated: Expr | undefined;
    if (this.peek.kind === 'name' && (word === 'null' || word === 'true' || word === 'false')) {
      this.at += 1;
      if (word === 'null') stated = { kind: 'isNull', arg: left };
      else stated = word === 'true' ? truth(left) : { kind: 'not', arg: truth(left) };
    } else if (this.peek.kind === 'text') {
      const values = this.alternatives({ kind: 'text', value: this.next().text });
      stated =
        values.length > 1 ? { kind: 'in', arg: left, values } : { kind: 'compare', op: '=', left, right: values[0]! };
    }
    if (stated === undefined && this.peek.kind === 'number') {
      stated = { kind: 'compare', op: '=', left, right: this.unary() };
    }
    if (stated === undefined) {
      this.at = start;
      return left;
    }
    return isNegated ? { kind: 'not', arg: stated } : stated;
  }

  protected between(arg: Expr): Expr {
    const low = this.unary();
    if (!this.takeWord('and') && !this.takeOp('-') && !this.takeOp('and') && !this.takeWord('to')) {
      this.fail('the upper end of "between" was expected');
    }
    const high = this.unary();
    const within: Expr[] = [
      { kind: 'compare', op: '>=', left: arg, right: low },
      { kind: 'compare', op: '<=', left: arg, right: high },
    ];
    const both: Expr = { kind: 'logic', op: 'and', args: within };
    this.grouped.add(both);
    return both;
  }

  protected membership(arg: Expr): Expr {
    this.takeWord('in');
    const open = this.next().text;
    const close = open === 'set{' ? 'set}' : open === '{' ? '}' : ')';
    const values: Expr[] = [];
    do values.push(this.unary());
    while (this.takeOp(','));
    this.expectOp(close);
    return { kind: 'in', arg, values };
  }

  protected additive(): Expr {
    let left = this.multiplicative();
    for (;;) {
      const op = this.takeOp('+') ? '+' : this.takeOp('-') ? '-' : undefined;
      if (op === undefined) return left;
      left = { kind: 'arithmetic', op, left, right: this.multiplicative() };
    }
  }

  protected multiplicative(): Expr {
    let left = this.unary();
    for (;;) {
      if (this.takeOp('*')) left = { kind: 'arithmetic', op: '*', left, right: this.unary() };
      else if (this.takeOp('/')) left = { kind: 'arithmetic', op: '/', left, right: this.unary() };
      else if (this.multipliesSilently()) left = { kind: 'arithmetic', op: '*', left, right: this.unary() };
      else return left;
    }
  }

  /** `2(x + 1)`, `(a)(b)`, `\beta\text{X}`: only before what can begin nothing else. */
  protected multipliesSilently(): boolean {
    const { kind, text, isMarked } = this.peek;
    if (kind === 'op') return text === '(' || text === 'cases{';
    return kind === 'name' && isMarked === true;
  }

  protected unary(): Expr {
    if (this.takeOp('-')) return { kind: 'negate', arg: this.unary() };
    if (this.takeOp('+')) return this.unary();
    return this.power();
  }

  protected power(): Expr {
    const base = this.postfix();
    if (!this.takeOp('^')) return base;
    const exponent = this.takeOp('{') ? this.until('}') : this.unary();
    const isE = base.kind === 'name' && base.name === 'e';
    return isE
      ? { kind: 'call', fn: 'exp', args: [exponent] }
      : { kind: 'arithmetic', op: '^', left: base, right: exponent };
  }
}

/** Whether a node is a condition by its form. */
export function isCondition(expr: Expr): boolean {
  return ['compare', 'logic', 'in', 'not', 'contains', 'isNull', 'boolean'].includes(expr.kind);
}

/** A node as a condition; a bare name is to be true. */
function truth(expr: Expr): Expr {
  return isCondition(expr) || expr.kind !== 'name' ? expr : { kind: 'call', fn: 'truth', args: [expr] };
}
