import { describe, expect, it } from 'vitest';

import { DEFAULT_MODEL_SETTINGS } from '../../../src/frameworks/framework.ts';
import {
  checkCombination,
  createFramework,
  namesInRows,
  parseFramework,
  parseMode,
  parseQueryMode,
  parseSlayerSetup,
} from '../../../src/frameworks/registry.ts';

const encode = { framework: 'encode', queryMode: 'slayer', mode: 'a-interact', slayerSetup: 'on-the-fly' } as const;

describe('the registry of frameworks', () => {
  it('knows the seed system by its name for encode (3B-08)', () => {
    expect(parseFramework('encode')).toBe('encode');
    expect(parseFramework('pydantic_ai_otf_encode')).toBe('encode');
  });

  it.each([
    [() => parseFramework('encod'), /--framework: "encod" is none of encode, noop; did you mean encode\?/],
    [() => parseFramework('claude_sdk'), /--framework: claude_sdk is not offered in this version/],
    [() => parseFramework('oracle'), /oracle is a mode.*--mode oracle/],
    [() => parseMode('orcale'), /--mode: "orcale".*did you mean oracle\?/],
    [() => parseQueryMode('slaver'), /--query-mode: "slaver".*did you mean slayer\?/],
    [() => parseSlayerSetup('onthefly'), /--slayer-setup: "onthefly".*did you mean on-the-fly\?/],
  ])('names field, value and the nearest choice for what it does not know (3B-08)', (parse, message) => {
    expect(parse).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(message) }));
  });

  it.each([
    [{ queryMode: 'raw' }, /--framework encode.*--query-mode slayer.*--query-mode raw/],
    [{ mode: 'c-interact' }, /--framework encode.*--mode a-interact.*--mode c-interact/],
    [{ slayerSetup: 'pre-encoded' }, /--framework encode.*--slayer-setup on-the-fly.*--slayer-setup pre-encoded/],
  ] as const)('refuses %j for encode and names both fields (3B-09, L-02)', (change, message) => {
    expect(() => checkCombination({ ...encode, ...change })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(message) }),
    );
  });

  it('lets mode oracle and noop stand beside anything (3B-01)', () => {
    checkCombination(encode);
    checkCombination({ ...encode, mode: 'oracle', queryMode: 'raw', slayerSetup: 'pre-encoded' });
    checkCombination({ ...encode, framework: 'noop', queryMode: 'raw' });
  });

  it('calls a run of mode oracle oracle and raw, whatever else was chosen (3B-01)', () => {
    expect(namesInRows({ ...encode, mode: 'oracle' })).toEqual({
      framework: 'oracle',
      query_mode: 'raw',
      mode: 'oracle',
    });
    expect(namesInRows(encode)).toEqual({ framework: 'encode', query_mode: 'slayer', mode: 'a-interact' });
  });

  it('makes a framework for each name', async () => {
    const settings = { ...DEFAULT_MODEL_SETTINGS, ...encode, encoder: 'rules', sqlTimeoutMs: 1000 };
    for (const framework of ['encode', 'noop'])
      expect(await createFramework({ ...settings, framework })).toHaveProperty('runTask');
    expect(await createFramework({ ...settings, mode: 'oracle' })).toHaveProperty('runTask');
  });
});

describe('a framework of one’s own', () => {
  const own = { ...encode, framework: 'mine', isOwn: true };

  it('goes with both query modes and both ways of interaction (3B-06)', () => {
    checkCombination(own);
    checkCombination({ ...own, queryMode: 'raw', mode: 'c-interact', typed: new Set(['framework-options']) });
  });

  it.each([
    [{ ...own, mode: 'oracle' }, /--mode oracle .*runs no framework; leave --framework or --mode away/],
    [{ ...own, slayerSetup: 'pre-encoded' }, /--slayer-setup pre-encoded works with no framework.*--query-mode raw/],
    [
      { ...encode, typed: new Set(['framework-options']) },
      /--framework-options goes with a framework that is a file of yours/,
    ],
  ] as const)('is refused in %j with the way out', (choices, message) => {
    expect(() => checkCombination(choices)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(message) }),
    );
  });
});
