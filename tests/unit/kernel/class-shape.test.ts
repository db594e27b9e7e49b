import { describe, expect, test } from 'vitest';

import { isClass, shapeOf } from '../../../src/kernel/class-shape.ts';

class Base {
  base(): number {
    return 1;
  }
  async slow(): Promise<number> {
    return 1;
  }
}

class Derived extends Base {
  static make(): Derived {
    return new Derived();
  }
  readonly field = (): number => 1;
  get size(): number {
    return 1;
  }
  #hidden(): number {
    return 2;
  }
  own(): number {
    return this.#hidden();
  }
  *stream(): Generator<number> {
    yield 1;
  }
}

describe('the shape of a class', () => {
  test('lists the methods of the whole prototype chain, own ones first, and nothing else', () => {
    expect(shapeOf(Derived).methods).toEqual(['own', 'stream', 'base', 'slow']);
  });

  test('is async when any method is, an inherited one too', () => {
    expect(shapeOf(Derived).isAsync).toBe(true);
    expect(
      shapeOf(
        class Plain {
          run(): Promise<number> {
            return Promise.resolve(1);
          }
        },
      ).isAsync,
    ).toBe(false);
  });

  test('knows generators', () => {
    expect(shapeOf(Derived).generators).toEqual(['stream']);
  });

  test('tells a class from a function', () => {
    expect(isClass(Derived)).toBe(true);
    expect(isClass(class {})).toBe(true);
    expect(isClass(() => 1)).toBe(false);
    expect(isClass(function Old() {})).toBe(false);
    expect(isClass({})).toBe(false);
  });
});
