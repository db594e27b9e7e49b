/** The `gs://` store on a bad day, through the real client library: no wrong bytes, no doubled write, no call past its deadline. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { createOrConfirm, overwrite, readPatiently } from '../../src/store/create-or-confirm.ts';
import { openGcsStore } from '../../src/store/gcs.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import type { ServerFault } from '../helpers/gcs-server/faults.ts';
import { GcsServer } from '../helpers/gcs-server/server.ts';
import { bytesOf, mustCreate, textOf } from '../helpers/store-fixtures.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const DEADLINE_MS = 700;
/** Where nothing hangs, nobody is hurried. */
const PATIENT_MS = 15_000;
/** A call that is given up at its deadline may be told so a little later on a busy machine. */
const LATE_MS = DEADLINE_MS + 4_000;
const BIG = Buffer.alloc(9 * 1024 * 1024, 'a row of a big object. ');

let server: GcsServer;
let store: ObjectStore;
let hasty: ObjectStore;
const fast = { sleep: async () => {}, random: () => 0 };

beforeEach(async () => {
  server = await GcsServer.start({ buckets: ['bucket'] });
  store = await open(PATIENT_MS);
  hasty = await open(DEADLINE_MS);
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** The store for a fault: with a short deadline for one that makes a call hang. */
const storeFor = ({ kind }: ServerFault): ObjectStore => (kind === 'hang' || kind === 'stall' ? hasty : store);

function open(timeoutMs: number): Promise<ObjectStore> {
  return openGcsStore('gs://bucket/p', '--store', {
    endpoint: server.url,
    metadataTimeoutMs: timeoutMs,
    dataTimeoutMs: timeoutMs,
    msPerMib: 10,
  });
}

/** Everything that stands in the bucket, by full name. */
const standing = (): Record<string, string> =>
  Object.fromEntries(
    server
      .bucket('bucket')
      .all()
      .map(({ name, bytes }) => [name, bytes.toString()]),
  );

async function timed<T>(work: Promise<T>): Promise<{ ms: number; error: unknown; value: T | undefined }> {
  const begin = performance.now();
  const [settled] = await Promise.allSettled([work]);
  const ms = performance.now() - begin;
  return settled.status === 'fulfilled'
    ? { ms, error: undefined, value: settled.value }
    : { ms, error: settled.reason, value: undefined };
}

describe('a write to a bucket on a bad day', () => {
  const LOST: readonly ServerFault[] = [
    { kind: 'lose-answer' },
    { kind: 'status', status: 503, afterDoing: true },
    { kind: 'status', status: 500, afterDoing: true },
    { kind: 'hang', afterDoing: true },
    { kind: 'truncate' },
    { kind: 'truncate', silently: true },
    { kind: 'stall' },
  ];

  test.each(LOST)(
    'that was done, but whose answer was lost ($kind $status), is confirmed and not doubled',
    async (fault) => {
      server.faults.add({ on: ['create', 'replace'], fault, count: 1 });
      const store = storeFor(fault);
      expect(await createOrConfirm(store, 'row', bytesOf('ours'), fast)).toMatchObject({ kind: 'confirmed' });
      expect(standing()).toEqual({ 'p/row': 'ours' });
      expect(server.counts.create).toBe(1);

      const generation = (await store.stat('row'))?.generation;
      server.faults.add({ on: ['create', 'replace'], fault, count: 1 });
      const second = await overwrite(store, 'row', bytesOf('newer'), { ...fast, generation });
      expect(standing()).toEqual({ 'p/row': 'newer' });
      expect((await store.stat('row'))?.generation).toBe(second);
      expect(server.counts.replace).toBe(1);
    },
  );

  test.each(LOST)('that was lost ($kind $status) is OUTCOME_UNKNOWN to who asks the store itself', async (fault) => {
    const store = storeFor(fault);
    server.faults.add({ fault, on: ['create', 'replace', 'remove'] });
    const generation = await mustCreateBehind('a', 'text');
    const unknown = { code: 'OUTCOME_UNKNOWN' };
    await expect(store.create('b', bytesOf('x'))).rejects.toMatchObject(unknown);
    await expect(store.replace('a', bytesOf('x'), generation)).rejects.toMatchObject(unknown);
    if (fault.kind === 'truncate' || fault.kind === 'stall') return; // The answer of a removal has no body to cut.
    await expect(store.remove('b', server.bucket('bucket').get('p/b', {}).generation)).rejects.toMatchObject(unknown);
  });

  const UNDONE: readonly ServerFault[] = [
    { kind: 'status', status: 503 },
    { kind: 'status', status: 500 },
    { kind: 'status', status: 429 },
    { kind: 'status', status: 408 },
    { kind: 'reset' },
    { kind: 'hang' },
  ];

  test.each(UNDONE)('that was not done ($kind $status) is done by the next try', async (fault) => {
    server.faults.add({ on: ['create', 'replace'], fault, count: 2 });
    expect(await createOrConfirm(storeFor(fault), 'row', bytesOf('ours'), fast)).toMatchObject({ kind: 'created' });
    expect(standing()).toEqual({ 'p/row': 'ours' });
    expect(server.counts.create).toBe(3);
  });

  test('that lands long after it was given up changes nothing for who came in between', async () => {
    server.faults.add({ on: 'create', fault: { kind: 'delay', delayMs: DEADLINE_MS * 2 }, count: 1 });
    const late = timed(hasty.create('row', bytesOf('late')));
    expect((await late).error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const ours = await createOrConfirm(store, 'row', bytesOf('ours'), fast);
    expect(ours.kind).toBe('created');
    const before = server.bucket('bucket').get('p/row', {}).generation;
    await waitUntil('the late write is over', () => server.faults.fired.length === 1 && server.atOnce === 0);
    expect(standing()).toEqual({ 'p/row': 'ours' });
    expect((await store.stat('row'))?.generation).toBe(before);
  });

  test('survives a storm: 40 rows, one answer of three bad, each row stored once and whole', async () => {
    const kinds: readonly ServerFault[] = [...LOST.slice(0, 3), ...UNDONE.slice(0, 5)];
    for (let turn = 0; turn < 40; turn += 1) {
      const fault = kinds[turn % kinds.length];
      if (fault) server.faults.add({ fault, skip: turn % 5, count: 1, name: /row/ });
    }
    const names = Array.from({ length: 40 }, (_, row) => `row-${row}`);
    const results = await Promise.all(
      names.map((name) => createOrConfirm(store, name, bytesOf(name), { ...fast, tries: 45 })),
    );
    expect(results.filter(({ kind }) => kind === 'conflict')).toEqual([]);
    expect(standing()).toEqual(Object.fromEntries(names.map((name) => [`p/${name}`, name])));
    expect(server.faults.fired.length).toBeGreaterThanOrEqual(30);
  });

  test('of more than 8 MiB goes through a session, and survives what befalls any part of it', async () => {
    expect((await createOrConfirm(store, 'plain', BIG, fast)).kind).toBe('created');
    expect(server.counts.session).toBe(1);
    const cases: readonly (readonly [string, 'create' | 'session', ServerFault, 'created' | 'confirmed'])[] = [
      ['a', 'create', { kind: 'status', status: 503 }, 'created'],
      ['b', 'create', { kind: 'lose-answer' }, 'created'],
      ['c', 'session', { kind: 'status', status: 503 }, 'created'],
      ['d', 'session', { kind: 'reset' }, 'created'],
      ['e', 'session', { kind: 'lose-answer' }, 'confirmed'],
      ['f', 'session', { kind: 'status', status: 503, afterDoing: true }, 'confirmed'],
    ];
    for (const [name, on, fault, kind] of cases) {
      server.faults.add({ on, fault, count: 1 });
      expect(await createOrConfirm(store, name, BIG, fast), name).toMatchObject({ kind });
      expect(server.bucket('bucket').get(`p/${name}`, {}).bytes.equals(BIG), name).toBe(true);
    }
    expect((await createOrConfirm(store, 'a', bytesOf('other'), fast)).kind).toBe('conflict');
  });

  test('whose bytes were damaged on the way is refused by the server and sent again', async () => {
    server.faults.add({ on: 'create', fault: { kind: 'damage' }, count: 2 });
    await expect(store.create('row', bytesOf('ours'))).rejects.toMatchObject({ code: 'CORRUPT' });
    expect((await createOrConfirm(store, 'row', bytesOf('ours'), fast)).kind).toBe('created');
    expect(standing()).toEqual({ 'p/row': 'ours' });
    expect(server.faults.fired).toHaveLength(2);
  });

  async function mustCreateBehind(name: string, text: string): Promise<string> {
    return server.bucket('bucket').put(`p/${name}`, bytesOf(text), { ifGenerationMatch: '0' }).generation;
  }
});

describe('a read from a bucket on a bad day', () => {
  const text = 'the bytes of an object '.repeat(500);

  const BAD: readonly (readonly [ServerFault, string])[] = [
    [{ kind: 'status', status: 503 }, 'STORE_UNAVAILABLE'],
    [{ kind: 'status', status: 429 }, 'STORE_UNAVAILABLE'],
    [{ kind: 'reset' }, 'STORE_UNAVAILABLE'],
    [{ kind: 'lose-answer' }, 'STORE_UNAVAILABLE'],
    [{ kind: 'hang' }, 'STORE_UNAVAILABLE'],
    [{ kind: 'stall' }, 'STORE_UNAVAILABLE'],
    [{ kind: 'truncate' }, 'STORE_UNAVAILABLE'],
    [{ kind: 'truncate', silently: true }, 'CORRUPT'],
    [{ kind: 'flip' }, 'CORRUPT'],
    [{ kind: 'wrong-checksum' }, 'CORRUPT'],
    [{ kind: 'no-checksum' }, 'CORRUPT'],
  ];

  test.each(BAD)('%j is an error, never other bytes, and read again it is whole', async (fault, code) => {
    await mustCreate(store, 'a', text);
    server.faults.add({ on: 'read', fault, count: 3 });
    await expect(storeFor(fault).read('a')).rejects.toMatchObject({ code });
    expect((await readPatiently(storeFor(fault), 'a', fast))?.bytes.toString()).toBe(text);
    expect(server.faults.fired).toHaveLength(3);
  });

  test('a body that is cut leaves the other calls in flight alone', async () => {
    await mustCreate(store, 'cut', text);
    server.faults.add({ name: 'p/cut', fault: { kind: 'truncate' }, count: 1 });
    server.latencyMs = 200;
    const others = Array.from({ length: 10 }, (_, n) => store.create(`other-${n}`, bytesOf('x')));
    server.faults.add({ name: 'p/other', fault: { kind: 'delay', delayMs: 300 } });
    await expect(store.read('cut')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect((await Promise.all(others)).map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'written'));
  });

  test('an object without an md5 is held against its crc32c', async () => {
    const stored = server.bucket('bucket').put('p/composed', bytesOf(text), { ifGenerationMatch: '0' });
    server.bucket('bucket').restore({ ...stored, md5Hash: '' });
    expect(await textOf(store, 'composed')).toBe(text);
    server.faults.add({ on: 'read', fault: { kind: 'flip' }, count: 1 });
    await expect(store.read('composed')).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  test('a part that is cut is an error too', async () => {
    await mustCreate(store, 'a', text);
    server.faults.add({ on: 'read', fault: { kind: 'truncate', silently: true }, count: 1 });
    await expect(store.read('a', { range: { start: 10, end: 200 } })).rejects.toMatchObject({ code: 'CORRUPT' });
    const part = await store.read('a', { range: { start: 10, end: 200 } });
    expect(part?.bytes.toString()).toBe(text.slice(10, 200));
  });

  test('one object has one time, whether listed, looked at or read', async () => {
    await mustCreate(store, 'a', text);
    const updatedMs = (await store.stat('a'))?.updatedMs;
    expect((await store.read('a'))?.updatedMs).toBe(updatedMs);
    expect((await store.list('')).objects[0]?.updatedMs).toBe(updatedMs);
  });
});

describe('a bucket that does not answer', () => {
  test('every verb ends by its deadline, and no connection is left', async () => {
    const generation = await mustCreate(store, 'a', 'text');
    await store.list('');
    const idle = server.openSockets;
    server.faults.add({ fault: { kind: 'hang' } });
    const verbs: Readonly<Record<string, () => Promise<unknown>>> = {
      create: () => hasty.create('b', bytesOf('x')),
      'a big create': () => hasty.create('c', BIG),
      replace: () => hasty.replace('a', bytesOf('x'), generation),
      read: () => hasty.read('a'),
      'a ranged read': () => hasty.read('a', { range: { start: 1, end: 2 } }),
      stat: () => hasty.stat('a'),
      list: () => hasty.list(''),
      remove: () => hasty.remove('a', generation),
    };
    const ends = await Promise.all(
      Object.entries(verbs).map(async ([verb, call]) => [verb, await timed(call())] as const),
    );
    for (const [verb, { ms, error }] of ends) {
      expect(ms, verb).toBeLessThan(LATE_MS);
      const isWrite = ['create', 'a big create', 'replace', 'remove'].includes(verb);
      expect(error, verb).toMatchObject({ code: isWrite ? 'OUTCOME_UNKNOWN' : 'STORE_UNAVAILABLE' });
    }
    await waitUntil('the connections of the calls are closed', () => server.openSockets <= idle);
  });

  test('a call that is cancelled ends at once, and its connection with it', async () => {
    server.faults.add({ fault: { kind: 'hang' } });
    const stop = new AbortController();
    const calls = [
      store.create('b', bytesOf('x'), { signal: stop.signal }),
      store.read('a', { signal: stop.signal }),
      store.list('', { signal: stop.signal }),
    ];
    await waitUntil('the calls have arrived', () => server.faults.fired.length === 3);
    const ended = timed(Promise.allSettled(calls));
    stop.abort();
    const { ms, value = [] } = await ended;
    expect(ms).toBeLessThan(PATIENT_MS / 3);
    expect(value.map((end) => end.status === 'rejected' && (end.reason as { code?: string }).code)).toEqual(
      Array.from({ length: 3 }, () => 'CANCELLED'),
    );
    await waitUntil('their connections are closed', () => server.atOnce === 0);
  });

  test('does not keep a process that has given up', async () => {
    server.faults.add({ on: 'read', fault: { kind: 'hang' } });
    const program = `
      import { openGcsStore } from ${JSON.stringify(new URL('../../src/store/gcs.ts', import.meta.url).href)};
      const store = await openGcsStore('gs://bucket', '--store', { endpoint: '${server.url}', dataTimeoutMs: 300 });
      await store.read('a').catch((error) => console.log(error.code));
    `;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const end = await timed(new Promise((resolve) => child.once('close', resolve)));
    expect({ code: end.value, said: said.trim() }).toEqual({ code: 0, said: 'STORE_UNAVAILABLE' });
    expect(end.ms).toBeLessThan(15_000);
  });

  test('gets no more than 32 calls at a time (N-03)', async () => {
    server.latencyMs = 20;
    await Promise.all(Array.from({ length: 150 }, (_, n) => store.create(`n/${n}`, bytesOf('x'))));
    expect(server.mostAtOnce).toBeLessThanOrEqual(32);
    expect(server.mostAtOnce).toBeGreaterThan(24);
  });
});

describe('a bucket that cannot be used', () => {
  const opening = (url: string, endpoint = server.url, openTimeoutMs = 500): Promise<ObjectStore> =>
    openGcsStore(url, 'SKEIN_STORE', { endpoint, openTimeoutMs });

  async function refused(work: Promise<unknown>): Promise<string> {
    const { ms, error } = await timed(work);
    expect(error).toMatchObject({ code: 'PREFLIGHT' });
    expect(ms).toBeLessThan(8_000);
    const { message } = error as Error;
    expect(message).not.toContain('\n');
    return message;
  }

  test('because it is not there, is refused with the command that makes it', async () => {
    const message = await refused(opening('gs://nowhere/p'));
    expect(message).toMatch(
      /^SKEIN_STORE: .*gs:\/\/nowhere\/p: The specified bucket does not exist\. Make it: curl .*nowhere/,
    );
  });

  test('because nobody is let in, is refused with what to do', async () => {
    server.faults.add({ fault: { kind: 'status', status: 403 } });
    expect(await refused(opening('gs://bucket'))).toContain(
      'gcloud storage buckets add-iam-policy-binding gs://bucket',
    );
  });

  test('because the credentials are no good, is refused with what to do', async () => {
    server.faults.add({ fault: { kind: 'status', status: 401 } });
    expect(await refused(opening('gs://bucket'))).toContain('gcloud auth application-default login');
  });

  test('because its server hangs, or there is none, or it is always busy, is refused in time', async () => {
    server.faults.add({ fault: { kind: 'hang' }, count: 10 });
    expect(await refused(opening('gs://bucket'))).toContain('no answer within 500 ms');
    server.faults.clear();
    expect(await refused(opening('gs://bucket', 'http://127.0.0.1:9'))).toContain('ECONNREFUSED');
    server.faults.add({ fault: { kind: 'status', status: 503 } });
    expect(await refused(opening('gs://bucket'))).toMatch(/injected 503/);
  });

  test('while a run goes on, is not asked again and again', async () => {
    const answers = [
      { fault: { kind: 'status', status: 403 }, says: 'add-iam-policy-binding' },
      { fault: { kind: 'status', status: 401 }, says: 'application-default login' },
    ] as const;
    for (const { fault, says } of answers) {
      server.faults.add({ fault, on: 'create' });
      const before = server.counts.create ?? 0;
      const failure = createOrConfirm(store, 'row', bytesOf('x'), fast);
      await expect(failure).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringContaining(says),
      });
      expect((server.counts.create ?? 0) - before).toBe(1);
      server.faults.clear();
    }
    server.buckets.delete('bucket');
    const gone = createOrConfirm(store, 'row', bytesOf('x'), fast);
    await expect(gone).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('Make it:'),
    });
    await expect(store.read('row')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(store.stat('row')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test.each([
    'gs://',
    'gs:bucket',
    'gs://No_Capitals',
    'gs://b',
    'gs://bucket/../x',
    'gs://bucket//x',
    'gs://bucket/a#b',
  ])('because %j names none, is bad input', async (url) => {
    await expect(opening(url)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/^SKEIN_STORE: .*; write gs:\/\/bucket\[\/prefix\]$/),
    });
  });

  test.each(['nonsense', 'ftp://host', 'http://host/path'])('an endpoint %j is bad input', async (endpoint) => {
    await expect(opening('gs://bucket', endpoint)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/^SKEIN_GCS_ENDPOINT: /),
    });
  });

  test('gives its URL back in one form', async () => {
    expect((await opening('gs://bucket/a/b/')).url).toBe('gs://bucket/a/b');
    expect((await opening('GS://bucket/')).url).toBe('gs://bucket');
  });

  test('a prefix that makes a name too long is bad input', async () => {
    const deep = await opening(`gs://bucket/${'x'.repeat(600)}`);
    await expect(deep.create('y'.repeat(600), bytesOf('x'))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});
