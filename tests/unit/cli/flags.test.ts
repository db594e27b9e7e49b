import { describe, expect, it } from 'vitest';

import type { Command } from '../../../src/cli/command.ts';
import { flagsOf, nearest } from '../../../src/cli/flags.ts';

const COMMAND: Command = {
  name: 'test',
  describe: '',
  positionals: [
    { name: 'run', describe: '' },
    { name: 'id', describe: '', isOptional: true },
  ],
  flags: { store: { value: 'URL', describe: '' }, quiet: { describe: '' }, follow: { describe: '', alias: 'f' } },
  examples: [],
  run: () => Promise.resolve(0),
};
const read = (argv: Record<string, unknown>, typed: string[] = []) =>
  flagsOf(COMMAND, { _: ['test'], $0: 'skein', run: 'r1', ...argv }, typed);

describe('flags of a command', () => {
  it('are values as typed, and switches', () => {
    const flags = read({ store: '0x1e3', quiet: true, follow: false });
    expect(flags.get('store')).toBe('0x1e3');
    expect(flags.has('quiet')).toBe(true);
    expect(flags.has('follow')).toBe(false);
    expect([flags.get('run'), flags.get('id'), flags.get('quiet')]).toEqual(['r1', undefined, undefined]);
  });

  it('are refused when given twice, also with the same value', () => {
    expect(() => read({ store: ['a', 'a'] })).toThrow('--store is given more than once');
    expect(() => read({ quiet: [true, true] })).toThrow('--quiet is given more than once');
  });

  it('are refused without their value, and switches with one', () => {
    expect(() => read({ store: '' })).toThrow('--store needs a value: --store URL');
    expect(() => read({ quiet: false }, ['--quiet=maybe'])).toThrow('--quiet: "maybe"');
    expect(read({ quiet: true }, ['--quiet=true']).has('quiet')).toBe(true);
  });

  it('are refused when unknown, with the nearest one', () => {
    expect(() => read({ stroe: 'x' })).toThrow('unknown flag --stroe of skein test; did you mean --store?');
    expect(() => read({ z: true })).toThrow('unknown flag -z of skein test; skein test --help lists');
  });

  it('name a positional that is missing, and an argument too many', () => {
    expect(() => read({ run: undefined })).toThrow('RUN is missing');
    expect(() => read({ _: ['test', 'more'] })).toThrow('"more" is one argument too many');
  });
});

describe('the nearest name', () => {
  it('is one within two edits, or the only one that begins so', () => {
    expect(nearest('sumbit', ['submit', 'list'])).toBe('submit');
    expect(nearest('reference', ['reference-root', 'cache-root'])).toBe('reference-root');
    expect(nearest('xyzzy', ['submit', 'list'])).toBeUndefined();
    expect(nearest('x', [])).toBeUndefined();
  });
});
