/** What a definition states: its formula, its remarks, its lists, its conditions and labels. */
import { describe, expect, test } from 'vitest';

import type { KbRow } from '../../../src/dataset/task.ts';
import { findCategories } from '../../../src/encoder/categories.ts';
import { findCondition } from '../../../src/encoder/conditions.ts';
import { findStatement } from '../../../src/encoder/statement.ts';
import { capComponents, readCap, unreadChange } from '../../../src/encoder/tail.ts';
import { fitMap, parseValueMap } from '../../../src/encoder/value-map.ts';

const row = (knowledge: string, definition: string): KbRow => ({
  id: 1,
  knowledge,
  description: '',
  definition,
  type: 'domain_knowledge',
  children_knowledge: -1,
});
const none = (): undefined => undefined;

describe('a statement', () => {
  test('has a symbol, the sides of its equation and a remark', () => {
    const { symbol, members, prose } = findStatement('Net Worth', 'Net Worth = x - y = z, where z is what is kept.');
    expect(symbol).toBe('Net Worth');
    expect(members.map(({ kind }) => kind)).toEqual(['arithmetic', 'name']);
    expect(prose).toBe(', where z is what is kept.');
  });

  test('takes the symbols that its tail defines', () => {
    const { locals, entity } = findStatement(
      'Weighted Wear (WW)',
      String.raw`For a given tool R, WW = \sum_{m \in \text{marks} \mid \text{tool = R}} (depth \cdot w(m)), \text{where } w(m) = \frac{1}{1 + \text{days}}`,
    );
    expect(entity).toBe('tool');
    expect([...locals.keys()]).toEqual(['w']);
    expect(locals.get('w')!.kind).toBe('arithmetic');
  });

  test.each([
    ['prose', 'Calculated as the number of residents divided by rooms.'],
    ['a formula that goes on in words', 'R = (clicks / views) when views are many.'],
    ['text before the formula', 'The score is S = a + b'],
  ])('%s is none', (_, definition) => {
    expect(() => findStatement('Score (S)', definition)).toThrow();
  });

  test.each([
    [', where higher values indicate better sound.', undefined],
    [', where A is the First Index and B is the Other Index.', undefined],
    [' (undefined if y = 0)', undefined],
    [', where each score is normalized on a uniform scale.', 'normalized on'],
    [', assuming a maximum of 100', 'assuming'],
    [', excluding cancelled orders', 'excluding'],
  ])('a remark "%s" changes: %s', (prose, found) => {
    const change = unreadChange(prose, []);
    if (found === undefined) expect(change).toBeUndefined();
    else expect(change).toContain(found);
  });

  test('a cap on each component holds what the weights multiply', () => {
    const { cap } = readCap(', where each component is capped at 1.0');
    expect(cap).toBe(1);
    const { members } = findStatement('S', 'S = 0.4 × a + 0.6 × (1 - b)');
    const capped = capComponents(members[0]!, 1)!;
    expect(capped.kind === 'arithmetic' && capped.left.kind === 'arithmetic' && capped.left.right).toMatchObject({
      fn: 'min',
    });
    expect(capComponents(findStatement('S', 'S = a / b').members[0]!, 1)).toBeUndefined();
  });
});

describe('a value list', () => {
  test.each([
    ['converted to numeric (Low=1, Medium=2, Very High=4)', { Low: 1, Medium: 2, 'Very High': 4 }, undefined],
    [
      'is 1.2 for High, 1.0 for Medium, 0.8 for Low effectiveness level, and 0 for else',
      { High: 1.2, Medium: 1, Low: 0.8 },
      0,
    ],
    ["is 2 for Type = 'AM', 1.5 for 'FM', and 1 for other types", { AM: 2, FM: 1.5 }, 1],
    ["Enum: 'A' = 4, 'B' = 3, 'D' or others = 1.", { D: 1, A: 4, B: 3 }, 1],
    [
      "'Brick' receives 4 points, 'Flat' receives 3 points, and all other types receive 1 point.",
      { Brick: 4, Flat: 3 },
      1,
    ],
    ['Assigned as 1.0 for Male, Female, and 0.8 otherwise.', { Male: 1, Female: 1 }, 0.8],
    ["is +0.1 for 'Up', 0 for 'Even', and -0.1 for 'Down'", { Up: 0.1, Even: 0, Down: -0.1 }, undefined],
  ])('%s', (text, pairs, otherwise) => {
    const map = parseValueMap(text)!;
    expect(Object.fromEntries(map.pairs.map(({ literal, value }) => [literal, value]))).toEqual(pairs);
    expect(map.otherwise).toBe(otherwise);
  });

  test.each(['a weight (e.g., 1 for Basic, 2 for Advanced)', 'ranges from 0 to 10', 'Low=1', 'High=1, High=2'])(
    '%s is none',
    (text) => {
      expect(parseValueMap(text)).toBeUndefined();
    },
  );

  test('of a run of words the longest beginning that is a value counts, and padding is seen', () => {
    const map = parseValueMap('1.2 for Adequate, 0.5 for Critical PPE status')!;
    expect(fitMap(map, ['Adequate  ', 'Critical  '])).toEqual({
      pairs: [
        { literal: 'Adequate', value: 1.2 },
        { literal: 'Critical', value: 0.5 },
      ],
      found: 2,
      isPadded: true,
    });
  });
});

describe('a condition', () => {
  test.each([
    ['A flow where RES > 0.7 and DSI > 100, indicating danger', 'and', 2],
    ["A shipment with Mark='Bad' or Seal='Broken'", 'or', 2],
    ["A customer with p > 1, q < 2, and kind of 'X' or 'Y'.", 'and', 3],
    ['Signals with short pulses (Dur < 0.1), high power (Pow > 15), and no echo (Rep = 1).', 'and', 3],
    ['A logger where p < 0.3 or (q < 20 and r > 1)', 'or', 2],
    ["A batch with status 'SCRAP', or whose p is below 0.75", 'or', 2],
    ['A sailing whose p exceeds 3 and q of at most 5, showing haste', 'and', 2],
  ])('%s', (definition, op, parts) => {
    const found = findCondition(row('It', definition), [], none);
    expect(found).toMatchObject({ kind: 'logic', op });
    expect(found.kind === 'logic' && found.args.length).toBe(parts);
  });

  test('an item named in it must hold, the one that it is about too', () => {
    const base = row('Night Signal', 'Signals where p > 1');
    const found = findCondition(
      row('Loud Night Signal', 'A Night Signal with q > 2 and r > 3, representing noise'),
      [base],
      none,
    );
    expect(found.kind === 'logic' && found.args[0]).toMatchObject({ kind: 'call', fn: 'truth' });
    expect(found.kind === 'logic' && found.args.length).toBe(3);
  });

  test.each([
    ['a part in words', 'Any signal with p > 3.5, and q > 5 that has not been documented'],
    ['a period', 'A customer with p > 3 in the past six months'],
    ['and beside or', 'A gap where p = 1 or q = 2 and r > 3'],
    ['a list without a last word', 'Signals with low noise (p < 1), steady tone (q < 2).'],
    ['an order', 'Delete records of any household where p is NULL'],
    ['a rest', 'A device with p > 1, and three of its kind'],
  ])('with %s is refused', (_, definition) => {
    expect(() => findCondition(row('It', definition), [], none)).toThrow();
  });

  test('a kind of thing that is a value of a column may restrict it, and is asked about', () => {
    const restriction = (word: string): string | undefined => (word === 'mouse' ? "devices.kind = 'Mouse'" : undefined);
    expect(() => findCondition(row('Fine Mouse', 'A mouse with p > 1'), [], restriction)).toThrow(
      "devices.kind = 'Mouse'",
    );
  });
});

describe('a classification', () => {
  test.each([
    ["'A' (x > 7.5) for long use, 'B' (x between 5.0 and 7.5), and 'C' (x < 5.0)", ['A', 'B', 'C'], undefined],
    ["Categorized as 'Low' if x < 0.25, 'Medium' if x < 0.75, and 'High' otherwise.", ['Low', 'Medium'], 'High'],
    ["If x < 0.1, 'Fine'; else if x < 0.5, 'Fair'; else 'Poor'.", ['Fine', 'Fair'], 'Poor'],
    ["'High': x > 7 (at once); 'Low': x ≤ 7 (later).", ['High', 'Low'], undefined],
    [
      'A vendor is: High Risk if x < 2, Medium Risk if 2 ≤ x < 3, Low Risk if x ≥ 3',
      ['High Risk', 'Medium Risk', 'Low Risk'],
      undefined,
    ],
    ["The level is:\n- 'BAD' if x > 6 AND y < 5\n- 'GOOD' otherwise", ['BAD'], 'GOOD'],
    ['Low readability: x < 50, High readability: x ≥ 50.', ['Low readability', 'High readability'], undefined],
  ])('%s', (definition, labels, otherwise) => {
    const cases = findCategories(row('It', definition), [], none)!;
    const label = (part: unknown): unknown => (part as { value: unknown } | undefined)?.value;
    expect(cases.branches.map(({ value }) => label(value))).toEqual(labels);
    expect(label(cases.otherwise)).toBe(otherwise);
  });

  test.each([["'A' (x > 1), 'B' (others), and 'C' for the rest"], ["'A' (x > 1 over the past 1 year), 'B' (x < 1)"]])(
    '%s is refused',
    (definition) => {
      expect(() => findCategories(row('It', definition), [], none)).toThrow();
    },
  );

  test('a plain condition is none', () => {
    expect(findCategories(row('It', 'A flow where x > 1'), [], none)).toBeUndefined();
  });
});
