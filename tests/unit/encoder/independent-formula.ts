/**
 * A second, simple reading of formulas, to check the encoder against: text is rewritten into JavaScript by a few textual
 * rules and run on rows loaded into memory. It shares nothing with the encoder: no parser, no name index, no joins, no SQL.
 * What its rules do not cover it refuses, so that it can only fail to check, not agree by chance.
 */
import { compileFunction } from 'node:vm';

import { NotCovered, squash, type Row, type Rows } from './rows-in-memory.ts';

export interface KbItem {
  readonly id: number;
  readonly knowledge: string;
  readonly definition: string;
  readonly type: string;
  readonly children_knowledge: number | readonly number[] | null;
}

/** What a calculation is made in. */
export interface Setting {
  readonly kb: ReadonlyMap<number, KbItem>;
  readonly rows: Rows;
  /** Names of formulas that a person has read: which column they mean. */
  readonly read: Readonly<Record<string, string>>;
}

/** The value of an item for one row of a table; null where something in it is NULL. @throws NotCovered */
export function calculate(item: KbItem, setting: Setting, table: string, row: Row): unknown {
  const { kb, rows, read } = setting;
  const source = toJavaScript(item.definition);
  const raw = (name: string, at: string, of: Row): unknown => {
    if (squash(name) === 'currentdate') return new Date().toISOString().slice(0, 10);
    const children = [item.children_knowledge ?? []].flat().flatMap((id) => kb.get(id) ?? []);
    const child = children.find(({ knowledge }) => namesOf(knowledge).some((known) => squash(known) === squash(name)));
    if (child !== undefined && child.type !== 'value_illustration') return calculate(child, setting, at, of);
    return rows.value(read[name] ?? name, at, of);
  };
  const number = (name: string, at = table, of = row): number => {
    const value = raw(name, at, of);
    if (value === null) throw new Unknown();
    if (typeof value !== 'string') return Number(value);
    if (/^\d{4}-\d\d-\d\d/.test(value))
      return Date.parse(`${value.replace(' ', 'T')}${value.length > 10 ? 'Z' : ''}`) / 86_400_000;
    if (value.trim() !== '' && Number.isFinite(Number(value))) return Number(value);
    const list = listFor(name, item, kb);
    if (list === undefined) throw new NotCovered(`${name} is text`);
    const worded = [...list].find(([word]) => word.startsWith(`${value} `))?.[1];
    const points = list.get(value) ?? worded ?? list.get('*');
    if (points === undefined) throw new Unknown();
    return points;
  };
  const over = (
    fn: 'sum' | 'max' | 'min' | 'count',
    set: string,
    key: string,
    value: (name: (name: string) => number) => number,
  ): number => {
    const values: number[] = [];
    const members = rows.members(set, key, row);
    for (const member of members) {
      try {
        values.push(value((name) => number(name.replace(/^[a-z]+\./, ''), set, member)));
      } catch (error) {
        if (!(error instanceof Unknown)) throw error;
      }
    }
    if (fn === 'count') return members.length;
    if (values.length === 0) throw new Unknown();
    return fn === 'sum' ? values.reduce((a, b) => a + b, 0) : Math[fn](...values);
  };
  // A text that is NULL is no value of a list: "otherwise" holds for it.
  const text = (name: string): unknown => raw(name, table, row);
  try {
    const result = Number(compileFunction(`return ${source}`, ['N', 'T', 'Over', 'Math'])(number, text, over, Math));
    return Number.isFinite(result) ? result : null;
  } catch (error) {
    if (error instanceof Unknown) return null;
    if (error instanceof NotCovered) throw error;
    throw new NotCovered(`${source}: ${String(error)}`);
  }
}

/** A value in it is NULL: so is the result. */
class Unknown extends Error {}

const namesOf = (title: string): string[] => {
  const match = /^(.*?)\s*\(([^()]+)\)$/.exec(title.trim());
  return match ? [match[1]!, match[2]!, title] : [title];
};

/** The points that a remark gives the values of `name`: in the definition itself, else in an item called like it. */
function listFor(name: string, item: KbItem, kb: ReadonlyMap<number, KbItem>): Map<string, number> | undefined {
  const remark = item.definition
    .replaceAll('\\_', '_')
    .replaceAll(/\\text\{|[\\{}$]/g, ' ')
    .replaceAll(/\s+/g, ' ');
  const spelled = name.replace(/_factor$/, '_ factor').replace(/^Delta_/, 'Delta_ ');
  for (const form of [name, spelled]) {
    const at = remark.lastIndexOf(form);
    const own = at < 0 ? undefined : pairsOf(remark.slice(at + form.length).split(/ and \w+_(?:numeric|factor)/)[0]!);
    if (own !== undefined) return own;
  }
  const other = [...kb.values()].find(({ knowledge }) => squash(knowledge.split('.').at(-1)!) === squash(name));
  return other === undefined ? undefined : pairsOf(other.definition);
}

function pairsOf(text: string): Map<string, number> | undefined {
  const list = new Map<string, number>();
  for (const [, word, points] of text.matchAll(/'?([A-Z][\w]*(?: [A-Z]\w*)*)'? ?= ?([\d.]+\d|\d)/g))
    list.set(word!, Number(points));
  for (const [, points, word] of text.matchAll(/([+-]?\d[\d.]*) for (?:\w+ = )?'?\s*([A-Z]\w*(?: [A-Z]\w*)?)/g))
    list.set(word!, Number(points));
  const other = /(?:else|others) ?= ?([\d.]+\d|\d)|([\d.]+) for (?:else|other)/.exec(text);
  if (other) list.set('*', Number(other[1] ?? other[2]));
  return list.size > 1 ? list : undefined;
}

/** The formula of a definition as JavaScript; `N("x")` is the number x, `T("x")` the text. */
export function toJavaScript(definition: string): string {
  const prefix = /^For a given \w+ R, /;
  let text = withSets(definition.replace(prefix, ''))
    .replaceAll('\t', '\\t')
    .replaceAll('$', '')
    .replaceAll('\\_', '_')
    .replaceAll('{,}', '');
  text = text.split(
    /,\s*\\text\{\s*(?:where|using)|,\s*(?:where|used|using|with|which)\b|\\\\ *\\text|\\text\{ \(|\\text\{\s*where/,
  )[0]!;
  const equals = text.indexOf('=');
  if (equals < 0 || /\\(?:in|mid)\b|\bOVER\b|≥/.test(text)) throw new NotCovered(definition);
  let formula = text
    .slice(equals + 1)
    .trim()
    .replace(/\.$/, '');
  const sides = formula.split(/(?<![=!<>])=(?![=])/);
  if (!formula.includes('begin{cases}') && sides.length > 1) formula = sides.at(-1)!;
  formula = formula
    .replaceAll(/\\text\{'([^']*)'\}/g, "'$1'")
    .replaceAll(/\\text\{\s*(if|otherwise|between|and)\b\s*([^{}]*)\}/g, ' $1 $2 ')
    .replaceAll(/\\text\{([^{}]*)\}/g, (_, inner: string) => (/\s/.test(inner.trim()) ? `«${inner.trim()}»` : inner))
    .replaceAll(/\\(?:left|right)\b\.?/g, '')
    .replaceAll(/\\times|\\cdot|×/g, '*')
    .replaceAll('÷', '/')
    .replaceAll(/(?<=\w) (?:score|value)\b/g, '')
    .replaceAll(/\\neq|≠/g, '!=')
    .replaceAll(/\\leq|≤/g, '<=')
    .replaceAll(/\\%|%/g, '')
    .replaceAll(/\\log_\{10\}/g, 'Math_log10')
    .replaceAll(/\\max/g, 'Math_max')
    .replaceAll(/\bMax(?=\()/g, 'Math_max');
  formula = formula.replaceAll(/\|([^|]*)\|/g, 'Math_abs($1)');
  if (definition.includes('each component is capped at 1.0')) formula = capped(formula);
  formula = cases(formula);
  for (let before = ''; before !== formula;) {
    before = formula;
    formula = formula
      .replace(/\\frac\{([^{}]*)\}\{([^{}]*)\}/, '(($1)/($2))')
      .replace(/\\sqrt\{([^{}]*)\}/, 'Math_sqrt($1)');
    formula = formula.replace(/\^\{([^{}]*)\}/, '**($1)').replace(/e\*\*/, 'Math_E**');
  }
  formula = formula.replaceAll('^', '**').replaceAll('&&', ' && ').replaceAll('\\&', '&');
  formula = formula
    .replaceAll(/(\d) (\d)/g, '$1$2')
    .replaceAll(/\\Delta_/g, 'Delta_')
    .replaceAll(/M_\{(\w+)\}/g, 'M_$1');
  formula = sums(formula);
  formula = formula.replaceAll(/([\d.]+) *<= *([^()?:]+?) *<= *([\d.]+)/g, '($1 <= $2 && $2 <= $3)');
  if (/[\\⟦]/.test(formula)) throw new NotCovered(formula);
  // What is compared with a text is a text; every other name is a number.
  const pieces = formula.split(/('[^']*')/);
  return pieces.map((piece, at) => (at % 2 === 1 ? piece : names(piece, pieces[at + 1] !== undefined))).join('');
}

function names(piece: string, isBeforeText: boolean): string {
  const found = [...piece.matchAll(/«[^»]+»|[A-Za-z_][\w.]*(?: [A-Z][\w.]*)*/g)];
  let out = '';
  let from = 0;
  found.forEach((match, at) => {
    const [name] = match;
    const rest = piece.slice(match.index + name.length);
    const isText =
      (isBeforeText && at === found.length - 1 && /^\s*(?:===?|!=)\s*$/.test(rest)) ||
      /^\s*!=\s*[A-Za-z]/.test(rest) ||
      /[A-Za-z]\s*!=\s*$/.test(piece.slice(0, match.index));
    const js =
      name === 'NaN' || name === 'Over' || name === 'N'
        ? name
        : name.startsWith('Math_')
          ? name.replace('_', '.')
          : `${isText ? 'T' : 'N'}(${JSON.stringify(name.replaceAll(/[«»]/g, '').replace(/ (?:value|score)$/, ''))})`;
    out += piece.slice(from, match.index) + (['and', 'or'].includes(name) ? (name === 'and' ? '&&' : '||') : js);
    from = match.index + name.length;
  });
  return out + piece.slice(from);
}

/** A list of cases as nested ternaries. */
function cases(formula: string): string {
  return formula.replaceAll(/\\begin\{cases\}(.*?)\\end\{cases\}/gs, (_, body: string) => {
    let out = '';
    for (const line of body.split('\\\\')) {
      const [value, condition] = line.split('&');
      if (condition === undefined) throw new NotCovered(line);
      const test = condition
        .trim()
        .replace(/^if\s*/, '')
        .replaceAll(/(?<![!<>])=/g, '===')
        .replaceAll(/\band\b/g, '&&')
        .replaceAll(/\bor\b/g, '||');
      out += /otherwise/.test(test) ? `(${value!.trim()})` : `(${test}) ? (${value!.trim()}) : `;
    }
    return out.trimEnd().endsWith(':') ? `(${out} NaN)` : `(${out})`;
  });
}

/** `{v \in T \mid K = R}` as one mark, `w(v)` as what the remark says it is. */
function withSets(definition: string): string {
  const weight = /w\(mf\) = (.+)$/.exec(definition);
  let text = weight === null ? definition : definition.slice(0, weight.index);
  if (weight !== null) text = text.replaceAll('w(mf)', `(${weight[1]!.replace(/\.$/, '')})`);
  return text
    .replaceAll(/\\?\{\w+ \\in \\text\{(\w+)\} \\mid \\text\{(\w+) = R\}\\?\}/g, '⟦$1 $2⟧')
    .replaceAll(/(?:\\text\{\|\}|\|)(⟦[^⟧]*⟧)(?:\\text\{\|\}|\|)/g, 'Count$1')
    .replaceAll(/->>'(\w+)'/g, '.$1')
    .replaceAll(/::(?:integer|int|float)/g, '');
}

/** `\sum_⟦T K⟧ value`: the value goes on to the bracket that closes around it. */
function sums(formula: string): string {
  let out = formula.replaceAll(/Count⟦(\w+) (\w+)⟧/g, "Over('count','$1','$2',(N)=>0)");
  for (;;) {
    const match = /(?:\\sum|\\max|\\min|Math_max|Math_min)_⟦(\w+) (\w+)⟧/.exec(out);
    if (match === null) return out;
    let depth = 0;
    let end = match.index + match[0].length;
    for (; end < out.length && depth >= 0; end += 1) depth += out[end] === '(' ? 1 : out[end] === ')' ? -1 : 0;
    if (depth < 0) end -= 1;
    const fn = /sum|max|min/.exec(match[0])![0];
    const value = out.slice(match.index + match[0].length, end);
    out = `${out.slice(0, match.index)}Over('${fn}','${match[1]}','${match[2]}',(N)=>(${value}))${out.slice(end)}`;
  }
}

/** `0.4 * a + 0.6 * b` with each of a and b at most 1. */
function capped(formula: string): string {
  const terms: string[] = [''];
  let depth = 0;
  for (const char of formula) {
    if ('({'.includes(char)) depth += 1;
    if (')}'.includes(char)) depth -= 1;
    if (char === '+' && depth === 0) terms.push('');
    else terms[terms.length - 1] += char;
  }
  return terms.map((term) => term.replace(/^\s*([\d.]+) \* (.*?)\s*$/s, '$1 * Math_min($2, 1)')).join(' + ');
}
