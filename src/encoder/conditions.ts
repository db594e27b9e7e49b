/**
 * Reads conditions out of prose: `A flow where RES > 0.7 and DSI > 100, indicating …`. Every part of the list must be
 * understood; only a participle clause that says what the condition means may follow it.
 */
import type { KbRow } from '../dataset/task.ts';
import type { Expr } from './ast.ts';
import { KnowledgeIndex } from './knowledge-index.ts';
import { isCondition, parseComparison, ParseFailure } from './parser.ts';
import { repairText, tokenize, type Token } from './tokenizer.ts';
import { titleParts, wordsOf } from './words.ts';

/** Words that introduce a condition and say nothing of their own. */
const FLUFF = new Set(
  (
    'a an the its their his her this has have having with both either also and who that which is are be being been where when if whose ' +
    'current calculated identified classified qualifying qualifies meets meet meeting experiencing facing exhibiting displays display ' +
    'flagged considered falls under for as criteria associated linked matching triggering subject to by via exhibit exhibits classification'
  ).split(' '),
);
/** Words that tie a condition to the item named before. */
const JOINERS = new Set(['with', 'where', 'whose', 'while', 'when', 'additionally']);
const before = (words: string): RegExp => new RegExp(String.raw`\s(?:is |are |of )?(?:${words})\s+(?=-?\d)`, 'gi');
const WORDED: readonly [RegExp, string][] = [
  [before('greater than or equal to|at least|no less than|not less than'), '>='],
  [before('less than or equal to|at most|no more than|not more than|up to'), '<='],
  [before('above|over|greater than|more than|higher than|exceeds?|exceeding'), '>'],
  [before('below|under|less than|fewer than|lower than|falls below'), '<'],
  [/\s(?:is\s+)?(?=between\s+\d)/gi, ''],
];
/** Words after the name of an item that holds. */
const HOLDS = /^(?:exists?|criteria|characteristics|classification|situation|status|conditions?|profile|is|true|met)$/i;
const EXPLAINS =
  /^,?\s*(?:thus |thereby )?(?:indicating|representing|demonstrating|ensuring|enabling|providing|delivering|offering|suggesting|requiring|highlighting|showing|reflecting|eliminating|supporting|engineered|designed|allowing|making|signifying|characterizing|providing)\b/i;
const OPENERS = /\b(?:where|with|when|whenever|whose|if)\b/gi;

/** What a condition is about may itself be one: a "wireless device", a "mouse". Says which value such a word is. */
export type Restriction = (word: string) => string | undefined;

const IMPERATIVE =
  /^\s*(?:delete|insert|modify|update|block|mandates?|remove|create|register|purge|set|add|drop|archive)\b/i;
/** What may stand before the condition: the kind of thing, and that it is called so. */
const SUBJECT = /^[\w\s/'’-]*$/;

/**
 * The condition that a definition states, names unresolved.
 * @throws ParseFailure when part of it is not understood
 */
export function findCondition(row: KbRow, dependencies: readonly KbRow[], restriction: Restriction): Expr {
  const text = worded(markNames(repairText(row.definition).trim(), dependencies));
  if (IMPERATIVE.test(text)) throw new ParseFailure('it says what to do, not what holds', 0);
  const tokens = tokenize(text);
  const named = tokens.findIndex(({ isMarked, kind }) => isMarked === true && kind === 'name');
  const subjectEnd = named < 0 ? text.length : tokens[named]!.start;
  const openers = [...text.matchAll(OPENERS)].map((match) => match.index + match[0].length);
  const opener = openers.find((end) => end < subjectEnd) ?? subjectEnd;
  if (opener === text.length) throw new ParseFailure('no condition is stated', 0);
  const subject = text.slice(0, opener);
  if (!SUBJECT.test(subject) || subject.split(/\s+/).length > 16) throw new ParseFailure('no condition is stated', 0);
  checkSubject(subject, row, restriction);
  return readWhole(
    text,
    tokens,
    tokens.findIndex(({ start }) => start >= opener),
  );
}

function checkSubject(subject: string, row: KbRow, restriction: Restriction): void {
  if (/\b(?:not|no|never|without|and|or|only|except)\b/i.test(subject))
    throw new ParseFailure(`"${subject.trim()}" is not understood`, 0);
  const [kind, ...predicate] = subject.split(/\b(?:is|are|has|have|triggers?|suggests?|indicates?)\b/i);
  const own = predicate.length > 0 ? new Set(wordsOf(row.knowledge)) : new Set<string>();
  for (const word of wordsOf(kind!)) {
    const value = restriction(word) ?? restriction(word.replace(/s$/, ''));
    if (value !== undefined && !own.has(word))
      throw new ParseFailure(`whether "${word}" restricts it to ${value} is not said`, 0);
  }
}

/** A text that is nothing but a condition. @throws ParseFailure */
export function parseConditionText(text: string, dependencies: readonly KbRow[]): Expr {
  const marked = worded(markNames(text.trim(), dependencies));
  return readWhole(marked, tokenize(marked), 0);
}

function readWhole(text: string, tokens: readonly Token[], from: number): Expr {
  const list = new ConditionList(tokens, from);
  const expr = list.read();
  const end = tokens[list.at]!;
  const rest = text.slice(end.start).trim();
  if (rest !== '' && rest !== '.' && !EXPLAINS.test(rest))
    throw new ParseFailure(`"${rest.slice(0, 40)}" is not understood`, end.start);
  return expr;
}

/** `is above 3`, `of at least 5`, `exceeds 2` as comparisons. Only before a number: "at least one of" stays. */
function worded(text: string): string {
  return WORDED.reduce((changed, [pattern, sign]) => changed.replaceAll(pattern, ` ${sign} `), text);
}

/** Names of items as one token each, and without the long name that repeats a short one. */
export function markNames(text: string, dependencies: readonly KbRow[]): string {
  const names = new Map<string, string>();
  for (const row of dependencies) {
    const { name, abbreviation } = titleParts(row.knowledge);
    const short = abbreviation ?? name;
    for (const long of KnowledgeIndex.namesOf(row)) if (long !== abbreviation) names.set(long, short);
  }
  let marked = text;
  for (const [long, short] of [...names].sort(([a], [b]) => b.length - a.length)) {
    const spelled = long.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(' ', String.raw`\s+`);
    const both = new RegExp(
      String.raw`(?<![\w{])${spelled}\s*\(\s*${short.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}\s*\)`,
      'gi',
    );
    marked = marked.replaceAll(both, `\\text{${short}}`);
    if (long !== short)
      marked = marked.replaceAll(new RegExp(String.raw`(?<=\b${short}\}?)\s*\(${spelled}\)`, 'g'), ' ');
    marked = marked.replaceAll(new RegExp(String.raw`(?<![\w{'-])${spelled}(?![\w}'-])`, 'gi'), `\\text{${short}}`);
  }
  return marked;
}

class ConditionList {
  at: number;
  readonly #tokens: readonly Token[];

  constructor(tokens: readonly Token[], from: number) {
    this.#tokens = tokens;
    this.at = from;
  }

  read(): Expr {
    const items = [this.#item()];
    let connective: 'and' | 'or' | undefined;
    let commas = 0;
    for (;;) {
      const start = this.at;
      const hasComma = this.#op(',') || this.#op(';');
      const word = this.#connective() ?? (hasComma ? undefined : this.#joiner(items.at(-1)!));
      if (!hasComma && word === undefined) break;
      if (word !== undefined && connective !== undefined && word !== connective) {
        throw new ParseFailure('"and" beside "or" without parentheses can be read in two ways', this.#token.start);
      }
      connective = word ?? connective;
      try {
        items.push(this.#item());
        if (word === undefined) commas += 1;
      } catch (error) {
        if (word !== undefined || !(error instanceof ParseFailure)) throw error;
        this.at = start;
        break;
      }
    }
    if (items.length === 1) return items[0]!;
    if (connective === undefined)
      throw new ParseFailure(`whether all or one of ${commas + 1} conditions must hold is not said`, this.#token.start);
    return { kind: 'logic', op: connective, args: items };
  }

  #item(): Expr {
    this.#skipFluff();
    if (this.#words('at', 'least', 'one', 'of') || this.#words('one', 'or', 'more', 'of') || this.#words('any', 'of')) {
      this.#words('the', 'following');
      this.#op(':');
      const options = this.read();
      if (options.kind === 'logic' && options.op === 'and') throw new ParseFailure('one of … and …', this.#token.start);
      return options;
    }
    const described = this.#described();
    if (described !== undefined) return described;
    if (this.#token.text === '(' && this.#token.kind === 'op') {
      const start = this.at;
      try {
        this.at += 1;
        const inner = this.read();
        if (!this.#op(')')) throw new ParseFailure('")" was expected', this.#token.start);
        return inner;
      } catch (error) {
        if (!(error instanceof ParseFailure)) throw error;
        this.at = start;
      }
    }
    const token = this.#token;
    const { expr, next } = parseComparison(this.#tokens, this.at, { isProse: true });
    this.at = next;
    if (isCondition(expr)) return expr;
    if (expr.kind === 'name' && this.#token.kind === 'text') return this.#valued(expr);
    if (expr.kind === 'name' && token.isMarked) {
      while (this.#token.kind === 'name' && HOLDS.test(this.#token.text)) this.at += 1;
      return { kind: 'call', fn: 'truth', args: [expr] };
    }
    throw new ParseFailure('no condition', token.start);
  }

  /** `status 'Open' or 'Late'`. */
  #valued(arg: Expr): Expr {
    const values: Expr[] = [];
    for (;;) {
      values.push({ kind: 'text', value: this.#token.text });
      this.at += 1;
      const next = this.#tokens[this.at + 1];
      if (this.#token.isMarked || this.#token.text.toLowerCase() !== 'or' || next?.kind !== 'text') break;
      this.at += 1;
    }
    return values.length > 1 ? { kind: 'in', arg, values } : { kind: 'compare', op: '=', left: arg, right: values[0]! };
  }

  /** `high density (InfoDense > 0.8)`: what stands in brackets says what the words mean. */
  #described(): Expr | undefined {
    let at = this.at;
    while (this.#tokens[at]?.kind === 'name' && !this.#tokens[at]!.isMarked) at += 1;
    if (at === this.at || at - this.at > 6 || this.#tokens[at]?.text !== '(') return undefined;
    const start = this.at;
    this.at = at + 1;
    const inner = this.read();
    if (!this.#op(')')) {
      this.at = start;
      throw new ParseFailure('")" was expected', this.#token.start);
    }
    return inner;
  }

  get #token(): Token {
    return this.#tokens[this.at]!;
  }

  #op(text: string): boolean {
    const isHere = this.#token.kind === 'op' && this.#token.text === text;
    if (isHere) this.at += 1;
    return isHere;
  }

  #connective(): 'and' | 'or' | undefined {
    const word = this.#token.text.toLowerCase();
    const isWord = this.#token.kind === 'op' || (this.#token.kind === 'name' && !this.#token.isMarked);
    if (!isWord || (word !== 'and' && word !== 'or')) return undefined;
    this.at += 1;
    return word;
  }

  /** `a Technosignature with x > 1`: after the name of an item, "with" adds to it. */
  #joiner(last: Expr): 'and' | undefined {
    if (last.kind !== 'call' || last.fn !== 'truth') return undefined;
    return JOINERS.has(this.#token.text.toLowerCase()) && !this.#token.isMarked ? 'and' : undefined;
  }

  #words(...words: string[]): boolean {
    const areHere = words.every((word, offset) => this.#tokens[this.at + offset]?.text.toLowerCase() === word);
    if (areHere) this.at += words.length;
    return areHere;
  }

  #skipFluff(): void {
    while (this.#token.kind === 'name' && !this.#token.isMarked && FLUFF.has(this.#token.text.toLowerCase()))
      this.at += 1;
  }
}
