import { describe, expect, test } from 'vitest';

import * as ray from '../../src/ray/index.ts';
import { Aware } from '../fixtures/actors/aware.ts';
import { Counter, UserError } from '../fixtures/actors/counter.ts';
import { Flaky } from '../fixtures/actors/flaky.ts';
import { fixture, rejection, useRay } from '../helpers/ray-session.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const CounterActor = ray.remote(Counter, { module: fixture('counter') });
const FlakyActor = ray.remote(Flaky, { module: fixture('flaky'), errors: [UserError] });
const AwareActor = ray.remote(Aware, { module: fixture('aware') });

/** Asks until it answers: right after a death a call may still find it restarting. */
async function eventually<T>(ask: () => ray.ObjectRef<T>): Promise<T> {
  let value: T | undefined;
  await waitUntil('the actor is back', async () => {
    try {
      value = await ray.get(ask());
      return true;
    } catch (error) {
      if (error instanceof ray.ActorUnavailableError) return false;
      throw error;
    }
  });
  return value as T;
}

describe('restarts', () => {
  useRay();

  test('an actor with a restart left comes back with its original arguments and fresh state', async () => {
    const counter = CounterActor.options({ maxRestarts: 1 }).remote(10);
    expect(await ray.get(counter.add.remote(5))).toBe(15);
    const refs = [counter.exit.remote(1), counter.add.remote(1)];
    for (const ref of refs) {
      const error = await rejection(ray.get(ref));
      expect(error).toBeInstanceOf(ray.ActorUnavailableError);
      expect(error.message).toContain('may or may not have been executed');
      expect(error.cause).toMatchObject({ reason: 'CRASH', exitCode: 1 });
    }
    expect(await eventually(() => counter.add.remote(1))).toBe(11);
  });

  test('when the restarts are used up it is dead', async () => {
    const counter = CounterActor.options({ maxRestarts: 1 }).remote();
    await rejection(ray.get(counter.exit.remote(1)));
    await eventually(() => counter.add.remote(1));
    expect(await rejection(ray.get(counter.exit.remote(2)))).toMatchObject({ reason: 'CRASH', exitCode: 2 });
    expect(await rejection(ray.get(counter.add.remote(1)))).toBeInstanceOf(ray.ActorDiedError);
  });

  test('-1 and Infinity bring it back every time', async () => {
    for (const maxRestarts of [-1, Infinity]) {
      const counter = CounterActor.options({ maxRestarts }).remote();
      for (let round = 0; round < 3; round += 1) {
        expect(await rejection(ray.get(counter.exit.remote(1)))).toBeInstanceOf(ray.ActorUnavailableError);
        expect(await eventually(() => counter.add.remote(1))).toBe(1);
      }
      ray.kill(counter);
    }
  });

  test('a call made while it restarts fails without retries, and waits with one', async () => {
    const counter = CounterActor.options({ maxRestarts: 2 }).remote();
    await rejection(ray.get(counter.exit.remote(1)));
    const patient = counter.add.options({ maxTaskRetries: 1 }).remote(1);
    expect(await rejection(ray.get(counter.add.remote(1)))).toBeInstanceOf(ray.ActorUnavailableError);
    expect(await ray.get(patient)).toBe(1);
  });

  test('with retries, calls that were in flight or queued run again, in their order', async () => {
    const folder = await temporaryFolder();
    const flaky = FlakyActor.options({ maxRestarts: 1, maxTaskRetries: 1 }).remote(folder);
    const refs = ['a', 'b', 'c'].map((text) => flaky.dieOnceAt.remote('b', text));
    expect(await ray.get(refs)).toEqual(['a', 'b', 'c']);
    const [, ...again] = await ray.get(flaky.begun.remote());
    expect(again.slice(-2)).toEqual(['b', 'c']);
  });

  test('retries are used up by deaths', async () => {
    const counter = CounterActor.options({ maxRestarts: -1, maxTaskRetries: 2 }).remote();
    expect(await rejection(ray.get(counter.exit.remote(1)))).toBeInstanceOf(ray.ActorUnavailableError);
    expect(await ray.get(counter.add.remote(1))).toBe(1);
  });

  test('retryExceptions runs a call again that threw, with the state as it is', async () => {
    const flaky = FlakyActor.options({ maxTaskRetries: 2 }).remote('');
    expect(await rejection(ray.get(flaky.failUntil.remote(3)))).toBeInstanceOf(UserError);
    const again = flaky.failUntil.options({ retryExceptions: true });
    expect(await ray.get(again.remote(3))).toBe(3);
    expect(await ray.get(flaky.failUntil.options({ retryExceptions: [UserError] }).remote(5))).toBe(5);
    const others = flaky.failUntil.options({ retryExceptions: [RangeError] });
    expect(await rejection(ray.get(others.remote(7)))).toMatchObject({ cause: { message: 'attempt 6' } });
    expect(await rejection(ray.get(again.remote(20)))).toMatchObject({ cause: { message: 'attempt 9' } });
  });

  test('kill with noRestart false uses up a restart and wipes the state', async () => {
    const counter = CounterActor.options({ maxRestarts: 1 }).remote();
    await ray.get(counter.add.remote(5));
    ray.kill(counter, { noRestart: false });
    expect(await eventually(() => counter.add.remote(1))).toBe(1);
    ray.kill(counter, { noRestart: false });
    expect(await rejection(ray.get(counter.add.remote(1)))).toMatchObject({ reason: 'KILLED' });
  });

  test('exitActor ends it for good, whatever its restarts', async () => {
    const aware = AwareActor.options({ maxRestarts: -1 }).remote();
    const error = await rejection(ray.get(aware.leave.remote()));
    expect(error).toMatchObject({ reason: 'EXITED' });
    expect(await rejection(ray.get(aware.who.remote()))).toBeInstanceOf(ray.ActorDiedError);
    expect(() => ray.exitActor()).toThrow(TypeError);
  });

  test('an actor can tell that it came back, and in which thread it lives', async () => {
    const aware = AwareActor.options({ maxRestarts: 1 }).remote();
    const before = await ray.get(aware.who.remote());
    expect(before).toMatchObject({ actorId: aware.$actorId, wasReconstructed: false, method: 'who' });
    await rejection(ray.get(aware.crash.remote()));
    const after = await eventually(() => aware.who.remote());
    expect(after).toMatchObject({ actorId: aware.$actorId, wasReconstructed: true });
    expect(after.threadId).not.toBe(before.threadId);
    expect(ray.getRuntimeContext()).toMatchObject({ actorId: undefined, wasCurrentActorReconstructed: false });
  });
});
