/** Uploads a shard or fetches a run, in a process that a fail point kills. Arguments: what, folder, fail point. */
import { join } from 'node:path';

import { fetchRun } from '../../src/head/fetch.ts';
import { armFailPoint } from '../../src/kernel/failpoint.ts';
import { uploadShard } from '../../src/reference/shard.ts';
import { openStore } from '../../src/store/open.ts';

const [what, dir = '', point] = process.argv.slice(2);
armFailPoint(point);
await using store = await openStore(`file://${join(dir, 'store')}`);
if (what === 'upload') {
  await uploadShard({ store, runId: 'r1', shard: 'h-1-0', database: 'shop', referenceRoot: join(dir, 'built') });
} else {
  await fetchRun({
    store,
    runId: 'r1',
    outDir: join(dir, 'out'),
    referenceRoot: join(dir, 'warm'),
    withLock: (_database, work) => work(),
  });
}
