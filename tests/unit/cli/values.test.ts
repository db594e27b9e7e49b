import { describe, expect, it } from 'vitest';

import { parseCount, parseMilliseconds, parseSeconds } from '../../../src/cli/values.ts';

describe('values of flags', () => {
  it('are whole numbers where they count something', () => {
    expect(parseCount('--actors', '12', { min: 1, max: 512 })).toBe(12);
    for (const text of ['0', '513', '-1', '1.5', '0x2', '1e2', ' 1', 'two', '٣', '9'.repeat(20)]) {
      expect(() => parseCount('--actors', text, { min: 1, max: 512 })).toThrow(`--actors: ${JSON.stringify(text)}`);
    }
  });

  it('are seconds with decimals where they last', () => {
    expect(['0', '2', '0.5', '.25', '1.0005'].map((text) => parseSeconds('--grace', text))).toEqual([
      0, 2000, 500, 250, 1001,
    ]);
    // A timer takes no more than 2^31 - 1 ms: beyond that it would fire at once.
    for (const text of ['-1', '1s', '1,5', 'Infinity', 'NaN', '.', '2147484', '1e3']) {
      expect(() => parseSeconds('--grace', text)).toThrow(`--grace: ${JSON.stringify(text)}`);
    }
  });

  it('are milliseconds only where the flag says so', () => {
    expect(parseMilliseconds('--sql-timeout-ms', '3000')).toBe(3000);
    for (const text of ['0', '0.5', '2147483648']) {
      expect(() => parseMilliseconds('--sql-timeout-ms', text)).toThrow('--sql-timeout-ms');
    }
  });
});
