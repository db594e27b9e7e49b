/**
 * Reads one expression from tokens: arithmetic, comparisons, conditions, ternaries, case lists, functions, and sums over
 * sets of rows. It stops where the expression ends; whether what follows may follow is the caller's business.
 *
 * Invariant: what it does not understand throws; it never skips a token inside an expression.
 */
import type { AggregateName, Branch, CompareOp, Expr, FunctionName, RowSet } from './ast.ts';
import type { Token } from './tokenizer.ts';

/** Why a text is no expression; `at` is an offset into it. */
export class ParseFailure extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const KEYWORDS = new Set(
  'and or not if else otherwise between in is of contains containing with where when then for but as by from to via on'.split(
    ' ',
  ),
);
const COMPARES: ReadonlySet<string> = new Set(['=', '!=', '<', '<=', '>', '>=']);
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

export interface Parsed {
  readonly expr: Expr;
  /** Index of the first token that is not part of it. */
  readonly next: number;
}

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

class Parser {
  at: number;
  readonly #tokens: readonly Token[];
  readonly #isProse: boolean;
  readonly #isSide: boolean;
  #depth = 0;
  readonly #entity: string | undefined;
  readonly #variables: string[];
  /** Nodes that stood in parentheses: their `and`/`or` is no mix with the outer one. */
  readonly #grouped = new WeakSet<Expr>();

  constructor(
    tokens: readonly Token[],
    from: number,
    { entity, isProse = false, isSide = false, variables = [] }: ParseOptions,
  ) {
    this.#tokens = tokens;
    this.at = from;
    this.#entity = entity;
    this.#isProse = isProse;
    this.#isSide = isSide;
    this.#variables = [...variables];
  }

  expression(): Expr {
    const first = this.#or();
    if (this.#takeOp('?')) {
      const value = this.expression();
      this.#expectOp(':');
      return { kind: 'cases', branches: [{ when: truth(first), value }], otherwise: this.expression() };
    }
    if (this.#isWord('if') && !isCondition(first)) {
      this.at += 1;
      const when = truth(this.#or());
      if (!this.#takeWord('else')) this.#fail('an "else" was expected');
      return { kind: 'cases', branches: [{ when, value: first }], otherwise: this.expression() };
    }
    return first;
  }

  #or(): Expr {
    const args = [this.#and()];
    while (this.#takeWord('or') || this.#takeOp('or')) args.push(this.#and());
    if (args.length === 1) return args[0]!;
    if (this.#isProse && args.some((arg) => arg.kind === 'logic' && arg.op === 'and' && !this.#grouped.has(arg))) {
      this.#fail('"and" beside "or" without parentheses can be read in two ways');
    }
    return { kind: 'logic', op: 'or', args };
  }

  #and(): Expr {
    const args = [this.#not()];
    while (this.#takeWord('and') || this.#takeOp('and')) args.push(this.#not());
    return args.length === 1 ? args[0]! : { kind: 'logic', op: 'and', args };
  }

  #not(): Expr {
    return this.#takeWord('not') ? { kind: 'not', arg: this.#not() } : this.comparison();
  }

  comparison(): Expr {
    let left = this.#additive();
    const parts: Expr[] = [];
    for (;;) {
      const { kind, text } = this.#peek;
      if (text === '=' && this.#isSide && this.#depth === 0) break;
      if (kind === 'op' && COMPARES.has(text)) {
        this.at += 1;
        const right = this.#additive();
        parts.push(this.#withAlternatives(text as CompareOp, left, right));
        left = right;
        continue;
      }
      if (parts.length > 0) break;
      if (this.#takeWord('between')) return this.#between(left);
      if (this.#takeOp('in') || (this.#isWord('in') && this.#isOpAt(1, 'set{', '{', '(')))
        return this.#membership(left);
      if (this.#isWord('is') || this.#isWord('of')) return this.#stated(left);
      if (this.#takeWord('contains') || this.#takeWord('containing')) {
        const token = this.#next();
        if (token.kind !== 'text') this.#fail('a quoted text was expected');
        return { kind: 'contains', arg: left, text: token.text };
      }
      break;
    }
    if (parts.length === 0) return left;
    return parts.length === 1 ? parts[0]! : { kind: 'logic', op: 'and', args: parts };
  }

  /** `x = 'A' or 'B'`: the texts that follow an `or` are further values, unless something is done with them. */
  #withAlternatives(op: CompareOp, left: Expr, right: Expr): Expr {
    const values = op === '=' && right.kind === 'text' ? this.#alternatives(right) : [right];
    return values.length > 1 ? { kind: 'in', arg: left, values } : { kind: 'compare', op, left, right };
  }

  #alternatives(first: Expr): Expr[] {
    const values = [first];
    for (;;) {
      const comma = this.#isOpAt(0, ',') ? 1 : 0;
      const or = this.#isWordAt(comma, 'or') ? comma + 1 : comma;
      const token = this.#tokens[this.at + or];
      if (or === 0 || token?.kind !== 'text') return values;
      const after = this.#tokens[this.at + or + 1];
      if (after?.kind === 'op' && COMPARES.has(after.text)) return values;
      values.push({ kind: 'text', value: token.text });
      this.at += or + 1;
    }
  }

  /** `x is 'A' or 'B'`, `x is not null`, `x is true`, `x of 'A'`. */
  #stated(left: Expr): Expr {
    const start = this.at;
    this.at += 1;
    this.#takeWord('either');
    const isNegated = this.#takeWord('not');
    const word = this.#peek.text.toLowerCase();
    let stated: Expr | undefined;
    if (this.#peek.kind === 'name' && (word === 'null' || word === 'true' || word === 'false')) {
      this.at += 1;
      if (word === 'null') stated = { kind: 'isNull', arg: left };
      else stated = word === 'true' ? truth(left) : { kind: 'not', arg: truth(left) };
    } else if (this.#peek.kind === 'text') {
      const values = this.#alternatives({ kind: 'text', value: this.#next().text });
      stated =
        values.length > 1 ? { kind: 'in', arg: left, values } : { kind: 'compare', op: '=', left, right: values[0]! };
    }
    if (stated === undefined) {
      this.at = start;
      return left;
    }
    return isNegated ? { kind: 'not', arg: stated } : stated;
  }

  #between(arg: Expr): Expr {
    const low = this.#unary();
    if (!this.#takeWord('and') && !this.#takeOp('-') && !this.#takeOp('and') && !this.#takeWord('to')) {
      this.#fail('the upper end of "between" was expected');
    }
    const high = this.#unary();
    const within: Expr[] = [
      { kind: 'compare', op: '>=', left: arg, right: low },
      { kind: 'compare', op: '<=', left: arg, right: high },
    ];
    const both: Expr = { kind: 'logic', op: 'and', args: within };
    this.#grouped.add(both);
    return both;
  }

  #membership(arg: Expr): Expr {
    this.#takeWord('in');
    const open = this.#next().text;
    const close = open === 'set{' ? 'set}' : open === '{' ? '}' : ')';
    const values: Expr[] = [];
    do values.push(this.#unary());
    while (this.#takeOp(','));
    this.#expectOp(close);
    return { kind: 'in', arg, values };
  }

  #additive(): Expr {
    let left = this.#multiplicative();
    for (;;) {
      const op = this.#takeOp('+') ? '+' : this.#takeOp('-') ? '-' : undefined;
      if (op === undefined) return left;
      left = { kind: 'arithmetic', op, left, right: this.#multiplicative() };
    }
  }

  #multiplicative(): Expr {
    let left = this.#unary();
    for (;;) {
      if (this.#takeOp('*')) left = { kind: 'arithmetic', op: '*', left, right: this.#unary() };
      else if (this.#takeOp('/')) left = { kind: 'arithmetic', op: '/', left, right: this.#unary() };
      else if (this.#multipliesSilently()) left = { kind: 'arithmetic', op: '*', left, right: this.#unary() };
      else return left;
    }
  }

  /** `2(x + 1)`, `(a)(b)`, `\beta\text{X}`: only before what can begin nothing else. */
  #multipliesSilently(): boolean {
    const { kind, text, isMarked } = this.#peek;
    if (kind === 'op') return text === '(' || text === 'cases{';
    return kind === 'name' && isMarked === true;
  }

  #unary(): Expr {
    if (this.#takeOp('-')) return { kind: 'negate', arg: this.#unary() };
    if (this.#takeOp('+')) return this.#unary();
    return this.#power();
  }

  #power(): Expr {
    const base = this.#postfix();
    if (!this.#takeOp('^')) return base;
    const exponent = this.#takeOp('{') ? this.#until('}') : this.#unary();
    const isE = base.kind === 'name' && base.name === 'e';
    return isE
      ? { kind: 'call', fn: 'exp', args: [exponent] }
      : { kind: 'arithmetic', op: '^', left: base, right: exponent };
  }

  #postfix(): Expr {
    const arg = this.#primary();
    if (arg.kind === 'number' && this.#takeOp('%')) return { kind: 'percent', value: arg.value };
    return arg;
  }

  #primary(): Expr {
    const token = this.#next();
    switch (token.kind) {
      case 'number':
        return { kind: 'number', value: Number(token.text) };
      case 'text':
        return { kind: 'text', value: token.text };
      case 'name':
        return this.#named(token);
      case 'op':
        if (token.text === '(') return this.#until(')');
        if (token.text === '{') return this.#until('}');
        if (token.text === '[') return this.#until(']');
        if (token.text === '|') return this.#bars();
        if (token.text === 'cases{') return this.#cases();
        if (token.text === 'lfloor') return { kind: 'call', fn: 'floor', args: [this.#until('rfloor')] };
        break;
      default:
    }
    this.at -= 1;
    return this.#fail(token.kind === 'end' ? 'the formula ends early' : `"${token.text}" begins no value`);
  }

  #named(token: Token): Expr {
    const word = token.text.replace(/^\\/, '').toLowerCase();
    if (token.text === '\\frac' || token.text === '\\tfrac' || token.text === '\\dfrac') {
      const left = this.#braced();
      return { kind: 'arithmetic', op: '/', left, right: this.#braced() };
    }
    if (token.text === '\\sqrt') return { kind: 'call', fn: 'sqrt', args: [this.#braced()] };
    if (['\\sum', '\\max', '\\min'].includes(token.text) && this.#isOpAt(0, '_')) return this.#overRows(word as 'sum');
    const fn = FUNCTIONS[word];
    if (fn === 'log' && this.#takeOp('_')) return this.#logarithm();
    if (fn !== undefined && this.#isOpAt(0, '(')) return { kind: 'call', fn, args: this.#arguments() };
    if (fn !== undefined && token.text.startsWith('\\')) return { kind: 'call', fn, args: [this.#postfix()] };
    const aggregate = AGGREGATES[word];
    if (aggregate !== undefined && this.#isOpAt(0, '(')) {
      const args = this.#arguments();
      if (args.length !== 1) this.#fail(`${token.text} takes one value`);
      return { kind: 'aggregate', fn: aggregate, set: { table: '' }, arg: args[0]! };
    }
    if (token.text.startsWith('\\')) this.#fail(`${token.text} is not understood`);
    if (!token.isMarked && KEYWORDS.has(word)) {
      this.at -= 1;
      this.#fail(`"${token.text}" begins no value`);
    }
    return this.#plainName(token);
  }

  #plainName(token: Token): Expr {
    if (!token.isMarked) {
      if (/^(?:current_date|today|now)$/i.test(token.text)) return { kind: 'today' };
      if (/^(?:true|false)$/i.test(token.text)) return { kind: 'boolean', value: token.text.toLowerCase() === 'true' };
    } else if (/^current[_ ]date$/i.test(token.text)) return { kind: 'today' };
    let name = token.text;
    if (!token.isMarked) {
      for (;;) {
        const { kind, text, isMarked } = this.#peek;
        if (kind !== 'name' || isMarked || KEYWORDS.has(text.toLowerCase())) break;
        name += ` ${text}`;
        this.at += 1;
      }
    }
    if (this.#isOpAt(0, '(')) {
      const letter = this.#tokens[this.at + 1]?.text;
      const isLetter = letter !== undefined && (letter === this.#entity || this.#variables.includes(letter));
      if (isLetter && this.#isOpAt(2, ')')) this.at += 3;
      else if (!token.isMarked) this.#fail(`"${name}(…)" is no function that is known`);
    }
    return { kind: 'name', name: this.#withoutLetter(name) };
  }

  /** `jc.j1tempval` and `x_i` without the letter of the row. */
  #withoutLetter(name: string): string {
    for (const letter of this.#variables) {
      if (name.startsWith(`${letter}.`)) return name.slice(letter.length + 1);
      const [first, ...path] = name.split('.');
      if (first!.endsWith(`_${letter}`)) return [first!.slice(0, -letter.length - 1), ...path].join('.');
    }
    return name;
  }

  #logarithm(): Expr {
    const base = this.#takeOp('{') ? this.#until('}') : this.#primary();
    const arg = this.#isOpAt(0, '(') ? this.#primary() : this.#braced();
    if (base.kind === 'number' && base.value === 10) return { kind: 'call', fn: 'log10', args: [arg] };
    if (base.kind === 'name' && base.name === 'e') return { kind: 'call', fn: 'ln', args: [arg] };
    const ln = (of: Expr): Expr => ({ kind: 'call', fn: 'ln', args: [of] });
    return { kind: 'arithmetic', op: '/', left: ln(arg), right: ln(base) };
  }

  #arguments(): Expr[] {
    this.#expectOp('(');
    this.#depth += 1;
    const args: Expr[] = [];
    do args.push(this.expression());
    while (this.#takeOp(','));
    this.#depth -= 1;
    this.#expectOp(')');
    return args;
  }

  /** `|x|`, or the number of rows of a set: `|{v in t | k = R}|`, `|t with c|`. */
  #bars(): Expr {
    if (this.#takeOp('set{')) {
      const set = this.#rowSet();
      this.#expectOp('set}');
      this.#expectOp('|');
      return { kind: 'aggregate', fn: 'count', set };
    }
    this.#depth += 1;
    const inner = this.expression();
    this.#depth -= 1;
    if (inner.kind === 'name' && this.#takeWord('with')) {
      const where = this.#or();
      this.#expectOp('|');
      return { kind: 'aggregate', fn: 'count', set: { table: inner.name, where } };
    }
    this.#expectOp('|');
    return { kind: 'call', fn: 'abs', args: [inner] };
  }

  /** `v in t`, `v in t | k = R`. */
  #rowSet(): RowSet {
    const variable = this.#next();
    if (variable.kind !== 'name' || (!this.#takeOp('in') && !this.#takeWord('in')))
      this.#fail('a set of rows was expected');
    const table = this.#next();
    if (table.kind !== 'name') this.#fail('a table was expected');
    const set: RowSet = { table: table.text, variable: variable.text };
    if (!this.#takeOp('mid') && !this.#takeOp('|')) return set;
    const key = this.#next();
    this.#expectOp('=');
    const letter = this.#next();
    if (key.kind !== 'name' || letter.text !== this.#entity) this.#fail('a key of the entity was expected');
    return { ...set, key: key.text };
  }

  #overRows(fn: AggregateName): Expr {
    this.#expectOp('_');
    this.#expectOp('{');
    const set = this.#rowSet();
    this.#expectOp('}');
    if (this.#isOpAt(0, '^')) this.#fail('a sum with an upper end is not understood');
    this.#variables.push(set.variable!);
    const arg = fn === 'sum' ? this.#multiplicative() : this.#unary();
    this.#variables.pop();
    return { kind: 'aggregate', fn, set, arg };
  }

  #cases(): Expr {
    const branches: Branch[] = [];
    let otherwise: Expr | undefined;
    this.#depth += 1;
    for (;;) {
      const value = this.#additive();
      this.#takeOp('&');
      this.#takeOp(',');
      if (this.#takeWord('otherwise') || this.#takeWord('else')) otherwise = value;
      else {
        if (!this.#takeWord('if') && !this.#takeWord('when') && !this.#takeWord('for')) this.#fail('"if" was expected');
        branches.push({ when: this.#or(), value });
      }
      if (this.#takeOp('newline') && !this.#isOpAt(0, '}cases')) {
        if (otherwise !== undefined) this.#fail('a case after "otherwise"');
        continue;
      }
      this.#expectOp('}cases');
      this.#depth -= 1;
      return { kind: 'cases', branches, ...(otherwise !== undefined && { otherwise }) };
    }
  }

  #braced(): Expr {
    return this.#takeOp('{') ? this.#until('}') : this.#primary();
  }

  #until(close: string): Expr {
    this.#depth += 1;
    const inner = this.expression();
    this.#depth -= 1;
    this.#expectOp(close);
    this.#grouped.add(inner);
    return inner;
  }

  get #peek(): Token {
    return this.#tokens[this.at]!;
  }

  #next(): Token {
    const token = this.#peek;
    if (token.kind !== 'end') this.at += 1;
    return token;
  }

  #isOpAt(offset: number, ...ops: string[]): boolean {
    const token = this.#tokens[this.at + offset];
    return token?.kind === 'op' && ops.includes(token.text);
  }

  #isWordAt(offset: number, word: string): boolean {
    const token = this.#tokens[this.at + offset];
    return token?.kind === 'name' && !token.isMarked && token.text.toLowerCase() === word;
  }

  #isWord(word: string): boolean {
    return this.#isWordAt(0, word);
  }

  #takeWord(word: string): boolean {
    const isHere = this.#isWord(word);
    if (isHere) this.at += 1;
    return isHere;
  }

  #takeOp(op: string): boolean {
    const isHere = this.#isOpAt(0, op);
    if (isHere) this.at += 1;
    return isHere;
  }

  #expectOp(op: string): void {
    if (!this.#takeOp(op)) this.#fail(`"${op}" was expected before "${this.#peek.text}"`);
  }

  #fail(message: string): never {
    throw new ParseFailure(message, this.#peek.start);
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
