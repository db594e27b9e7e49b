import { describe, expect, test } from 'vitest';

import * as ray from '../../src/ray/index.ts';
import { Gate } from '../fixtures/actors/gate.ts';
import { Counter } from '../fixtures/actors/counter.ts';
import { fixture, rejection, useRay } from '../helpers/ray-session.ts';

const GateActor = ray.remote(Gate, { module: fixture('gate') });
const CounterActor = ray.remote(Counter, { module: fixture('counter') });

describe('get, put and wait', () => {
  useRay();

  test('put refuses a reference and what cannot be cloned', async () => {
    const ref = await ray.put(1);
    expect(await rejection(ray.put(ref))).toBeInstanceOf(TypeError);
    expect(await rejection(ray.put(() => 1))).toBeInstanceOf(TypeError);
    const original = { n: 1 };
    const copy = await ray.put(original);
    original.n = 2;
    expect(await ray.get(copy)).toEqual({ n: 1 });
  });

  test('get keeps the order of a list and takes an empty one', async () => {
    const refs = [await ray.put('a'), await ray.put(2)] as const;
    expect(await ray.get(refs)).toEqual(['a', 2]);
    expect(await ray.get([])).toEqual([]);
    expect(await ray.get([refs[0], refs[0]])).toEqual(['a', 'a']);
  });

  test('get takes no single thing but a reference (ValueError) and no list of others (TypeError)', async () => {
    expect(await rejection(ray.get(5 as unknown as ray.ObjectRef))).toBeInstanceOf(ray.ValueError);
    expect(await rejection(ray.get([5] as unknown as ray.ObjectRef[]))).toBeInstanceOf(TypeError);
    expect(await rejection(ray.get(await ray.put(1), { timeout: -1 }))).toBeInstanceOf(ray.ValueError);
  });

  test('get gives up at its timeout, looks once with 0, and leaves the call alone', async () => {
    const gate = GateActor.remote();
    const ref = gate.hold.remote('k');
    expect(await rejection(ray.get(ref, { timeout: 0 }))).toBeInstanceOf(ray.GetTimeoutError);
    expect(await rejection(ray.get([ref], { timeout: 0.05 }))).toBeInstanceOf(ray.GetTimeoutError);
    await ray.get(gate.open.remote('k'));
    expect(await ray.get(ref, { timeout: 5 })).toBe('k');
    expect(await ray.get(ref, { timeout: 0 })).toBe('k');
  });

  test('the first failure of a list ends the wait for the rest', async () => {
    const gate = GateActor.remote();
    const never = gate.hold.remote('never');
    const failing = CounterActor.remote().fail.remote('first');
    const error = await rejection(ray.get([never, failing]));
    expect(error).toBeInstanceOf(ray.RayTaskError);
  });

  test('wait gives what has settled, failed ones too, in the order of the input and never more than asked for', async () => {
    const gate = GateActor.remote();
    const counter = CounterActor.remote();
    const [held, failed, one, two] = [
      gate.hold.remote('x'),
      counter.fail.remote('f'),
      counter.add.remote(1),
      counter.add.remote(1),
    ];
    await ray.get(two);
    const refs = [held, failed, one, two] as ray.ObjectRef[];
    const { ready, notReady } = await ray.wait(refs, { numReturns: 2 });
    expect(ready).toEqual([failed, one]);
    expect(notReady).toEqual([held, two]);
    const [late, missing] = await ray.wait(refs, { numReturns: 4, timeout: 0.02 });
    expect(late).toEqual([failed, one, two]);
    expect(missing).toEqual([held]);
    await ray.get(gate.open.remote('x'));
    expect((await ray.wait(refs, { numReturns: 4 })).notReady).toEqual([]);
  });

  test('wait wakes up for the call that ends first', async () => {
    const gate = GateActor.remote();
    const [a, b] = [gate.hold.remote('a'), gate.hold.remote('b')];
    const waiting = ray.wait([a, b]);
    await ray.get(gate.open.remote('b'));
    expect((await waiting).ready).toEqual([b]);
  });

  test('wait refuses what makes no sense', async () => {
    const ref = await ray.put(1);
    const bad = (refs: unknown, options?: object) => rejection(ray.wait(refs as ray.ObjectRef[], options));
    expect(await bad(ref)).toBeInstanceOf(TypeError);
    expect(await bad([1])).toBeInstanceOf(TypeError);
    expect(await bad([ref, ref])).toBeInstanceOf(ray.ValueError);
    expect(await bad([ref], { numReturns: 0 })).toBeInstanceOf(ray.ValueError);
    expect(await bad([ref], { numReturns: 2 })).toBeInstanceOf(ray.ValueError);
    expect(await bad([ref], { timeout: -1 })).toBeInstanceOf(ray.ValueError);
    expect(await bad([ref], { nope: 1 })).toBeInstanceOf(ray.ValueError);
    expect(await ray.wait([])).toMatchObject({ ready: [], notReady: [] });
  });
});
