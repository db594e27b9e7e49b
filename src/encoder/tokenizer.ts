/**
 * Cuts a definition into tokens: LaTeX, plain formulas and the prose between them, in one pass and without judging what is
 * which. Layout (`\left`, `$`, thin spaces) goes; what the parser cannot use becomes `other`, at which it stops.
 */

export type TokenKind = 'number' | 'name' | 'text' | 'op' | 'prose' | 'other' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** A name's or text's content, an operator's canonical form, a number's digits. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** True for names in `\text{}` and commands: never read as keywords, never joined with their neighbours. */
  readonly isMarked?: boolean;
}

const OPERATORS: readonly [string, string][] = [
  ['<=', '<='],
  ['>=', '>='],
  ['!=', '!='],
  ['<>', '!='],
  ['==', '='],
  ['&&', 'and'],
  ['\\{', 'set{'],
  ['\\}', 'set}'],
  ['\\\\', 'newline'],
  ['≤', '<='],
  ['≥', '>='],
  ['≠', '!='],
  ['×', '*'],
  ['·', '*'],
  ['÷', '/'],
  ['−', '-'],
  ...'+-*/^=<>(){}[],;:?|&%'.split('').map((char): [string, string] => [char, char]),
];

const COMMANDS: Readonly<Record<string, string>> = {
  times: '*',
  cdot: '*',
  div: '/',
  neq: '!=',
  ne: '!=',
  leq: '<=',
  le: '<=',
  geq: '>=',
  ge: '>=',
  in: 'in',
  mid: 'mid',
  lfloor: 'lfloor',
  rfloor: 'rfloor',
  land: 'and',
  wedge: 'and',
  lor: 'or',
  vee: 'or',
};
const TEXT_COMMANDS = /^\\(?:text|mathrm|textbf|mathbf|operatorname|textit)\{/;
const GREEK = /^\\(?:alpha|beta|gamma|delta|epsilon|lambda|mu|sigma|theta|Delta|Sigma|Omega)(?![A-Za-z])/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
const NUMBER = /^(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)/;
/** How `\text{}` begins when it holds a part of the formula rather than one name. */
const INLINE_START = /^\s*(?:if|otherwise|else|when|and|or|between|with|then|for all)\b/i;
const PROSE_START =
  /^\s*(?:[,(;.]|where\b|using\b|indicating\b|comparing\b|normalizing\b|weighting\b|multiplying\b|dividing\b|averaged?\b|combin|calculat|based\b|showing\b|representing\b)/i;
const ONE_NAME = /^\s*[A-Za-z_][\w .'’()/&-]*$/;

/** A definition with what JSON and layout did to it undone; offsets of tokens are into this text. */
export function repairText(definition: string): string {
  return definition
    .replaceAll('\text{', '\\text{')
    .replaceAll('\times', '\\times')
    .replaceAll('\frac', '\\frac')
    .replaceAll('\begin', '\\begin')
    .replaceAll('\\_', '_')
    .replaceAll('{,}', '')
    .replaceAll(/\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])\.?/g, ' ')
    .replaceAll(/(?<!\\)\\[,;:! ]/g, ' ')
    .replaceAll('\\&', '&')
    .replaceAll(/[$`~]|\*\*|\\[[\]()]/g, ' ')
    .replaceAll(/[‘’]/g, "'")
    .replaceAll(/[“”]/g, '"');
}

/** The tokens of a repaired text, closed by `end`. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  scan(text, 0, text.length, tokens);
  tokens.push({ kind: 'end', text: '', start: text.length, end: text.length });
  return tokens;
}

function scan(text: string, from: number, to: number, tokens: Token[]): void {
  let at = from;
  const push = (kind: TokenKind, value: string, length: number, isMarked = false): void => {
    tokens.push({ kind, text: value, start: at, end: at + length, ...(isMarked && { isMarked }) });
    at += length;
  };
  while (at < to) {
    const rest = text.slice(at, to);
    const blank = /^\s+/.exec(rest);
    if (blank) {
      at += blank[0].length;
      continue;
    }
    const marked = TEXT_COMMANDS.exec(rest);
    if (marked) {
      const inner = at + marked[0].length;
      const close = closingBrace(text, inner, to);
      const content = text.slice(inner, close);
      if (PROSE_START.test(content)) push('prose', content, close + 1 - at);
      else if (ONE_NAME.test(content) && !INLINE_START.test(content)) {
        pushName(content.trim(), close + 1, true);
      } else {
        scan(text, inner, close, tokens);
        at = close + 1;
      }
      continue;
    }
    const greek = GREEK.exec(rest);
    if (greek) {
      pushName(greek[0].slice(1), at + greek[0].length, true);
      continue;
    }
    const cases = /^\\(begin|end)\{cases\}/.exec(rest);
    if (cases) {
      push('op', cases[1] === 'begin' ? 'cases{' : '}cases', cases[0].length);
      continue;
    }
    const command = /^\\([A-Za-z]+)/.exec(rest);
    if (command) {
      const op = COMMANDS[command[1]!];
      if (op !== undefined) push('op', op, command[0].length);
      else push('name', `\\${command[1]!}`, command[0].length, true);
      continue;
    }
    if (rest.startsWith('\\%')) {
      push('op', '%', 2);
      continue;
    }
    const number = NUMBER.exec(rest);
    if (number) {
      push('number', number[0].replaceAll(',', ''), number[0].length);
      continue;
    }
    const quote = /^'([^'\n]*)'|^"([^"\n]*)"/.exec(rest);
    if (quote && !/[A-Za-z]/.test(text[at - 1] ?? ' ')) {
      push('text', quote[1] ?? quote[2] ?? '', quote[0].length);
      continue;
    }
    if (rest[0] === '_' && tokens.at(-1)?.text.startsWith('\\')) {
      push('op', '_', 1);
      continue;
    }
    const name = NAME.exec(rest);
    if (name) {
      pushName(name[0], at + name[0].length, false);
      continue;
    }
    const operator = OPERATORS.find(([written]) => rest.startsWith(written));
    if (operator) push('op', operator[1], operator[0].length);
    else push('other', rest[0]!, 1);
  }

  /** A name with its path, keys and subscripts: `a.b`, `a->>'b'`, `a['b']`, `P_{start}`, `x::int`. */
  function pushName(first: string, after: number, isMarked: boolean): void {
    let name = first;
    let end = after;
    for (;;) {
      const rest = text.slice(end, to);
      const step =
        /^\.(?=[A-Za-z_])([A-Za-z_]\w*)/.exec(rest) ??
        /^->>?'([^']+)'/.exec(rest) ??
        /^\['([^']+)'\]/.exec(rest) ??
        /^::(?:integer|int|float|numeric|real)\b()/.exec(rest);
      if (step) {
        if (step[1]) name += `.${step[1]}`;
        end += step[0].length;
        continue;
      }
      if (/^_?\{/.test(rest) && (rest[0] === '_' || name.endsWith('_'))) {
        const inner = end + (rest[0] === '_' ? 2 : 1);
        const close = closingBrace(text, inner, to);
        const subscript = text.slice(inner, close).replaceAll(/\\(?:text|mathrm)\{([^}]*)\}/g, '$1');
        name = `${name.replace(/_$/, '')}_${subscript.trim()}`;
        end = close + 1;
        continue;
      }
      const short = isMarked ? /^_([A-Za-z0-9]+|\\text\{[^}]*\})/.exec(rest) : null;
      if (short) {
        name += `_${short[1]!.replaceAll(/\\text\{|\}/g, '')}`;
        end += short[0].length;
        continue;
      }
      const greekTail = name.endsWith('_') ? TEXT_COMMANDS.exec(rest) : null;
      if (greekTail) {
        const inner = end + greekTail[0].length;
        const close = closingBrace(text, inner, to);
        name += text.slice(inner, close).trim();
        end = close + 1;
        continue;
      }
      break;
    }
    push('name', name, end - at, isMarked);
  }
}

/** Where the brace that was opened before `from` is closed; `to` if it never is. */
function closingBrace(text: string, from: number, to: number): number {
  let depth = 1;
  for (let at = from; at < to; at += 1) {
    if (text[at] === '{') depth += 1;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  return to;
}
