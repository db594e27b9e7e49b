/**
 * What every store promises (`src/store/port.ts`), as a suite over any opener: the directory, memory, `gs://` through a server
 * of ours, an emulator in a container. Rows that a part gets wrong are named with the reason, and must fail.
 */
import { afterEach, beforeEach, describe, expect, test as vitestTest } from 'vitest';

import type { ObjectStore } from '../../src/store/port.ts';
import { bytesOf, mustCreate, namesIn, textOf, type StoreFixture } from './store-fixtures.ts';

const ILLEGAL_NAMES = [
  '',
  '/',
  '/abs',
  'a/',
  'a//b',
  '.',
  '..',
  '../a',
  'a/..',
  'a/../b',
  'a/./b',
  'a\0b',
  'a\nb',
  'a\rb',
  'a\u007fb',
  'a\ud800b',
  'x'.repeat(1025),
  'é'.repeat(513),
  '.skein-store',
  '.skein-store/tmp/x',
  '.skein-store-2',
];

const LEGAL_NAMES = ['a b', 'ä/ö', '..a/b..', '.hidden', 'a/_b', "it's/100%", 'a\\b', '😀', 'r:1/*?', '-x'];

const ROWS = new Set<string>();

/** The rows that a part under a store gets wrong, by the row's name: why. */
export type KnownWrong = Readonly<Record<string, string>>;

/**
 * Declares the suite.
 * @param open a store with nothing in it, made anew for each row
 * @param knownWrong rows that must fail, because of what is named there; a row that has come right fails the suite
 */
export function objectStoreContract(
  kind: string,
  open: () => Promise<StoreFixture>,
  knownWrong: KnownWrong = {},
): void {
  const test = (row: string, body: () => Promise<void>): void => {
    ROWS.add(row);
    const why = knownWrong[row];
    if (why === undefined) vitestTest(row, body);
    else vitestTest.fails(`${row} (not here: ${why})`, body);
  };

  describe(`a store: ${kind}`, () => {
    let fixture: StoreFixture;
    let store: ObjectStore;

    beforeEach(async () => {
      fixture = await open();
      store = fixture.store;
    });
    afterEach(() => fixture[Symbol.asyncDispose]());

    test('creates an object that is then read whole, with its size and generation', async () => {
      const generation = await mustCreate(store, 'runs/r1/a.json', 'hello');
      const object = await store.read('runs/r1/a.json');
      expect(object).toMatchObject({ name: 'runs/r1/a.json', generation, sizeBytes: 5 });
      expect(object?.bytes.toString()).toBe('hello');
      expect(Math.abs((object?.updatedMs ?? 0) - Date.now())).toBeLessThan(60_000);
      expect(await store.stat('runs/r1/a.json')).toEqual({ ...object, bytes: undefined });
    });

    test('creates only where nothing stands, and says what does', async () => {
      const generation = await mustCreate(store, 'a', 'first');
      expect(await store.create('a', bytesOf('second'))).toEqual({ kind: 'conflict', generation });
      expect(await textOf(store, 'a')).toBe('first');
    });

    test('has one winner among 50 racers, whose bytes stand whole', async () => {
      const racers = Array.from({ length: 50 }, (_, racer) => String(racer).padStart(4096, '.'));
      const outcomes = await Promise.all(racers.map((text) => store.create('race/a', bytesOf(text))));
      const winners = outcomes.flatMap((outcome, racer) => (outcome.kind === 'written' ? [racer] : []));
      expect(winners).toHaveLength(1);
      expect(await textOf(store, 'race/a')).toBe(racers[winners[0] ?? -1]);
    });

    test('has one winner among 20 who replace the same generation', async () => {
      const generation = await mustCreate(store, 'a', '0');
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, racer) => store.replace('a', bytesOf(`racer ${racer}`), generation)),
      );
      expect(outcomes.filter((outcome) => outcome.kind === 'written')).toHaveLength(1);
    });

    test('replaces at the generation only', async () => {
      const first = await mustCreate(store, 'a', '1');
      const replaced = await store.replace('a', bytesOf('2'), first);
      expect(replaced.kind).toBe('written');
      expect(await store.replace('a', bytesOf('3'), first)).toEqual({
        kind: 'conflict',
        generation: replaced.generation,
      });
      expect(await textOf(store, 'a')).toBe('2');
    });

    test('does not replace what is not there', async () => {
      const generation = await mustCreate(store, 'b', '1');
      expect(await store.replace('a', bytesOf('2'), generation)).toEqual({ kind: 'conflict', generation: undefined });
      expect(await store.stat('a')).toBeUndefined();
    });

    test('removes at the generation only', async () => {
      const first = await mustCreate(store, 'a/b', '1');
      const second = await store.replace('a/b', bytesOf('2'), first);
      expect(await store.remove('a/b', first)).toEqual({ kind: 'conflict', generation: second.generation });
      expect(await store.remove('a/b', second.generation ?? '')).toEqual({ kind: 'removed' });
      expect(await store.read('a/b')).toBeUndefined();
      expect(await store.remove('a/b', first)).toEqual({ kind: 'absent' });
      expect(await namesIn(store, '')).toEqual([]);
    });

    test('gives a new generation at every write, for equal bytes too', async () => {
      const seen = new Set([await mustCreate(store, 'a', 'same')]);
      for (let turn = 0; turn < 20; turn += 1) {
        const current = (await store.stat('a'))?.generation ?? '';
        const outcome = await store.replace('a', bytesOf('same'), current);
        seen.add(outcome.generation ?? '');
      }
      expect(seen.size).toBe(21);
      const last = (await store.stat('a'))?.generation ?? '';
      expect(seen.has(last)).toBe(true);
      await store.remove('a', last);
      expect(seen.has(await mustCreate(store, 'a', 'same'))).toBe(false);
    });

    test('gives no generation twice to a name that is removed and made again and again', async () => {
      const seen = new Set<string>();
      for (let turn = 0; turn < 5; turn += 1) {
        const generation = await mustCreate(store, 'a', 'same');
        seen.add(generation);
        await store.remove('a', generation);
      }
      expect(seen.size).toBe(5);
    });

    test('loses no increment of many who compare and set at once', async () => {
      await mustCreate(store, 'counter', '0');
      const increment = async (): Promise<void> => {
        for (let done = 0; done < 5;) {
          const counter = await store.read('counter');
          const next = bytesOf(String(Number(counter?.bytes) + 1));
          const outcome = await store.replace('counter', next, counter?.generation ?? '');
          if (outcome.kind === 'written') done += 1;
        }
      };
      await Promise.all(Array.from({ length: 8 }, increment));
      expect(await textOf(store, 'counter')).toBe('40');
    });

    test('reads ranges, and past the end what is there', async () => {
      await mustCreate(store, 'a', '0123456789');
      const range = async (start: number, end?: number) => {
        const object = await store.read('a', { range: { start, ...(end !== undefined && { end }) } });
        expect(object?.sizeBytes).toBe(10);
        return object?.bytes.toString();
      };
      expect(await range(2, 5)).toBe('234');
      expect(await range(7)).toBe('789');
      expect(await range(8, 100)).toBe('89');
      expect(await range(10)).toBe('');
      expect(await range(50, 60)).toBe('');
      expect(await range(0, 0)).toBe('');
    });

    test('says undefined for what is not there, also below an object or at a folder', async () => {
      await mustCreate(store, 'a/b', '1');
      for (const name of ['x', 'a', 'a/c', 'a/b/c', 'x/y/z']) {
        expect(await store.read(name)).toBeUndefined();
        expect(await store.stat(name)).toBeUndefined();
      }
    });

    test('keeps an empty object', async () => {
      await mustCreate(store, 'empty', '');
      expect(await store.read('empty')).toMatchObject({ sizeBytes: 0 });
    });

    test('keeps 9 MiB exactly', async () => {
      const big = Buffer.alloc(9 * 1024 * 1024, 'skein');
      big[big.length - 1] = 0;
      expect((await store.create('big', big)).kind).toBe('written');
      expect((await store.read('big'))?.bytes.equals(big)).toBe(true);
      expect((await store.read('big', { range: { start: big.length - 2 } }))?.bytes).toEqual(big.subarray(-2));
    });

    test('keeps its bytes whatever the caller does to the buffer afterwards', async () => {
      const bytes = bytesOf('mine');
      await store.create('a', bytes);
      bytes.fill(0);
      (await store.read('a'))?.bytes.fill(1);
      expect(await textOf(store, 'a')).toBe('mine');
    });

    test('lists in byte order, over pages of any size', async () => {
      const names = ['a-b', 'a.b', 'a/b', 'a/b0/c', 'a0', 'B', 'b/1', 'b/10', 'b/2', 'z/\uffee', 'z/😀', 'ä'];
      for (const name of names.toReversed()) await mustCreate(store, name, 'x');
      const sorted = names.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      for (const pageSize of [1, 2, 5, 1000]) expect(await namesIn(store, '', pageSize)).toEqual(sorted);
      expect(await namesIn(store, 'a/', 1)).toEqual(['a/b', 'a/b0/c']);
      expect(await namesIn(store, 'a', 2)).toEqual(['a-b', 'a.b', 'a/b', 'a/b0/c', 'a0']);
      expect(await namesIn(store, 'a/b0', 2)).toEqual(['a/b0/c']);
      expect(await namesIn(store, 'nothing/here')).toEqual([]);
    });

    test('lists folders once each with a delimiter, over pages of two', async () => {
      const names = ['r/a', 'r/b/1', 'r/b/2', 'r/b/3', 'r/c', 'r/d/e/f', 'r/d/e/g', 'r/e', 's/x'];
      for (const name of names) await mustCreate(store, name, 'x');
      const collect = async (prefix: string, pageSize: number) => {
        const seen: { objects: string[]; prefixes: string[] } = { objects: [], prefixes: [] };
        for (let token: string | undefined; ;) {
          const page = await store.list(prefix, { delimiter: '/', pageSize, ...(token && { pageToken: token }) });
          expect(page.objects.length + page.prefixes.length).toBeLessThanOrEqual(pageSize);
          seen.objects.push(...page.objects.map((object) => object.name));
          seen.prefixes.push(...page.prefixes);
          token = page.nextPageToken;
          if (token === undefined) return seen;
        }
      };
      for (const pageSize of [1, 2, 3, 1000]) {
        expect(await collect('r/', pageSize)).toEqual({ objects: ['r/a', 'r/c', 'r/e'], prefixes: ['r/b/', 'r/d/'] });
        expect(await collect('', pageSize)).toEqual({ objects: [], prefixes: ['r/', 's/'] });
        expect(await collect('r/d', pageSize)).toEqual({ objects: [], prefixes: ['r/d/'] });
      }
    });

    test('shows no folder whose last object was removed', async () => {
      const generation = await mustCreate(store, 'r/a/b/c', 'x');
      await mustCreate(store, 'r/d/e', 'x');
      await store.remove('r/a/b/c', generation);
      expect((await store.list('r/', { delimiter: '/' })).prefixes).toEqual(['r/d/']);
    });

    test('reads and lists its own writes at once', async () => {
      for (let turn = 0; turn < 20; turn += 1) {
        const name = `w/${turn}`;
        const generation = await mustCreate(store, name, String(turn));
        expect((await store.stat(name))?.generation).toBe(generation);
        expect((await store.list('w/')).objects.find((object) => object.name === name)?.generation).toBe(generation);
      }
    });

    test('refuses illegal names in every verb', async () => {
      const refused = { code: 'INVALID_INPUT' };
      for (const name of ILLEGAL_NAMES) {
        const verbs = {
          create: async () => store.create(name, bytesOf('x')),
          replace: async () => store.replace(name, bytesOf('x'), '1'),
          read: async () => store.read(name),
          stat: async () => store.stat(name),
          remove: async () => store.remove(name, '1'),
        };
        for (const [verb, call] of Object.entries(verbs)) {
          await expect(call(), `${verb} ${JSON.stringify(name)}`).rejects.toMatchObject(refused);
        }
      }
      expect(await namesIn(store, '')).toEqual([]);
    });

    test('takes every other name as it is', async () => {
      for (const name of LEGAL_NAMES) {
        await mustCreate(store, `at/${name}`, name);
        expect(await textOf(store, `at/${name}`)).toBe(name);
      }
      await mustCreate(store, '..a/b', 'x');
      const sorted = ['..a/b', ...LEGAL_NAMES.map((name) => `at/${name}`)];
      expect((await namesIn(store, '')).toSorted()).toEqual(sorted.toSorted());
    });

    test('refuses a prefix that leads elsewhere', async () => {
      for (const prefix of ['../', '/', 'a/../', 'a//', './', 'a\0']) {
        await expect(store.list(prefix)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      }
    });

    test('does nothing for a caller that has cancelled', async () => {
      const signal = AbortSignal.abort();
      const generation = await mustCreate(store, 'a', '1');
      await expect(store.create('b', bytesOf('x'), { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
      await expect(store.replace('a', bytesOf('x'), generation, { signal })).rejects.toMatchObject({
        code: 'CANCELLED',
      });
      await expect(store.remove('a', generation, { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
      await expect(store.list('', { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(await namesIn(store, '')).toEqual(['a']);
      expect(await textOf(store, 'a')).toBe('1');
    });

    test('says that it can be written to, and leaves no trace of the question', async () => {
      await store.checkWritable();
      expect(await namesIn(store, '')).toEqual([]);
    });
  });

  vitestTest(`a store: ${kind}: every row that is known to be wrong is a row`, () => {
    expect(Object.keys(knownWrong).filter((row) => !ROWS.has(row))).toEqual([]);
  });
}
