import { hostname } from 'node:os';

import { describe, expect, it } from 'vitest';

import { checkBind, isLoopback, localAddress, publicAddress } from '../../../src/daemon/bind.ts';

describe('where a head may listen', () => {
  it.for(['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost'])('in plain text on %s', (host) => {
    expect(isLoopback(host)).toBe(true);
    expect(() => checkBind(host, { isTls: false, isInsecure: false })).not.toThrow();
  });

  it.for(['0.0.0.0', '::', '10.0.0.5', 'head.example', '128.0.0.1', '127.example'])(
    'not in plain text on %s',
    (host) => {
      expect(isLoopback(host)).toBe(false);
      expect(() => checkBind(host, { isTls: false, isInsecure: false })).toThrow(/^--host: .*--tls-cert.*--insecure/);
    },
  );

  it('anywhere with TLS, or when somebody typed that it be so', () => {
    checkBind('0.0.0.0', { isTls: true, isInsecure: false });
    checkBind('0.0.0.0', { isTls: false, isInsecure: true });
  });
});

describe('the address of a head that listens everywhere', () => {
  it('is loopback for its own machine and the name of the machine for others', () => {
    expect(localAddress('0.0.0.0:6380')).toBe('127.0.0.1:6380');
    expect(localAddress('[::]:6380')).toBe('[::1]:6380');
    expect(localAddress('10.0.0.5:6380')).toBe('10.0.0.5:6380');
    expect(publicAddress('0.0.0.0:6380')).toBe(`${hostname()}:6380`);
    expect(publicAddress('10.0.0.5:6380')).toBe('10.0.0.5:6380');
  });
});
