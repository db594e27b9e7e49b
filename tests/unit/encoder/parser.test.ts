/** Formulas as people write them, parsed and calculated. */
import { describe, expect, test } from 'vitest';

import type { Expr } from '../../../src/encoder/ast.ts';
import { evaluate } from '../../../src/encoder/evaluate.ts';
import { parseExpression, ParseFailure } from '../../../src/encoder/parser.ts';
import { repairText, tokenize } from '../../../src/encoder/tokenizer.ts';
import { mapChildren } from '../../../src/encoder/ast.ts';

const ROW: Record<string, number | string | boolean | null> = {
  a: 2,
  b: 3,
  c: 10,
  gone: null,
  kind: 'High',
  flag: 1,
  'x.y': 7,
};

/** The value of a formula over ROW; names are taken as they are written. */
function value(text: string): unknown {
  const tokens = tokenize(repairText(text));
  const { expr, next } = parseExpression(tokens);
  expect(tokens[next]!.kind).toBe('end');
  const bound = (part: Expr): Expr => {
    if (part.kind === 'name') return { kind: 'column', ref: { model: 't', column: part.name } };
    return mapChildren(part.kind === 'call' && part.fn === 'truth' ? part.args[0]! : part, bound);
  };
  return evaluate(bound(expr), {
    today: '2024-01-05',
    column: ({ column }) => {
      if (!(column in ROW)) throw new Error(`no ${column}`);
      return ROW[column]!;
    },
    aggregate: () => 0,
  });
}

describe('a formula', () => {
  test.each<[string, unknown]>([
    ['a + b * c', 32],
    ['a - b - c', -11],
    ['c / b / a', 10 / 3 / 2],
    ['-a^2', -4],
    ['2^{-1}', 0.5],
    ['2 ^ b ^ a', 512],
    [String.raw`\frac{a}{b}`, 2 / 3],
    [String.raw`\frac{\frac{a}{b} + 1}{\frac{c}{2}}`, (2 / 3 + 1) / 5],
    [String.raw`\left(a + b\right) \times \left(1 - \frac{c}{100}\right)`, 4.5],
    [String.raw`\text{a} \cdot \text{b}`, 6],
    ['a × b ÷ c', 0.6],
    ['2(a + b)', 10],
    [String.raw`(a)(b)\text{c}`, 60],
    ['|a - b| * |b - a|', 1],
    [String.raw`\sqrt{a^2 + b^2 + 3}`, 4],
    [String.raw`\log_{10}(c)`, 1],
    [String.raw`\ln(a)`, Math.log(2)],
    [String.raw`a \cdot e^{-\frac{|a - b|}{5}}`, 2 * Math.exp(-0.2)],
    [String.raw`\max(a, b, 0)`, 3],
    ['Max(0.01, a)', 2],
    [String.raw`\lfloor \frac{c}{b} \rfloor`, 3],
    ['a < b ? 1 : 2', 1],
    ['(a > b ? 1 : c > 5 ? 20 : 30)', 20],
    [String.raw`0.7 \leq a \leq 1.4 ? 1 : 0`, 0],
    ['1.5 if a > 1 else 1.0', 1.5],
    [String.raw`\begin{cases} 3 & \text{if kind = 'High' and a > 1} \\ 1 & \text{otherwise} \end{cases}`, 3],
    [String.raw`\begin{cases} 3 & \text{if kind \neq 'High'} \\ 1 & \text{otherwise} \end{cases}`, 1],
    [String.raw`c \times 1{,}000{,}000 + 1,000`, 10_001_000],
    [String.raw`$\text{x.y} - 0.1 \times |\text{a}|$`, 6.8],
    ["x->>'y' + x['y'] + x.y::integer", 21],
    ['\times'.replace('\t', 'a \t') + ' b', 6],
    ['a / (b - 3)', null],
    ['a + gone', null],
    ['gone > 1 ? 5 : 6', null],
    ["gone = 'High' ? 5 : 6", 6],
    [String.raw`\max(a, gone)`, null],
    [String.raw`\ln(a - b)`, null],
  ])('%s', (text, expected) => {
    const found = value(text);
    if (typeof expected === 'number') expect(found).toBeCloseTo(expected, 12);
    else expect(found).toBe(expected);
  });

  test.each<[string, boolean | null]>([
    ["kind in {'High', 'Severe'}", true],
    [String.raw`kind \in \{'Low', 'Severe'\}`, false],
    ["kind = 'Low' or 'High'", true],
    ["kind is 'Low' or a > 1", true],
    ["kind is not 'Low'", true],
    ['gone is null', true],
    ['a is NOT NULL', true],
    ['a between 1-3', true],
    ['a between 3 and 5', false],
    ["kind contains 'igh'", true],
    ['not a > b', true],
    ['a > 1 and gone > 1', null],
    ['a > 5 and gone > 1', false],
    ['a > 1 or gone > 1', true],
  ])('%s is %s', (text, expected) => {
    expect(value(text)).toBe(expected);
  });

  test.each([
    ['a +', 'ends early'],
    ['(a + b', '")" was expected'],
    [String.raw`\sum_{i=1}^{n} a`, 'a set of rows'],
    [String.raw`\begin{cases} 1 & a > 1 \end{cases}`, '"if" was expected'],
    ['w(x) + 1', 'no function'],
    [String.raw`\int a`, 'not understood'],
  ])('%s is refused', (text, message) => {
    expect(() => parseExpression(tokenize(repairText(text)))).toThrow(message);
  });

  test('in prose "and" beside "or" is not decided', () => {
    const tokens = tokenize('a > 1 and b > 1 or c > 1');
    expect(() => parseExpression(tokens, 0, { isProse: true })).toThrow(ParseFailure);
    const grouped = tokenize('a > 1 and (b > 1 or c > 1)');
    expect(parseExpression(grouped, 0, { isProse: true }).expr.kind).toBe('logic');
  });
});
