/** The spool of a node: what lies there at the moment that somebody may act on it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { createLogger } from '../../../src/kernel/log.ts';
import { Spool } from '../../../src/node/spool.ts';
import { tempDir } from '../../helpers/shards.ts';

/** What a SIGKILL at this instant would leave. */
const left = (dir: string): string =>
  readdirSync(dir)
    .map((name) => readFileSync(join(dir, name), 'latin1'))
    .join('');

const open = (dir: string): Promise<Spool> => Spool.open({ dir, bootId: 'boot-1', log: createLogger() });

test('a start is with the kernel before its actor can hear of it', async () => {
  await using temp = await tempDir();
  await using spool = await open(temp.dir);
  spool.start({ runId: 'r1', instanceId: 'shop_1', attempt: 1, database: 'shop' });
  expect(left(temp.dir)).toContain('"kind":"start","runId":"r1","instanceId":"shop_1"');
});

test('a grant is with the kernel before anything is built under it', async () => {
  await using temp = await tempDir();
  await using spool = await open(temp.dir);
  await spool.grant({ runId: 'r1', database: 'shop', epoch: 7, referenceRoot: temp.dir });
  expect(left(temp.dir)).toContain('"kind":"grant","runId":"r1","database":"shop","epoch":7');
});
