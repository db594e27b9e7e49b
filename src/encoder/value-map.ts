/**
 * Lists that give each value of a column a number: `Low=1, Medium=2, else=0`, `1.2 for High, 0.8 for Low`,
 * `'Apartment' receives 3 points, and all other types receive 1 point`.
 */
import type { Expr } from './ast.ts';

export interface ValueMap {
  readonly pairs: readonly { readonly literal: string; readonly value: number }[];
  /** What every other value gets. */
  readonly otherwise?: number;
  /** The prose around the list. */
  readonly rest: string;
}

const NUM = String.raw`([+-]?\d+(?:\.\d+)?)(?!\.?\d|\s*%)`;
const OTHERS = String.raw`(?:else|anything else|(?:all |any )?others?(?: [a-z]+)?)`;
const RUN = String.raw`[A-Z][\w+/-]*(?: [A-Z][\w+/-]*)*`;
const DEFAULTS = [
  new RegExp(String.raw`(?:\band )?(?<!['\w])${OTHERS} ?(?:=|:|receives?|gets?|is|are) ?${NUM}(?: points?)?`, 'gi'),
  new RegExp(String.raw`(?:\band )?\b${NUM} (?:for ${OTHERS}|otherwise)(?![\w'])`, 'gi'),
];
const QUOTED_OR_OTHERS = new RegExp(String.raw`'([^']+)' or others ?= ?${NUM}`, 'gi');
const EQUALS = new RegExp(
  String.raw`(?:'([^']+)'|\b(${RUN})) ?(?:= ?|: |(?:receives|gets|is assigned) )${NUM}(?: points?)?`,
  'g',
);
const LIST = String.raw`(?:'[^']+'|${RUN})(?:(?:,| or| and)+ (?!and )(?:'[^']+'|${RUN}))*`;
const FOR = new RegExp(String.raw`(?<![\w.'])${NUM} (?:points? )?for (?:[A-Za-z_]\w* ?= ?)?(${LIST})`, 'g');

/** The list in a prose, or undefined: there is none, or it is only said by way of example. */
export function parseValueMap(prose: string): ValueMap | undefined {
  if (/\be\.g\.|for example|such as/i.test(prose)) return undefined;
  const pairs: { literal: string; value: number }[] = [];
  const defaults: number[] = [];
  let rest = prose;
  const take = (pattern: RegExp, use: (match: RegExpMatchArray) => void): void => {
    for (const match of rest.matchAll(pattern)) use(match);
    rest = rest.replaceAll(pattern, ' ');
  };
  take(QUOTED_OR_OTHERS, ([, literal, value]) => {
    pairs.push({ literal: literal!, value: Number(value) });
    defaults.push(Number(value));
  });
  for (const pattern of DEFAULTS) take(pattern, ([, value]) => defaults.push(Number(value)));
  take(EQUALS, ([, quoted, run, value]) => pairs.push({ literal: quoted ?? run!, value: Number(value) }));
  take(FOR, ([, value, list]) => {
    for (const [, quoted, run] of list!.matchAll(new RegExp(`'([^']+)'|(${RUN})`, 'g'))) {
      pairs.push({ literal: quoted ?? run!, value: Number(value) });
    }
  });
  const [otherwise] = defaults;
  // Two values for "others" are two lists that nobody has told apart.
  if (defaults.length > 1) return undefined;
  const isList = pairs.length > 1 || (pairs.length === 1 && otherwise !== undefined);
  if (!isList || new Set(pairs.map(({ literal }) => literal)).size !== pairs.length) return undefined;
  return { pairs, ...(otherwise !== undefined && { otherwise }), rest: rest.replaceAll(/\s+/g, ' ').trim() };
}

/** A map whose literals are values that a column has: how many of them were found. */
export interface FittedMap {
  readonly pairs: readonly { readonly literal: string; readonly value: number }[];
  readonly found: number;
  /** Whether values must be read without blanks at their end. */
  readonly isPadded: boolean;
}

/** The map against the values of a column. Of a run of words like `Critical PPE` the longest beginning that is a value counts. */
export function fitMap(map: ValueMap, values: readonly unknown[]): FittedMap {
  const texts = values.filter((value) => typeof value === 'string');
  const isPadded = texts.some((text) => text !== text.trimEnd());
  const known = new Set(texts.map((text) => text.trimEnd()));
  let found = 0;
  const pairs = map.pairs.map(({ literal, value }) => {
    const words = literal.split(' ');
    for (let length = words.length; length > 0; length -= 1) {
      const part = words.slice(0, length).join(' ');
      if (!known.has(part)) continue;
      found += 1;
      return { literal: part, value };
    }
    return { literal, value };
  });
  return { pairs, found, isPadded };
}

/** The number that a column's value stands for. */
export function mapExpr(column: Expr, map: ValueMap, fitted: FittedMap): Expr {
  const subject: Expr = fitted.isPadded ? { kind: 'call', fn: 'trim', args: [column] } : column;
  return {
    kind: 'cases',
    branches: fitted.pairs.map(({ literal, value }) => ({
      when: { kind: 'compare', op: '=', left: subject, right: { kind: 'text', value: literal } },
      value: { kind: 'number', value },
    })),
    ...(map.otherwise !== undefined && { otherwise: { kind: 'number', value: map.otherwise } as const }),
  };
}
