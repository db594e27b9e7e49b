import { describe, expect, test } from 'vitest';

import { createActor, type ActorOptions } from '../../src/driver/handle.ts';
import { ActorHost } from '../../src/node/actor-host.ts';
import { LockKeeper, lockServices } from '../../src/node/lock-keeper.ts';
import { sleep } from '../../src/kernel/retry.ts';
import { checkLeaksAfterEach } from '../helpers/leaks.ts';
import { fixture } from '../helpers/ray-session.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const LOCKER: ActorOptions = { className: 'Locker', location: { module: fixture('locker'), exportName: 'Locker' } };

describe('locks that a daemon keeps for its actors', () => {
  checkLeaksAfterEach();

  test('go from one actor to the next, and tell a waiter of another process who holds them (P-42, P-43)', async () => {
    const root = await temporaryFolder();
    await using other = new LockKeeper();
    await using keeper = new LockKeeper();
    await using host = new ActorHost({ logDir: await temporaryFolder(), env: process.env });
    const waits: string[] = [];
    const services = lockServices(keeper, ({ database, holder }) => waits.push(`${database}: ${holder}`));
    const [one, two] = [createActor(host, { ...LOCKER, services }), createActor(host, { ...LOCKER, services })];
    const grant = await other.acquire({ root, database: 'shop', owner: 'a merge' });
    const first = one.call('take', [root, 'shop']).promise();
    await waitUntil('the actor waits', () => waits.length === 1);
    expect(waits[0]).toContain(`shop: pid ${process.pid} on`);
    expect(waits[0]).toContain('(a merge)');
    await grant.release();
    await first;
    await one.call('verify', []).promise();
    const second = two.call('take', [root, 'shop']).promise();
    await sleep(50);
    expect(keeper.held).toEqual([{ root, database: 'shop' }]);
    await one.call('release', []).promise();
    await second;
    await two.call('release', []).promise();
    expect(keeper.held).toEqual([]);
  });

  test.each(['crash', 'block'])('are let go when the actor that holds them ends (%s)', async (how) => {
    const root = await temporaryFolder();
    await using keeper = new LockKeeper();
    await using host = new ActorHost({ logDir: await temporaryFolder(), env: process.env });
    const services = lockServices(keeper);
    const [one, two] = [createActor(host, { ...LOCKER, services }), createActor(host, { ...LOCKER, services })];
    await one.call('take', [root, 'shop']).promise();
    await two.ready().promise();
    const second = two.call('take', [root, 'shop']).promise();
    one
      .call(how, [])
      .promise()
      .catch(() => {});
    if (how === 'block') {
      await sleep(50);
      one.kill();
    }
    await one.died;
    const diedMs = performance.now();
    await second;
    expect(performance.now() - diedMs).toBeLessThan(500);
  });
});
