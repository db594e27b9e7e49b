import { describe, expect, test } from 'vitest';

import * as ray from '../../src/ray/index.ts';
import { Counter } from '../fixtures/actors/counter.ts';
import { Gate, Serial } from '../fixtures/actors/gate.ts';
import { fixture, rejection, useRay } from '../helpers/ray-session.ts';

const CounterActor = ray.remote(Counter, { module: fixture('counter') });

describe('named actors', () => {
  useRay({ namespace: 'home' });

  test('getActor finds the actor of a name, with its state', async () => {
    const counter = CounterActor.options({ name: 'c' }).remote();
    await ray.get(counter.add.remote(3));
    const same = await ray.getActor<Counter>('c');
    expect(await ray.get(same.add.remote(1))).toBe(4);
    expect(ray.sameActor(counter, same)).toBe(true);
    expect(same.$actorId).toBe(counter.$actorId);
    expect(ray.listNamedActors()).toEqual(['c']);
  });

  test('a name that is taken is refused where the second actor is made', () => {
    CounterActor.options({ name: 'c' }).remote();
    const again = () => CounterActor.options({ name: 'c' }).remote();
    expect(again).toThrow(ray.ActorAlreadyExistsError);
    expect(again).toThrow(ray.ValueError);
    expect(again).toThrow(ray.RayError);
  });

  test('getIfExists gives the actor that is there and ignores the arguments', async () => {
    const factory = CounterActor.options({ name: 'c', getIfExists: true });
    const [first, second] = [factory.remote(10), factory.remote(20)];
    expect(second.$actorId).toBe(first.$actorId);
    expect(await ray.get(second.add.remote(0))).toBe(10);
  });

  test('namespaces keep names apart, and the error says where one is', async () => {
    CounterActor.options({ name: 'c', namespace: 'other' }).remote();
    const error = await rejection(ray.getActor('c'));
    expect(error).toBeInstanceOf(ray.ValueError);
    expect(error.message).toContain('namespace other');
    CounterActor.options({ name: 'c' }).remote();
    expect(ray.listNamedActors({ allNamespaces: true })).toEqual([
      { name: 'c', namespace: 'other' },
      { name: 'c', namespace: 'home' },
    ]);
  });

  test('kill frees the name at once, a crash keeps it until kill', async () => {
    const first = CounterActor.options({ name: 'c' }).remote();
    ray.kill(first);
    expect(await rejection(ray.getActor('c'))).toBeInstanceOf(ray.ValueError);
    const second = CounterActor.options({ name: 'c' }).remote();
    await rejection(ray.get(second.exit.remote(1)));
    expect(() => CounterActor.options({ name: 'c' }).remote()).toThrow(ray.ActorAlreadyExistsError);
    ray.kill(await ray.getActor('c'));
    expect(await ray.get(CounterActor.options({ name: 'c' }).remote(1).add.remote(1))).toBe(2);
  });

  test('a handle of an earlier session cannot be killed', async () => {
    const old = CounterActor.remote();
    await ray.get(old.$ready());
    await ray.shutdown();
    await ray.init();
    expect(await rejection(ray.get(old.add.remote(1)))).toBeInstanceOf(ray.ActorDiedError);
    expect(() => ray.kill({})).toThrow(TypeError);
  });

  test('using ends an actor with its scope, after the calls made in it', async () => {
    let ref: ray.ObjectRef<number>;
    {
      await using counter = CounterActor.remote();
      ref = counter.add.remote(2);
    }
    expect(await ray.get(ref)).toBe(2);
  });

  test('init twice is refused, unless told to ignore it', async () => {
    expect(await rejection(ray.init())).toBeInstanceOf(ray.RaySystemError);
    expect((await ray.init({ ignoreReinitError: true })).namespace).toBe('home');
    expect(await rejection(ray.init({ address: 'auto' } as ray.InitOptions))).toBeInstanceOf(ray.ValueError);
  });
});

describe('options', () => {
  const options = (value: object) => () => CounterActor.options(value as ray.ActorClassOptions);

  test('an unknown key is a ValueError that lists the valid ones', () => {
    expect(options({ maxRestart: 1 })).toThrow(ray.ValueError);
    expect(options({ maxRestart: 1 })).toThrow(/maxRestart is no actor option; valid actor options: name, namespace,/);
  });

  test("an option of Ray's that is not offered yet is refused by name", () => {
    expect(options({ numCpus: 1 })).toThrow(/numCpus is an option of Ray's that Skein does not offer yet/);
    expect(options({ lifetime: 'detached' })).toThrow(ray.ValueError);
  });

  test('bad values are refused', () => {
    for (const bad of [
      { maxRestarts: -2 },
      { maxRestarts: 1.5 },
      { maxTaskRetries: 'x' },
      { maxConcurrency: 0 },
      { maxPendingCalls: -2 },
      { name: '' },
      { getIfExists: true },
      { healthCheckTimeout: -1 },
      { runtimeEnv: { pip: [] } },
      { maxHeapMb: 1 },
    ]) {
      expect(options(bad), JSON.stringify(bad)).toThrow(ray.ValueError);
    }
    expect(options({ name: 5 })).toThrow(TypeError);
    expect(options({ runtimeEnv: { envVars: { A: 1 } } })).toThrow(TypeError);
  });

  test('overlapping calls are refused for a class that cannot overlap them', () => {
    const module = fixture('gate');
    expect(() => ray.remote(Serial, { module, maxConcurrency: 2 })).toThrow(/Serial has no async method/);
    ray.remote(Serial, { module, maxConcurrency: 2, asyncActor: true });
    ray.remote(Gate, { module, maxConcurrency: 2 });
  });

  test('a class that no thread could import is refused when it is registered', () => {
    expect(() => ray.remote(class {}, { module: fixture('gate') })).toThrow(ray.ValueError);
    expect(() => ray.remote(Counter, {} as ray.RemoteOptions)).toThrow(/pass \{ module: import\.meta\.url \}/);
    expect(() => ray.remote(Counter, { module: 'data:text/javascript,export {}' })).toThrow(ray.ValueError);
    expect(() => ray.remote((() => 1) as unknown as typeof Counter, { module: 'x' })).toThrow(TypeError);
  });

  test('without a session nothing can be made', () => {
    expect(() => CounterActor.remote()).toThrow(/await init\(\) first/);
  });
});
