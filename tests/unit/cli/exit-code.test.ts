import { describe, expect, it } from 'vitest';

import { exitCodeOf, exitCodeOfCounts } from '../../../src/cli/exit-code.ts';
import { SkeinError } from '../../../src/kernel/errors.ts';

describe('exit codes', () => {
  it('of a run tell of missing rows before errors (P-02)', () => {
    expect(exitCodeOfCounts({ missing: 0, errors: 0 })).toBe(0);
    expect(exitCodeOfCounts({ missing: 0, errors: 3 })).toBe(1);
    expect(exitCodeOfCounts({ missing: 1, errors: 3 })).toBe(3);
  });

  it('of errors are by their code, and whatever else is thrown is our bug', () => {
    const codes = [
      'INVALID_INPUT',
      'PREFLIGHT',
      'NOT_FOUND',
      'STORE_UNAVAILABLE',
      'NOT_FINISHED',
      'CANCELLED',
    ] as const;
    expect(codes.map((code) => exitCodeOf(new SkeinError(code, 'x')))).toEqual([2, 2, 2, 3, 3, 130]);
    expect([new SkeinError('INTERNAL', 'x'), new TypeError('x'), 'x'].map(exitCodeOf)).toEqual([70, 70, 70]);
  });
});
