/** A spool that has come to its limit. */
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { createLogger } from '../../../src/kernel/log.ts';
import { Spool } from '../../../src/node/spool.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const LIMIT = 100_000;

async function open(dir: string, limitBytes = LIMIT): Promise<Spool> {
  return await Spool.open({ dir, bootId: 'b1', log: createLogger(), minFreeBytes: 0, limitBytes });
}

const result = (n: number, sizes: { row?: number; bundle?: number } = {}) => ({
  ...{ runId: 'r1', instanceId: `shop_${n}`, attempt: 1, database: 'shop' },
  row: Buffer.alloc(sizes.row ?? 10_000, 'r'),
  log: Buffer.from(`log ${n}`),
  ...{ scratchDir: '', sessionsRoot: '', startedMs: 1, bundleBytes: sizes.bundle ?? 0 },
});

test('at its limit a spool says so, takes what still comes, and goes on when a fifth of it is stored', async () => {
  const dir = join(await temporaryFolder(), 'spool');
  await using spool = await open(dir);
  const troubles: (string | undefined)[] = [];
  spool.onChange(() => troubles.push(spool.trouble));
  const ids: number[] = [];
  while (spool.trouble === undefined) ids.push(spool.result(undefined, result(ids.length)));
  expect(ids).toHaveLength(10);
  expect(spool.trouble).toMatch(/^spool full: 10\d{4} bytes wait for the store, the limit is 100000; .* below 80000$/);
  // What runs ends on a full spool too.
  ids.push(spool.result(undefined, result(10)), spool.result(undefined, result(11)));
  for (const id of ids.splice(0, 4)) spool.settle(id);
  expect(spool.trouble, '8 of 12 are left: 80 %').toMatch(/^spool full/);
  spool.settle(ids.shift());
  expect(spool.trouble).toBeUndefined();
  expect(troubles).toHaveLength(2);
  await spool.synced();
});

test('bundles that wait on the disk count too, over the death of the node, until the store has them', async () => {
  const dir = join(await temporaryFolder(), 'spool');
  {
    await using spool = await open(dir);
    spool.result(undefined, result(1, { row: 10, bundle: LIMIT }));
    expect(spool.trouble).toMatch(/^spool full/);
    expect(spool.bytes).toBeGreaterThanOrEqual(LIMIT);
  }
  await using next = await open(dir);
  expect(next.trouble, 'what an earlier life left').toMatch(/^spool full/);
  const [left] = next.takeLeft().results;
  expect(left?.log.toString()).toBe('log 1');
  next.settle(left?.id);
  expect(next.trouble).toBeUndefined();
  expect(next.bytes).toBe(0);
});
