import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { snapshot } from '../../../src/kernel/snapshot.ts';

describe('snapshot', () => {
  test('gives what structured clone gives, for whatever can be cloned', () => {
    const leaf = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.constant(undefined),
    );
    const value = fc.oneof(leaf, fc.anything({ withDate: true, withMap: true, withSet: true, withTypedArray: true }));
    fc.assert(
      fc.property(value, (original) => {
        let clone: unknown;
        try {
          clone = structuredClone(original);
        } catch {
          expect(() => snapshot(original)).toThrow();
          return;
        }
        expect(snapshot(original)).toStrictEqual(clone);
      }),
      { numRuns: 2_000 },
    );
  });

  test('shares nothing with the original', () => {
    const original = { flat: 1, list: [1, { deep: 2 }] };
    const copy = snapshot(original) as typeof original;
    original.flat = 2;
    (original.list[1] as { deep: number }).deep = 3;
    expect(copy).toEqual({ flat: 1, list: [1, { deep: 2 }] });
    const list = [1, 2];
    const listCopy = snapshot(list);
    list.push(3);
    expect(listCopy).toEqual([1, 2]);
  });

  test('keeps holes, cycles and one object in two places', () => {
    // oxlint-disable-next-line no-sparse-arrays
    expect(1 in (snapshot([1, , 3]) as unknown[])).toBe(false);
    const part = { n: 1 };
    const both = snapshot({ a: part, b: part }) as { a: object; b: object };
    expect(both.a).toBe(both.b);
    const ring: { self?: unknown } = {};
    ring.self = ring;
    const copy = snapshot(ring) as { self: unknown };
    expect(copy.self).toBe(copy);
  });

  test('refuses what cannot travel', () => {
    for (const value of [() => 1, Symbol('x'), { run: () => 1 }, [Symbol('x')]]) {
      expect(() => snapshot(value)).toThrow(/could not be cloned/);
    }
  });
});
