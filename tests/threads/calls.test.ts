import { describe, expect, test } from 'vitest';

import * as ray from '../../src/ray/index.ts';
import { Counter, UserError } from '../fixtures/actors/counter.ts';
import { fixture, rejection, useRay } from '../helpers/ray-session.ts';

const CounterActor = ray.remote(Counter, { module: fixture('counter') });

describe('calls of an actor', () => {
  useRay();

  test('an actor keeps its state between calls, and calls may come before it is ready', async () => {
    const counter = CounterActor.remote(5);
    const refs = [counter.add.remote(1), counter.add.remote(2), counter.add.remote(3)];
    expect(await ray.get(refs)).toEqual([6, 8, 11]);
    expect(await ray.get(counter.$ready())).toBe(true);
  });

  test('two actors of one class share nothing', async () => {
    const [a, b] = [CounterActor.remote(), CounterActor.remote(100)];
    expect(await ray.get([a.add.remote(1), b.add.remote(1), a.add.remote(1)])).toEqual([1, 101, 2]);
  });

  test('a reference as an argument is resolved before the method runs', async () => {
    const counter = CounterActor.remote(1);
    const sum = counter.add.remote(counter.add.remote(1));
    expect(await ray.get(sum)).toBe(4);
    expect(await ray.get(counter.echo.remote(await ray.put({ deep: [1] })))).toEqual({ deep: [1] });
  });

  test('a reference as a constructor argument is resolved before the constructor runs', async () => {
    const first = CounterActor.remote(20);
    const second = CounterActor.remote(first.add.remote(2));
    expect(await ray.get(second.add.remote(0))).toBe(22);
  });

  test('a failed argument fails the call, and the method never runs', async () => {
    const counter = CounterActor.remote();
    const error = await rejection(ray.get(counter.echo.remote(counter.fail.remote('upstream'))));
    expect(error).toBeInstanceOf(ray.RayTaskError);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain('Counter.echo');
    expect(error.message).toContain('upstream');
    expect(await ray.get(counter.seen.remote())).toEqual([]);
  });

  test('a failed constructor argument is a death, and the constructor never runs', async () => {
    const first = CounterActor.remote();
    const second = CounterActor.options({ maxRestarts: 3 }).remote(first.fail.remote('no start'));
    const error = await rejection(ray.get(second.add.remote(1)));
    expect(error).toBeInstanceOf(ray.ActorDiedError);
    expect((error as ray.ActorDiedError).reason).toBe('CTOR_ERROR');
    expect(error.message).toContain('no start');
  });

  test('arguments are copied when the call is made', async () => {
    const counter = CounterActor.remote();
    const [flat, deep] = [{ n: 1 }, { list: [{ n: 1 }] }];
    const refs = [counter.echo.remote(flat), counter.echo.remote(deep)];
    flat.n = 2;
    deep.list[0]!.n = 2;
    expect(await ray.get(refs)).toEqual([{ n: 1 }, { list: [{ n: 1 }] }]);
  });

  test('results are copied when the method returns, also within one batch', async () => {
    const counter = CounterActor.remote();
    const refs = [counter.echo.remote(1), counter.seen.remote(), counter.echo.remote(2), counter.seen.remote()];
    expect(await ray.get(refs)).toEqual([1, [1], 2, [1, 2]]);
  });

  test('every reader of a reference gets a copy of its own', async () => {
    const ref = await ray.put({ list: [1] });
    const mine = await ray.get(ref);
    mine.list.push(2);
    expect(await ray.get(ref)).toEqual({ list: [1] });
  });

  test('an argument that cannot be sent is a TypeError at the call, which names it', () => {
    const counter = CounterActor.remote();
    expect(() => counter.echo.remote({ run: () => 1 })).toThrow(/Counter\.echo: argument 1 cannot be sent/);
    expect(() => counter.echo.remote([counter.add.remote(1)])).toThrow(TypeError);
    expect(() => counter.echo.remote(counter)).toThrow(TypeError);
    expect(() => CounterActor.remote((() => 1) as unknown as number)).toThrow(/constructor: argument 1/);
  });

  test('a result that cannot be sent is a RayTaskError(TypeError), and the actor lives on', async () => {
    const counter = CounterActor.remote();
    const error = await rejection(ray.get(counter.unsendable.remote()));
    expect(error).toBeInstanceOf(ray.RayTaskError);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain('Counter.unsendable');
    expect(await ray.get(counter.add.remote(1))).toBe(1);
  });

  test('what a method throws is its own class and a RayTaskError, with cause, fields and the remote stack', async () => {
    const counter = CounterActor.remote();
    const error = await rejection(ray.get(counter.fail.remote('boom')));
    expect(error).toBeInstanceOf(UserError);
    expect(error).toBeInstanceOf(ray.RayTaskError);
    expect(error).toBeInstanceOf(ray.RayError);
    expect(error).not.toBeInstanceOf(ray.RayActorError);
    expect(error.message).toBe('Counter.fail failed: boom');
    expect(error).toMatchObject({ status: 418, functionName: 'Counter.fail', actorId: counter.$actorId });
    expect((error as ray.RayTaskError).remoteStack).toContain('counter.ts');
    expect(error.cause).toBeInstanceOf(UserError);
    expect((error.cause as Error).message).toBe('boom');
  });

  test('causes keep their classes across the thread', async () => {
    const counter = CounterActor.remote();
    const error = await rejection(ray.get(counter.failWithCause.remote()));
    expect(error).toBeInstanceOf(TypeError);
    expect((error.cause as Error).cause).toBeInstanceOf(UserError);
  });

  test('an error that nobody reads disturbs nobody', async () => {
    const counter = CounterActor.remote();
    counter.fail.remote('unread');
    expect(await ray.get(counter.add.remote(1))).toBe(1);
  });

  test('a reference survives an async function, because it is no thenable', async () => {
    const counter = CounterActor.remote();
    const pass = async () => counter.add.remote(7);
    const ref = await pass();
    expect(ref).toBeInstanceOf(ray.ObjectRef);
    expect(await ref.promise()).toBe(7);
  });

  test('a handle survives an async function too', async () => {
    const make = async () => CounterActor.remote(1);
    const counter = await make();
    expect(await ray.get(counter.add.remote(1))).toBe(2);
  });

  test('direct construction, direct calls and unknown methods throw where they are made', () => {
    expect(() => new (CounterActor as unknown as typeof Counter)()).toThrow(/not constructed directly but by \.remote/);
    const counter = CounterActor.remote();
    expect(() => (counter.add as unknown as (n: number) => number)(1)).toThrow(/use \.add\.remote/);
    expect(() => (counter as unknown as { nope: unknown }).nope).toThrow(/Counter has no method nope; it has add,/);
  });

  test('handles are typed: methods, arguments, results, references among them', () => {
    const typed = async (): Promise<void> => {
      const counter = CounterActor.remote(await ray.put(1));
      const sum: number = await ray.get(counter.add.remote(counter.add.remote(1)));
      const [text, count]: [string, number] = await ray.get([await ray.put('x'), counter.add.remote(sum)]);
      // @ts-expect-error a string is no number
      counter.add.remote(text);
      // @ts-expect-error nor is a reference to one
      counter.add.remote(await ray.put(text));
      // @ts-expect-error there is no such method
      counter.subtract.remote(count);
      // @ts-expect-error the constructor takes a number
      CounterActor.remote('5');
    };
    expect(typed).toBeTypeOf('function');
  });

  test('a released reference can no longer be read', async () => {
    const ref = await ray.put('gone');
    ref.release();
    expect(await rejection(ray.get(ref))).toBeInstanceOf(ray.ObjectFreedError);
  });

  test('1,000 calls in flight come back in order', async () => {
    const counter = CounterActor.remote();
    const values = await ray.get(Array.from({ length: 1000 }, () => counter.add.remote(1)));
    expect(values).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
  });
});
