import { statSync } from 'node:fs';
import { appendFile, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { Journal } from '../../../src/node/journal.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

async function sizeOf(dir: string): Promise<number> {
  const names = await readdir(dir);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(dir, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe('a journal', () => {
  it('gives what was not settled to whoever opens it next, oldest first, and again until it is', async () => {
    const dir = await temporaryFolder();
    {
      const { journal } = await Journal.open({ dir });
      const ids = [1, 2, 3, 4].map((n) => journal.append({ n }, Buffer.from(`payload ${n}`)));
      await journal.written();
      journal.settle(ids[1]!);
      await journal.synced();
      await journal[Symbol.asyncDispose]();
    }
    for (let life = 0; life < 2; life += 1) {
      const { journal, records, damage } = await Journal.open({ dir });
      expect(damage).toEqual([]);
      expect(records.map(({ header, payload }) => [header['n'], payload.toString()])).toEqual([
        [1, 'payload 1'],
        [3, 'payload 3'],
        [4, 'payload 4'],
      ]);
      await journal[Symbol.asyncDispose]();
    }
    {
      const { journal, records } = await Journal.open({ dir });
      for (const { id } of records) journal.settle(id);
      await journal[Symbol.asyncDispose]();
    }
    const { journal, records } = await Journal.open({ dir });
    expect(records).toEqual([]);
    expect(journal.liveBytes).toBe(0);
    await waitUntil('only the new segment is left', async () => (await readdir(dir)).length === 1);
    await journal[Symbol.asyncDispose]();
  });

  it('takes a record whose end is missing or changed for none, and says so', async () => {
    const dir = await temporaryFolder();
    {
      const { journal } = await Journal.open({ dir });
      journal.append({ n: 1 }, Buffer.alloc(100, 'a'));
      journal.append({ n: 2 }, Buffer.alloc(100, 'b'));
      await journal[Symbol.asyncDispose]();
    }
    const [name = ''] = await readdir(dir);
    const path = join(dir, name);
    await truncate(path, (await stat(path)).size - 1);
    {
      const { journal, records, damage } = await Journal.open({ dir });
      expect(records.map(({ header }) => header['n'])).toEqual([1]);
      expect(damage).toHaveLength(1);
      await journal[Symbol.asyncDispose]();
    }
    await appendFile(path, Buffer.alloc(64, 7));
    const { journal, records } = await Journal.open({ dir });
    expect(records.map(({ header }) => header['n'])).toEqual([1]);
    const fresh = journal.append({ n: 9 });
    expect(records.every(({ id }) => id !== fresh)).toBe(true);
    await journal[Symbol.asyncDispose]();
  });

  it('stays small however many records pass through it, also when one of them stays for ever', async () => {
    const dir = await temporaryFolder();
    const { journal } = await Journal.open({ dir, segmentBytes: 16_384 });
    journal.append({ n: 'stays' }, Buffer.from('the first one'));
    for (let round = 0; round < 200; round += 1) {
      const ids = Array.from({ length: 20 }, (_, n) => journal.append({ round, n }, Buffer.alloc(200, 'x')));
      await journal.written();
      for (const id of ids) journal.settle(id);
    }
    await journal.synced();
    await waitUntil('segments went', async () => (await readdir(dir)).length <= 6);
    expect(await sizeOf(dir)).toBeLessThan(8 * 16_384);
    await journal[Symbol.asyncDispose]();
    const { journal: next, records } = await Journal.open({ dir });
    expect(records.map(({ header, payload }) => [header['n'], payload.toString()])).toEqual([
      ['stays', 'the first one'],
    ]);
    await next[Symbol.asyncDispose]();
  });

  it('writes once a tick, however many records came in it', async () => {
    const dir = await temporaryFolder();
    const { journal } = await Journal.open({ dir });
    const [name = ''] = await readdir(dir);
    for (let n = 0; n < 50; n += 1) journal.append({ n });
    expect(statSync(join(dir, name)).size).toBe(0);
    await journal.written();
    const whole = statSync(join(dir, name)).size;
    await journal.synced();
    expect((await stat(join(dir, name))).size).toBe(whole);
    expect(journal.liveBytes).toBe(whole);
    await journal[Symbol.asyncDispose]();
  });
});
