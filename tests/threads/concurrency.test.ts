import { describe, expect, test } from 'vitest';

import * as ray from '../../src/ray/index.ts';
import { Counter } from '../fixtures/actors/counter.ts';
import { Gate, Serial } from '../fixtures/actors/gate.ts';
import { fixture, rejection, useRay } from '../helpers/ray-session.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const GateActor = ray.remote(Gate, { module: fixture('gate') });
const SerialActor = ray.remote(Serial, { module: fixture('gate') });
const CounterActor = ray.remote(Counter, { module: fixture('counter') });

/** Memory that a blocked thread waits on. */
const shared = () => new Int32Array(new SharedArrayBuffer(8));

function wake(word: Int32Array): void {
  Atomics.store(word, 0, 1);
  Atomics.notify(word, 0);
}

describe('serial and async actors', () => {
  useRay();

  test('a serial actor begins a call when the one before has settled, also when it returned a promise', async () => {
    const serial = SerialActor.remote();
    await ray.get([serial.noteLater.remote('a', 3), serial.noteLater.remote('b', 1), serial.note.remote('c')]);
    expect(await ray.get(serial.log.remote())).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c']);
  });

  test('an async actor runs calls at the same time, up to its maxConcurrency and in their order', async () => {
    const gate = GateActor.options({ maxConcurrency: 3 }).remote();
    const refs = ['a', 'b', 'c'].map((key) => gate.hold.remote(key));
    await ray.wait(refs, { timeout: 0.05 });
    const more = gate.hold.remote('d');
    const look = gate.most.remote();
    expect(await rejection(ray.get(look, { timeout: 0.05 }))).toBeInstanceOf(ray.GetTimeoutError);
    ray.kill(gate);
    expect(await rejection(ray.get(more))).toBeInstanceOf(ray.ActorDiedError);
  });

  test('an async actor has a thousand calls in flight by default', async () => {
    const gate = GateActor.remote();
    const keys = Array.from({ length: 900 }, (_, index) => `k${index}`);
    const refs = keys.map((key) => gate.hold.remote(key));
    await waitUntil('all calls hold', async () => (await ray.get(gate.most.remote())) === keys.length);
    expect(await ray.get(gate.order.remote())).toEqual(keys);
    for (const key of keys) gate.open.remote(key);
    expect(await ray.get(refs)).toEqual(keys);
  });

  test('maxConcurrency 1 makes an async class serial', async () => {
    const gate = GateActor.options({ maxConcurrency: 1 }).remote();
    const [first, second] = [gate.hold.remote('a'), gate.order.remote()];
    expect(await rejection(ray.get(second, { timeout: 0.05 }))).toBeInstanceOf(ray.GetTimeoutError);
    ray.kill(gate);
    expect(await rejection(ray.get(first))).toBeInstanceOf(ray.ActorDiedError);
  });

  test('on a serial actor a call that waits for an argument holds up the later ones of its submitter', async () => {
    const gate = GateActor.remote();
    const serial = SerialActor.remote();
    const slow = gate.hold.remote('slow');
    const first = serial.note.remote(slow);
    const second = serial.note.remote('second');
    expect(await rejection(ray.get(second, { timeout: 0.05 }))).toBeInstanceOf(ray.GetTimeoutError);
    await ray.get(gate.open.remote('slow'));
    expect(await ray.get([first, second])).toEqual(['slow', 'second']);
    expect(await ray.get(serial.log.remote())).toEqual(['slow', 'second']);
  });

  test('on an async actor it does not', async () => {
    const gate = GateActor.remote();
    const slow = gate.hold.remote('slow');
    const waiting = gate.open.remote(slow);
    expect(await ray.get(gate.order.remote())).toEqual(['slow']);
    ray.cancel(waiting);
    await ray.get(gate.open.remote('slow'));
  });

  test('maxPendingCalls counts per actor and throws at the call', async () => {
    const gate = GateActor.options({ maxPendingCalls: 2, name: 'gate' }).remote();
    const refs = [gate.hold.remote('a'), gate.hold.remote('b')];
    const again = await ray.getActor<Gate>('gate');
    expect(() => again.hold.remote('c')).toThrow(ray.PendingCallsLimitExceeded);
    ray.kill(gate);
    for (const ref of refs) await rejection(ray.get(ref));
  });
});

describe('cancel', () => {
  useRay();

  test('a queued call is removed: its reference fails at once, its body never runs, later calls go on', async () => {
    const serial = SerialActor.remote();
    const word = shared();
    const block = serial.block.remote(word);
    const [queued, later] = [serial.note.remote('queued'), serial.note.remote('later')];
    await waitUntil('the thread is blocked', () => Atomics.load(word, 1) === 1);
    ray.cancel(queued);
    const error = await rejection(ray.get(queued));
    expect(error).toBeInstanceOf(ray.TaskCancelledError);
    expect(error.message).toContain('Serial.note');
    // The frame with the cancel has left by now; the thread is still blocked.
    await new Promise((resolve) => setTimeout(resolve, 5));
    wake(word);
    await ray.get([block, later]);
    expect(await ray.get(serial.log.remote())).toEqual(['block', 'later']);
  });

  test('a call that waits for its argument is cancelled at once, and later ones go on', async () => {
    const gate = GateActor.remote();
    const serial = SerialActor.remote();
    const waiting = serial.note.remote(gate.hold.remote('never'));
    const later = serial.note.remote('later');
    ray.cancel(waiting);
    expect(await rejection(ray.get(waiting))).toBeInstanceOf(ray.TaskCancelledError);
    expect(await ray.get(later)).toBe('later');
  });

  test('a cancelled argument makes the consumer fail as a task and as cancelled', async () => {
    const gate = GateActor.remote();
    const held = gate.hold.remote('x');
    const consumer = SerialActor.remote().note.remote(held);
    ray.cancel(held);
    const error = await rejection(ray.get(consumer));
    expect(error).toBeInstanceOf(ray.RayTaskError);
    expect(error).toBeInstanceOf(ray.TaskCancelledError);
  });

  test('a running call is told by its signal, and its reference has failed whatever it returns', async () => {
    const { Aware } = await import('../fixtures/actors/aware.ts');
    const aware = ray.remote(Aware, { module: fixture('aware') }).remote();
    const ref = aware.untilCancelled.remote();
    await waitUntil('the call runs', () => ray.get(aware.isWaiting.remote()));
    ray.cancel(ref);
    expect(await rejection(ray.get(ref))).toBeInstanceOf(ray.TaskCancelledError);
    await waitUntil('it was told', async () => !(await ray.get(aware.isWaiting.remote())));
  });

  test('a call that has ended is left alone, force is refused, and so is what is no reference', async () => {
    const counter = CounterActor.remote();
    const ref = counter.add.remote(1);
    await ray.get(ref);
    ray.cancel(ref);
    expect(await ray.get(ref)).toBe(1);
    expect(() => ray.cancel(ref, { force: true })).toThrow(ray.ValueError);
    expect(() => ray.cancel(1)).toThrow(TypeError);
  });
});
