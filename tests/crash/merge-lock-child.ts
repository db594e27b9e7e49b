/** Holds the lock of one reference, says so, and lets go when its stdin ends. Arguments: root, database. */
import { LockKeeper } from '../../src/node/lock-keeper.ts';

const [root = '', database = ''] = process.argv.slice(2);
await using keeper = new LockKeeper();
const grant = await keeper.acquire({ root, database, owner: 'a build' });
process.stdout.write('held\n');
for await (const _ of process.stdin);
await grant.release();
