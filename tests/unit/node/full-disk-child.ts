/**
 * Fills the small disk that its spool lies on, and says what became of it: `full-disk-child.ts <folder>`. The disk must
 * hold some 200 KB at most.
 */
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { createLogger } from '../../../src/kernel/log.ts';
import { Spool } from '../../../src/node/spool.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const [folder = ''] = process.argv.slice(2);
const ballast = join(folder, 'ballast');
writeFileSync(ballast, Buffer.alloc(100_000));
const dir = join(folder, 'spool');
const open = (bootId: string): Promise<Spool> =>
  Spool.open({ dir, bootId, log: createLogger(), minFreeBytes: 0, retryMs: 20 });
const task = (n: number) => ({ runId: 'r1', instanceId: `shop_${n}`, attempt: 1, database: 'shop' });
const result = (n: number) => ({
  ...task(n),
  row: Buffer.from(`${String(n).padStart(4, '0')}${'x'.repeat(5_000)}`),
  log: Buffer.from(`log ${n}`),
  scratchDir: '',
  sessionsRoot: '',
  startedMs: 1,
  bundleBytes: 0,
});

const spool = await open('first');
const troubles: string[] = [];
spool.onChange(() => troubles.push(spool.trouble ?? ''));
let made = 0;
while (spool.trouble === undefined && made < 1_000) {
  spool.result(undefined, result((made += 1)));
  await spool.written().catch(() => {});
}
// What runs ends on a full disk too.
for (let more = 0; more < 5; more += 1) spool.result(undefined, result((made += 1)));
await spool.written().catch(() => {});
let refused = 'started';
try {
  spool.start(task(9_999));
} catch (error) {
  refused = (error as Error).message;
}
const segments = readdirSync(dir).map((name) => join(dir, name));
const sizes = segments.map((path) => statSync(path).size);

// Another life opens what is on the full disk: whole records only.
const onDisk = await Spool.open({ dir, bootId: 'other', log: createLogger(), minFreeBytes: 0 }).then(
  (other) => other.takeLeft().results.length,
  (error: Error) => error.message,
);

rmSync(ballast);
await waitUntil('there is room again', () => spool.trouble === undefined);
await spool.synced();
await spool[Symbol.asyncDispose]();
const next = await open('second');
const rows = next.takeLeft().results.map(({ row, log, instanceId }) => `${instanceId} ${row.length} ${log.toString()}`);
await next[Symbol.asyncDispose]();
process.stdout.write(JSON.stringify({ made, troubles, refused, onDisk, sizes, rows }));
