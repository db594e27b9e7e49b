/**
 * Holds locks in a process of its own, as told on stdin: `take` takes the lock and says `held <ms waited>`, `release` lets
 * it go and says `released`. Arguments: root, database.
 */
import { createInterface } from 'node:readline';

import { LockKeeper, type LockGrant } from '../../src/node/lock-keeper.ts';

const [root = '', database = ''] = process.argv.slice(2);
const keeper = new LockKeeper();
let grant: LockGrant | undefined;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'take') {
    const startMs = performance.now();
    grant = await keeper.acquire({ root, database, owner: 'a test', onWait: (holder) => say(`waits for ${holder}`) });
    say(`held ${performance.now() - startMs}`);
  }
  if (line === 'release') {
    await grant?.release();
    say('released');
  }
}
await keeper[Symbol.asyncDispose]();
