import { inspect } from 'node:util';

import { afterEach, describe, expect, it } from 'vitest';

import { createLoggerOn } from '../../../src/kernel/log.ts';
import { knowSecrets, masked, maskedBytes, maskedData } from '../../../src/kernel/mask.ts';
import { secretNameFault, Secrets } from '../../../src/kernel/secrets.ts';

const VALUE = 'sk-"ü/+7Zq\\k.4f';
let known: Disposable | undefined;
const know = (values: Record<string, string>): void => void (known = knowSecrets(new Secrets(values)));
afterEach(() => {
  known?.[Symbol.dispose]();
  known = undefined;
});

describe('texts that hold a secret', () => {
  it.each([
    ['as it is', (value: string) => `key=${value};`],
    ['in JSON', (value: string) => JSON.stringify({ value })],
    ['in JSON in JSON', (value: string) => JSON.stringify({ row: JSON.stringify({ value }) })],
    ['in a URL', (value: string) => `https://x/?key=${encodeURIComponent(value)}`],
    ['in hexadecimal', (value: string) => Buffer.from(value).toString('hex')],
    ['in base64', (value: string) => Buffer.from(value).toString('base64')],
    ['in the base64 of a longer text', (value: string) => Buffer.from(`Bearer ${value}\n`).toString('base64')],
    ['in the base64 of another place', (value: string) => Buffer.from(`user:${value}@`).toString('base64url')],
    ['in the base64 of a third place', (value: string) => Buffer.from(`ab${value}`).toString('base64')],
  ])('are cleaned of it %s, as texts and as bytes (W-13, P-26)', (_where, write) => {
    know({ A_KEY: VALUE });
    const text = `before ${write(VALUE)} after`;
    for (const clean of [masked(text), maskedBytes(Buffer.from(text)).toString()]) {
      expect(clean).toMatch(/^before .*\[secret A_KEY\].* after$/s);
      expect(clean).not.toContain(write(VALUE));
    }
  });

  it('keep all else, bytes that are no text included, and are themselves where nothing is known', () => {
    const bytes = Buffer.from([0, 255, 128, 10, 200]);
    expect(maskedBytes(bytes)).toBe(bytes);
    know({ A_KEY: VALUE, SHORT: 'ab' });
    expect(maskedBytes(bytes)).toBe(bytes);
    expect(masked('ab, cd')).toBe('ab, cd');
    const mixed = maskedBytes(Buffer.concat([bytes, Buffer.from(VALUE), bytes]));
    expect(mixed).toEqual(Buffer.concat([bytes, Buffer.from('[secret A_KEY]'), bytes]));
  });

  it('are cleaned as long as anybody knows the secret, the longer value first', () => {
    know({ LONG: `${VALUE}-more`, SHORT: VALUE });
    const twice = knowSecrets(new Secrets({ SHORT: VALUE }));
    expect(masked(`${VALUE}-more ${VALUE}`)).toBe('[secret LONG] [secret SHORT]');
    twice[Symbol.dispose]();
    expect(masked(VALUE)).toBe('[secret SHORT]');
    known?.[Symbol.dispose]();
    expect(masked(VALUE)).toBe(VALUE);
  });

  it('lose the single lines of a key of many lines', () => {
    const lines = ['-----BEGIN KEY-----', 'MIIEvQIBADANBgkqhkiG9w0B', 'AQEFAASCBKcwggSjAgEAAoIB'];
    know({ PEM: lines.join('\n') });
    expect(masked(`last line: ${lines[2]}`)).toBe('last line: [secret PEM]');
  });

  it('lose it at any depth of plain data, names of fields included (W-13)', () => {
    const row = { error: null, n: 1, trajectory: [{ [VALUE]: `Bearer ${VALUE}` }] };
    expect(maskedData(row)).toBe(row);
    know({ A_KEY: VALUE });
    expect(maskedData(row)).toEqual({
      ...row,
      trajectory: [{ '[secret A_KEY]': 'Bearer [secret A_KEY]' }],
    });
  });

  it('reach no log of a daemon (W-13)', () => {
    know({ A_KEY: VALUE });
    let line = '';
    const log = createLoggerOn({ write: (text) => void (line += text) });
    log.child({ run: 'r1' }).error({ error: `401: ${VALUE} is not valid` }, 'actor lost');
    expect(JSON.parse(line)).toMatchObject({ error: '401: [secret A_KEY] is not valid', msg: 'actor lost' });
  });
});

describe('secrets in memory', () => {
  it('show their names and no value, however they are printed (W-13)', () => {
    const secrets = new Secrets({ B: VALUE, A: VALUE });
    const shown = [JSON.stringify({ secrets }), inspect({ deep: { secrets } }, { depth: 9 }), secrets.toString()];
    for (const text of shown) {
      expect(text).toMatch(/A.*B/s);
      expect(text).not.toContain('Zq');
    }
    expect(Object.keys(structuredClone(secrets))).toEqual([]);
    expect(secrets.missing(['A', 'C'])).toEqual(['C']);
    expect(secrets.pick(['A']).reveal()).toEqual({ A: VALUE });
    expect(secrets.equals(new Secrets({ A: VALUE, B: VALUE }))).toBe(true);
    expect(secrets.equals(secrets.pick(['A']))).toBe(false);
  });

  it.each(['1A', 'A B', 'A=B', '', 'PATH', 'NODE_OPTIONS', 'LD_PRELOAD', 'SKEIN_TOKEN', 'x'.repeat(129)])(
    'cannot be called %j',
    (name) => expect(secretNameFault(name)).toBeDefined(),
  );
  it.each(['ANTHROPIC_API_KEY', '_x', 'Token1'])('can be called %s', (name) => {
    expect(secretNameFault(name)).toBeUndefined();
  });
});
