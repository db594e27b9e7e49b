/**
 * Merges as `fetch` does, under the real lock, in a process whose every call to the file system can be counted: it says that
 * it is ready when its one libuv thread runs, and begins when it is told to. Arguments: shards, root. Compiled modules: it
 * is started once per call.
 */
import { stat } from 'node:fs/promises';

import { LockKeeper } from '../../dist/node/lock-keeper.js';
import { mergeShards } from '../../dist/reference/merge.js';

const [shardsDir = '', referenceRoot = ''] = process.argv.slice(2);
await stat(shardsDir);
process.stdout.write('ready\n');
for await (const _ of process.stdin) break;
await using keeper = new LockKeeper();
await mergeShards({
  shardsDir,
  referenceRoot,
  withLock: (database, work) => keeper.hold({ root: referenceRoot, database, owner: 'fetch r1' }, work),
});
