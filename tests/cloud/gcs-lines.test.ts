/**
 * The real client of `gs://` stores, over bad lines to the emulator: whatever the line does, each call ends by its
 * deadline, and no write is wrong or doubled. Client → toxiproxy → storm relay → emulator, all but the first in containers.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { isSkeinError } from '../../src/kernel/errors.ts';
import { createOrConfirm, readPatiently, type PersistOptions } from '../../src/store/create-or-confirm.ts';
import { openGcsStore } from '../../src/store/gcs.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { startBucketSite, type BucketSite } from '../helpers/containers/bucket-site.ts';
import { engineOrSkip, type Engine } from '../helpers/containers/engine.ts';
import { bytesOf, mustCreate, namesIn, textOf } from '../helpers/store-fixtures.ts';

const CALL_MS = 1_000;
/** What a busy machine may add to a deadline. */
const SLACK_MS = 1_500;
const PATIENT: PersistOptions = { tries: 30, baseMs: 5, maxMs: 100 };

const engine = engineOrSkip();

describe.skipIf(engine === undefined)('a gs:// store over a bad line', () => {
  let site: BucketSite;
  let stores = 0;

  beforeAll(async () => {
    site = await startBucketSite(engine as Engine, 'skein-lines');
  });
  afterAll(() => site?.[Symbol.asyncDispose]());
  afterEach(() => site.mend());

  /** A store of its own below a new prefix: over the line, and beside it for the truth. */
  async function openBoth(): Promise<{ store: ObjectStore; truth: ObjectStore }> {
    stores += 1;
    const url = `gs://skein-lines/t${stores}`;
    const short = { metadataTimeoutMs: CALL_MS, dataTimeoutMs: CALL_MS };
    return {
      store: await openGcsStore(url, '--store', { endpoint: site.line.url, ...short }),
      truth: await site.truth(url),
    };
  }

  /** How `call` ended, and that it did so in time. */
  async function endOf(call: () => Promise<unknown>): Promise<string> {
    const begin = performance.now();
    const end = await call().then(
      () => 'done',
      (error: unknown) => (isSkeinError(error) ? error.code : String(error)),
    );
    expect(performance.now() - begin).toBeLessThan(CALL_MS + SLACK_MS);
    return end;
  }

  test('ends every call by its deadline while the line is a black hole, and goes on after it', async () => {
    const { store, truth } = await openBoth();
    const generation = await mustCreate(store, 'a', '1');
    await site.line.spoil({ type: 'timeout', attributes: { timeout: 0 } });
    const big = Buffer.alloc(9 * 1024 * 1024);
    const reads = [() => store.read('a'), () => store.stat('a'), () => store.list('')];
    const writes = [
      () => store.create('b', bytesOf('1')),
      () => store.replace('a', bytesOf('2'), generation),
      () => store.remove('a', generation),
    ];
    const ends = await Promise.all([...reads, ...writes].map(endOf));
    expect(ends.slice(0, reads.length)).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE', 'STORE_UNAVAILABLE']);
    expect(ends.slice(reads.length)).toEqual(['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
    const begin = performance.now();
    await expect(store.create('big', big)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    // A second more for each MiB.
    expect(performance.now() - begin).toBeLessThan(CALL_MS + 9_000 + SLACK_MS);
    await site.line.mend();
    expect(await endOf(() => store.list(''))).toBe('done');
    expect((await createOrConfirm(store, 'b', bytesOf('1'), PATIENT)).kind).not.toBe('conflict');
    expect(await textOf(truth, 'b')).toBe('1');
  });

  test.each([
    ['reset', { type: 'reset_peer', attributes: { timeout: 0 }, toxicity: 0.5 }],
    ['cut after 100 bytes', { type: 'limit_data', attributes: { bytes: 100 }, toxicity: 0.5 }],
  ] as const)('gives each name to one of two writers while answers are %s', async (_, toxic) => {
    const { store, truth } = await openBoth();
    await site.line.spoil(toxic);
    await twoWriters(store, truth);
  });

  test('gives each name to one of two writers while answers of done work are lost', async () => {
    const { store, truth } = await openBoth();
    await site.storm.set({ kind: 'lose-answer', share: 0.5, methods: ['POST'] });
    const before = await site.storm.spoiled();
    await twoWriters(store, truth);
    expect(await site.storm.spoiled()).toBeGreaterThan(before);
  });

  test('gives each name to one of two writers in a storm of 503', async () => {
    const { store, truth } = await openBoth();
    await site.storm.set({ kind: 'refuse', status: 503, share: 0.5 });
    await twoWriters(store, truth);
  });

  /** Two writers with different bytes want the same 20 names; both must learn the truth, whatever answers they get. */
  async function twoWriters(store: ObjectStore, truth: ObjectStore): Promise<void> {
    const names = Array.from({ length: 20 }, (_, n) => `rows/${String(n).padStart(2, '0')}`);
    const write = async (name: string, writer: string) => {
      const result = await createOrConfirm(store, name, bytesOf(`${writer} ${name}`), PATIENT);
      return result.kind === 'conflict' ? result.standing.bytes.toString() : `${writer} ${name}`;
    };
    await Promise.all(
      names.map(async (name) => {
        const [first, second] = await Promise.all([write(name, 'first'), write(name, 'second')]);
        const standing = await textOf(truth, name);
        expect({ first, second }).toEqual({ first: standing, second: standing });
        expect((await readPatiently(store, name, PATIENT))?.bytes.toString()).toBe(standing);
      }),
    );
    expect(await namesIn(truth, 'rows/')).toEqual(names);
  }

  test('counts every acknowledged increment once while answers of done work are lost', async () => {
    const { store, truth } = await openBoth();
    await mustCreate(store, 'counter', '');
    await site.storm.set({ kind: 'lose-answer', share: 0.3, methods: ['POST'] });
    const acknowledged: string[] = [];
    const increment = async (writer: number): Promise<void> => {
      for (let turn = 0; turn < 5; turn += 1) {
        const token = `${writer}.${turn}`;
        for (let tries = 0; ; tries += 1) {
          expect(tries).toBeLessThan(100);
          const counter = await readPatiently(store, 'counter', PATIENT);
          const standing = counter?.bytes.toString().split(' ') ?? [];
          // An earlier try of ours whose answer was lost.
          if (standing.includes(token)) break;
          const next = bytesOf([...standing, token].join(' '));
          const outcome = await store.replace('counter', next, counter?.generation ?? '').catch((error: unknown) => {
            expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
          });
          if (outcome?.kind === 'written') break;
        }
        acknowledged.push(token);
      }
    };
    await Promise.all([0, 1, 2].map(increment));
    const standing = ((await textOf(truth, 'counter')) ?? '').split(' ').filter((token) => token !== '');
    expect(standing.toSorted()).toEqual(acknowledged.toSorted());
  });
});
