import { expect, test } from 'vitest';

import { parsePythonJson } from '../../../src/kernel/python-json.ts';

test('numbers that are none are read as null, and texts that look like them stay', () => {
  const text = '{"a": NaN, "b": [Infinity, -Infinity, 1], "c": "NaN, \\"Infinity\\": NaN", "d": {"NaN": NaN}}';
  expect(parsePythonJson('row', text)).toEqual({
    a: null,
    b: [null, null, 1],
    c: 'NaN, "Infinity": NaN',
    d: { NaN: null },
  });
});

test('what is no JSON in either way is named', () => {
  expect(() => parsePythonJson('rows/a', '{"a": NaN, "b": ')).toThrow('rows/a is no JSON');
  expect(() => parsePythonJson('rows/a', '{"a": nan}')).toThrow('rows/a is no JSON');
});
