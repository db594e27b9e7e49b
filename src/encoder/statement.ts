/**
 * Finds what a definition states: `NAME = formula = formula, where …`. The formula must be the definition's main clause, at
 * its beginning (after "for a given robot R,"); what follows is the tail, split into symbols defined in it and prose.
 */
import type { Expr } from './ast.ts';
import { parseExpression, ParseFailure } from './parser.ts';
import { repairText, tokenize, type Token } from './tokenizer.ts';
import { plain, proseOf, titleParts } from './words.ts';

export interface Statement {
  /** The name before the `=`, as written. */
  readonly symbol?: string;
  /** Every side of the equation after the name, in order. */
  readonly members: readonly Expr[];
  /** Symbols that the tail defines, without spelling habits. */
  readonly locals: ReadonlyMap<string, Expr>;
  /** The tail's prose, without LaTeX and without what `locals` holds. */
  readonly prose: string;
  /** What the entity letter stands for: `robot` in "for a given robot R". */
  readonly entity?: string;
}

const GIVEN = /^\s*For an? (?:given |specific )?([A-Za-z ]+?) ([A-Z]),\s*/;
/** Whatever may stand between a formula and the prose about it. */
const MAY_FOLLOW = /^(?:$|[,.;]|\\\\|\\text\{\s*[(,;.]|\\text\{|\n|where\b|using\b|with\b|used\b)/;

/** @throws ParseFailure when no formula begins the text, or one does not end where a formula can */
export function findStatement(title: string, definition: string): Statement {
  const text = repairText(definition).trim();
  const given = GIVEN.exec(text);
  const entity = given?.[2];
  const options = { ...(entity !== undefined && { entity }) };
  const tokens = tokenize(text);
  let at = given ? tokens.findIndex(({ start }) => start >= given[0].length) : 0;
  const symbol = symbolAt(tokens, at, entity);
  if (symbol !== undefined && symbol.name.includes(' ') && !isOwnSymbol(symbol.name, title)) {
    throw new ParseFailure(`"${symbol.name}" is no name of the item`, 0);
  }
  if (symbol !== undefined) at = symbol.next;
  else if (!startsLikeFormula(tokens[at]!)) throw new ParseFailure(`no formula begins "${text.slice(0, 40)}"`, 0);
  const members: Expr[] = [];
  let next = at;
  for (;;) {
    const parsed = parseExpression(tokens, next, { ...options, isSide: true });
    members.push(parsed.expr);
    next = parsed.next;
    if (symbol === undefined || tokens[next]!.text !== '=') break;
    next += 1;
  }
  const rest = text.slice(tokens[next]!.start);
  const between = text.slice(tokens[next - 1]!.end, tokens[next]!.start);
  if (!MAY_FOLLOW.test(rest) && !between.includes('\n')) {
    throw new ParseFailure(`the formula does not end before "${rest.slice(0, 30)}"`, tokens[next]!.start);
  }
  if (symbol === undefined && /[A-Za-z]/.test(proseOf(rest)))
    throw new ParseFailure('prose follows a formula without a name', 0);
  const name = symbol?.name;
  const variables = [...new Set(setVariables(tokens))];
  const { locals, prose } = readTail(text, tokens, next, { ...options, variables });
  return {
    ...(name !== undefined && { symbol: name }),
    members,
    locals,
    prose,
    ...(given && { entity: given[1]!.trim() }),
  };
}

function startsLikeFormula({ kind, text, isMarked }: Token): boolean {
  return (
    (kind === 'op' && '([{|-'.includes(text)) ||
    kind === 'number' ||
    (kind === 'name' && isMarked === true && text.startsWith('\\'))
  );
}

/** `NAME =`, `NAME(R) =`: the name and where the formula begins. */
function symbolAt(tokens: readonly Token[], from: number, entity?: string): { name: string; next: number } | undefined {
  const names: string[] = [];
  let at = from;
  while (tokens[at]?.kind === 'name' && names.length < 8 && !['\\frac', '\\sqrt'].includes(tokens[at]!.text)) {
    names.push(tokens[at]!.text.replace(/^\\/, ''));
    at += 1;
  }
  // Titles such as "Driver's Average" and "JDI-TOH Slope" are no names to the tokenizer; a formula after them is left alone.
  if (tokens[at]?.text === '(' && tokens[at + 1]?.text === entity && tokens[at + 2]?.text === ')') at += 3;
  if (names.length === 0 || tokens[at]?.kind !== 'op' || tokens[at]!.text !== '=') return undefined;
  return { name: names.join(' '), next: at + 1 };
}

/** Whether a symbol is an item's own: its abbreviation, its title, or the title's initials. */
export function isOwnSymbol(symbol: string, title: string): boolean {
  const { name, abbreviation } = titleParts(title);
  const initials = name
    .split(/[\s-]+/)
    .map((word) => word[0] ?? '')
    .join('');
  return [abbreviation, name, initials].some((own) => own !== undefined && plain(own) === plain(symbol));
}

function* setVariables(tokens: readonly Token[]): Generator<string> {
  for (let at = 1; at + 1 < tokens.length; at += 1) {
    if (tokens[at]!.kind === 'op' && tokens[at]!.text === 'in' && tokens[at - 1]!.kind === 'name')
      yield tokens[at - 1]!.text;
  }
}

/** `where w(mf) = 1 / (1 + x), and …`: symbols and their formulas out of the tail, the rest as prose. */
function readTail(
  text: string,
  tokens: readonly Token[],
  from: number,
  options: { entity?: string; variables: readonly string[] },
): { locals: Map<string, Expr>; prose: string } {
  const locals = new Map<string, Expr>();
  const prose: string[] = [];
  let kept = tokens[from]!.start;
  for (let at = from; at < tokens.length; at += 1) {
    const symbol = tokens[at]!;
    if (symbol.kind !== 'name') continue;
    let equals = at + 1;
    if (tokens[equals]?.text === '(' && options.variables.includes(tokens[equals + 1]?.text ?? '')) equals += 3;
    if (tokens[equals]?.kind !== 'op' || tokens[equals]!.text !== '=') continue;
    const first = tokens[equals + 1]!;
    const second = tokens[equals + 2];
    const isPlainNumber = first.kind === 'number' && (second === undefined || !'/*+-^('.includes(second.text || ' '));
    // `Low=1` is an entry of a list, `x = 0` a case: numbers alone define nothing here (see `Lookup`).
    if (isPlainNumber || first.kind === 'text') continue;
    try {
      const parsed = parseExpression(tokens, equals + 1, options);
      if (locals.has(plain(symbol.text))) throw new ParseFailure(`${symbol.text} is defined twice`, symbol.start);
      locals.set(plain(symbol.text), parsed.expr);
      prose.push(text.slice(kept, symbol.start));
      kept = tokens[parsed.next]!.start;
      at = parsed.next - 1;
    } catch (error) {
      if (!(error instanceof ParseFailure)) throw error;
    }
  }
  prose.push(text.slice(kept));
  return { locals, prose: proseOf(prose.join(' ')) };
}
