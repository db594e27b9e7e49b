import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isSameResult, roundToCents, snapshotJson } from '../../../src/frameworks/result-rows.ts';

const result = (...rows: unknown[][]) => ({
  kind: 'rows' as const,
  columns: [{ name: 'a', type: 'TEXT' }],
  rows,
  isTruncated: false,
});
const isSame = (one: unknown[][], two: unknown[][], isOrdered = false) =>
  isSameResult(result(...one), result(...two), isOrdered);

describe('the comparison of two results', () => {
  it('compares sets of rows, so neither order nor repetition counts (3C-05)', () => {
    expect(isSame([[1], [2], [2]], [[2], [1]])).toBe(true);
    expect(isSame([[1], [2]], [[1], [3]])).toBe(false);
    expect(isSame([[1], [2]], [[1]])).toBe(false);
  });

  it('compares lists where the task asks for an order (3C-05)', () => {
    expect(isSame([[1], [2]], [[2], [1]], true)).toBe(false);
    expect(isSame([[1], [2]], [[1], [2]], true)).toBe(true);
    expect(isSame([[1], [1]], [[1]], true)).toBe(false);
  });

  it('takes two empty results for equal, and one empty one for wrong (3C-05)', () => {
    expect(isSame([], [])).toBe(true);
    expect(isSame([], [[null]])).toBe(false);
    expect(isSame([[null]], [], true)).toBe(false);
  });

  it('rounds floats to two decimals, also inside JSON, and sorts the keys of JSON (3C-04)', () => {
    expect(isSame([[1.234]], [[1.2299999]])).toBe(true);
    expect(isSame([[1.23]], [[1.24]])).toBe(false);
    expect(isSame([[2]], [[2.001]])).toBe(true);
    expect(isSame([['{"b": 1.001, "a": [2]}']], [['{"a":[2],"b":1}']])).toBe(true);
    expect(isSame([['{"a": 1}']], [['{"a": 2}']])).toBe(false);
    expect(isSame([['{no json']], [['{no json']])).toBe(true);
  });

  it('takes a timestamp for its date (3C-04)', () => {
    expect(isSame([['2024-02-03 10:11:12']], [['2024-02-03']])).toBe(true);
    expect(isSame([['2024-02-03T10:11:12.5Z']], [['2024-02-03']])).toBe(true);
    expect(isSame([['2024-02-03']], [['2024-02-04']])).toBe(false);
    expect(isSame([['on 2024-02-03 10:11:12']], [['on 2024-02-03']])).toBe(false);
  });

  it('keeps numbers, texts, nulls, BLOBs and big integers apart', () => {
    const values = [1, '1', null, 'null', new Uint8Array([1]), 9007199254740993n, '9007199254740993', Infinity];
    for (const [i, one] of values.entries()) {
      for (const [j, two] of values.entries()) expect(isSame([[one]], [[two]]), `${i} ${j}`).toBe(i === j);
    }
  });

  it('does not depend on the order of rows, whatever they hold', () => {
    const cell = fc.oneof(fc.integer(), fc.double({ noNaN: true }), fc.string(), fc.constant(null));
    const rows = fc.array(fc.array(cell, { minLength: 1, maxLength: 3 }), { maxLength: 8 });
    fc.assert(fc.property(rows, (some) => isSame(some, some.toReversed())));
  });
});

describe('rounding to cents', () => {
  it.each([
    [0.125, 0.12],
    [0.375, 0.38],
    [-0.125, -0.12],
    [2.675, 2.67],
    [1.005, 1],
    [0.615, 0.61],
    [-0.001, 0],
    [1e300, 1e300],
  ])('rounds %d as Python does', (value, rounded) => {
    expect(roundToCents(value)).toBe(rounded);
  });
});

describe('a snapshot', () => {
  it('shows columns, count, truncation and five rows, in values that JSON has (3A-10, N-09)', () => {
    const rows = [[new Uint8Array(7)], [9007199254740993n], [-Infinity], [null], ['x'], ['sixth']];
    expect(JSON.parse(snapshotJson({ ...result(...rows), isTruncated: true }))).toEqual({
      columns: [{ name: 'a', type: 'TEXT' }],
      row_count: 6,
      row_count_truncated: true,
      sample_rows: [['<bytes:7>'], ['9007199254740993'], ['-Infinity'], [null], ['x']],
    });
  });

  it('shows an error as such (3A-10)', () => {
    expect(snapshotJson({ kind: 'error', message: 'no such table: t', isTimeout: false })).toBe(
      '{"error":"no such table: t"}',
    );
  });
});
