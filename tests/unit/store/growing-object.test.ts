import { randomUUID } from 'node:crypto';

import { beforeEach, describe, expect, it } from 'vitest';

import { overwrite } from '../../../src/store/create-or-confirm.ts';
import { GrowingObject } from '../../../src/store/growing-object.ts';
import { openMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore, ReadOptions } from '../../../src/store/port.ts';

let store: ObjectStore;
let reads: { name: string; start: number }[];
beforeEach(() => {
  const plain = openMemoryStore(`memory:${randomUUID()}`);
  reads = [];
  store = new Proxy(plain, {
    get(target, property: keyof ObjectStore) {
      const value = target[property] as unknown;
      if (property !== 'read') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      return (name: string, options?: ReadOptions) => {
        reads.push({ name, start: options?.range?.start ?? 0 });
        return target.read(name, options);
      };
    },
  });
});

const write = (name: string, text: string): Promise<string> => overwrite(store, name, Buffer.from(text));
async function look(object: GrowingObject): Promise<string | { anew: string }> {
  const growth = await object.look();
  if (growth.kind === 'nothing') return '';
  const text = growth.bytes.toString();
  return growth.isAnew ? { anew: text } : text;
}

describe('an object that grows', () => {
  it('gives what came since the last look, and reads no more than that and a little', async () => {
    const object = new GrowingObject(store, 'log');
    expect(await look(object)).toBe('');
    const begin = 'a'.repeat(100_000);
    await write('log', begin);
    expect(await look(object)).toBe(begin);
    expect(await look(object)).toBe('');
    await write('log', `${begin}more`);
    expect(await look(object)).toBe('more');
    await write('log', `${begin}more and more`);
    expect(await look(object)).toBe(' and more');
    expect(reads).toHaveLength(3);
    expect(reads[1]!.start).toBeGreaterThan(99_000);
    expect(reads[2]!.start).toBeGreaterThan(99_000);
  });

  it('notices that another one stands in its place, be it shorter or longer, and gives that from its begin', async () => {
    const object = new GrowingObject(store, 'log');
    await write('log', 'the first life');
    await look(object);
    await write('log', 'second');
    expect(await look(object)).toEqual({ anew: 'second' });
    await write('log', 'a third one that is longer than both');
    expect(await look(object)).toEqual({ anew: 'a third one that is longer than both' });
    await write('log', 'a third one that is longer than both, and goes on');
    expect(await look(object)).toBe(', and goes on');
  });

  it('goes on under another name with what is new there', async () => {
    const object = new GrowingObject(store, 'partial');
    await write('partial', 'one\ntwo\n');
    await look(object);
    await write('whole', 'one\ntwo\nthree\n');
    object.moveTo('whole');
    expect(await look(object)).toBe('three\n');
    object.moveTo('whole');
    expect(await look(object)).toBe('');
  });

  it('that was written again with the same bytes has nothing new', async () => {
    const object = new GrowingObject(store, 'log');
    await write('log', 'same');
    await look(object);
    await write('log', 'same');
    expect(await look(object)).toBe('');
  });
});
