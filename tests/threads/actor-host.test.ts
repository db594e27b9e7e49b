import { describe, expect, test } from 'vitest';

import { createActor, type ActorOptions } from '../../src/driver/handle.ts';
import { ActorDiedError, ActorUnavailableError, ActorUnschedulableError } from '../../src/driver/errors.ts';
import { SkeinError } from '../../src/kernel/errors.ts';
import { ActorHost, type ActorHostOptions } from '../../src/node/actor-host.ts';
import { checkLeaksAfterEach } from '../helpers/leaks.ts';
import { fixture, rejection } from '../helpers/ray-session.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const AWARE: ActorOptions = { className: 'Aware', location: { module: fixture('aware'), exportName: 'Aware' } };
const COUNTER: ActorOptions = { className: 'Counter', location: { module: fixture('counter'), exportName: 'Counter' } };

/** Plain JavaScript: where many start, stripping types in each thread would be most of the test. */
const ECHO: ActorOptions = {
  className: 'Echo',
  location: { module: new URL('../../bench/actors/echo.js', import.meta.url).href, exportName: 'Echo' },
};

const hostFor = async (options: Partial<ActorHostOptions> = {}): Promise<ActorHost> =>
  new ActorHost({ logDir: await temporaryFolder(), env: process.env, ...options });

describe('the actor host of a daemon', () => {
  checkLeaksAfterEach();

  test('answers what an actor asks, errors included', async () => {
    await using host = await hostFor();
    const actor = createActor(host, {
      ...AWARE,
      services: {
        double: async (payload) => (payload as number) * 2,
        refuse: async () => {
          throw new SkeinError('DISK_FULL', 'no space for it');
        },
      },
    });
    expect(await actor.call('ask', ['double', 21]).promise()).toBe(42);
    const error = await rejection(actor.call('ask', ['refuse', 1]).promise());
    expect(error).toMatchObject({ code: 'DISK_FULL', cause: { message: 'no space for it' } });
    expect(error).toBeInstanceOf(SkeinError);
    expect((await rejection(actor.call('ask', ['nope', 1]).promise())).message).toContain('offered: double, refuse');
  });

  test('tells a service that the actor which asked has died', async () => {
    await using host = await hostFor();
    let isAborted = false;
    const actor = createActor(host, {
      ...AWARE,
      services: {
        wait: (_payload, death) =>
          new Promise((resolve) => {
            death.addEventListener('abort', () => {
              isAborted = true;
              resolve(undefined);
            });
            actor.kill();
          }),
      },
    });
    expect(await rejection(actor.call('ask', ['wait', 1]).promise())).toBeInstanceOf(ActorDiedError);
    await actor.died;
    expect(isAborted).toBe(true);
  });

  test('gives actors an environment without secrets, and each its own addition (P-26)', async () => {
    await using host = await hostFor({
      env: { PATH: '/bin', SKEIN_TOKEN: 's3cret', OPENAI_API_KEY: 'k', LC_ALL: 'C' },
    });
    const [plain, rich] = [
      createActor(host, AWARE),
      createActor(host, { ...AWARE, extraEnv: { OPENAI_API_KEY: 'mine' } }),
    ];
    expect(await plain.call('env', []).promise()).toEqual({ PATH: '/bin', LC_ALL: 'C' });
    expect(await rich.call('env', []).promise()).toEqual({ PATH: '/bin', LC_ALL: 'C', OPENAI_API_KEY: 'mine' });
  });

  test('never gives the thread of an actor, with its globals, to another (W-01)', async () => {
    await using host = await hostFor();
    for (let round = 0; round < 3; round += 1) {
      const actor = createActor(host, AWARE);
      const leaving = actor
        .call('setGlobal', [])
        .promise()
        .then(() => actor.terminate());
      await leaving;
      const next = createActor(host, AWARE);
      expect(await next.call('hasGlobal', []).promise()).toBe(false);
      next.kill();
      await Promise.all([actor.died, next.died]);
    }
  });

  test('refuses one actor more than it may hold, and takes it when one has gone', async () => {
    await using host = await hostFor({ maxActors: 2 });
    const [first, second] = [createActor(host, COUNTER), createActor(host, COUNTER)];
    await Promise.all([first.ready().promise(), second.ready().promise()]);
    const third = createActor(host, COUNTER);
    const error = await rejection(third.call('add', [1]).promise());
    expect(error).toBeInstanceOf(ActorUnschedulableError);
    expect(error.message).toContain('holds 2 actors');
    first.kill();
    await first.died;
    expect(await createActor(host, COUNTER).call('add', [1]).promise()).toBe(1);
  });

  test('starts 40 actors at once on as many threads', async () => {
    await using host = await hostFor();
    const actors = Array.from({ length: 40 }, () => createActor(host, ECHO));
    expect(await Promise.all(actors.map((actor, index) => actor.call('echo', [index]).promise()))).toEqual(
      Array.from({ length: 40 }, (_, index) => index),
    );
    expect(host.threadCount).toBe(40);
  });

  test('an actor is dead at the caller before its thread is gone, and "died" says when it is', async () => {
    await using host = await hostFor();
    const actor = createActor(host, COUNTER);
    await actor.ready().promise();
    actor.kill();
    expect(actor.state).toBe('DEAD');
    expect(host.actorCount).toBe(1);
    expect(await actor.died).toMatchObject({ reason: 'KILLED' });
    expect(host.actorCount).toBe(0);
  });

  test('a thread that native code holds fails its calls at once, but nobody takes its place before it is gone', async () => {
    await using host = await hostFor();
    const actor = createActor(host, { ...COUNTER, maxRestarts: 1, maxTaskRetries: 1 });
    await actor.ready().promise();
    const held = actor.call('sleep', [0.6], { maxTaskRetries: 0 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const again = actor.call('add', [1]);
    const killedMs = performance.now();
    actor.kill({ noRestart: false });
    expect(await rejection(held.promise())).toBeInstanceOf(ActorUnavailableError);
    expect(performance.now() - killedMs).toBeLessThan(300);
    expect(await again.promise()).toBe(1);
    expect(performance.now() - killedMs).toBeGreaterThan(400);
    expect(host.threadCount).toBe(1);
  });

  test('stop ends all actors, in whatever state they are, and refuses new ones', async () => {
    const host = await hostFor();
    const ready = createActor(host, COUNTER);
    await ready.ready().promise();
    const spinning = createActor(host, COUNTER);
    const stuck = spinning.call('spin', []);
    await spinning.ready().promise();
    const starting = createActor(host, COUNTER);
    const pending = starting.call('add', [1]);
    expect(await host.stop()).toBe(0);
    for (const ref of [stuck, pending]) expect(await rejection(ref.promise())).toBeInstanceOf(ActorDiedError);
    const late = createActor(host, COUNTER);
    expect(await rejection(late.call('add', [1]).promise())).toMatchObject({ reason: 'NODE_DIED' });
  });

  test('a death with restarts left while the host stops is the end', async () => {
    const host = await hostFor();
    const actor = createActor(host, { ...COUNTER, maxRestarts: -1 });
    await actor.ready().promise();
    await host.stop();
    expect(actor.state).toBe('DEAD');
  });

  test('60 lives, half of them cut short while starting, leave nothing behind', async () => {
    await using host = await hostFor();
    const live = async (index: number): Promise<void> => {
      const actor = createActor(host, ECHO);
      const ref = actor.call('echo', [1]);
      if (index % 2 === 0) await ref.promise();
      actor.kill();
      await actor.died;
    };
    for (let round = 0; round < 15; round += 1) await Promise.all(Array.from({ length: 4 }, (_, index) => live(index)));
    await waitUntil('no thread is left', () => host.threadCount === 0);
  }, 30_000);
});
