import { describe, expect, test } from 'vitest';

import { createActor } from '../../src/driver/handle.ts';
import { ActorHost } from '../../src/node/actor-host.ts';
import * as ray from '../../src/ray/index.ts';
import { BadConstructor, Counter } from '../fixtures/actors/counter.ts';
import { Gate } from '../fixtures/actors/gate.ts';
import { fixture, rejection, useRay } from '../helpers/ray-session.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const module = fixture('counter');
const CounterActor = ray.remote(Counter, { module });
const BadActor = ray.remote(BadConstructor, { module });
const GateActor = ray.remote(Gate, { module: fixture('gate') });

async function death(ref: ray.ObjectRef): Promise<ray.ActorDiedError> {
  const error = await rejection(ray.get(ref));
  expect(error).toBeInstanceOf(ray.ActorDiedError);
  expect(error).toBeInstanceOf(ray.RayActorError);
  return error as ray.ActorDiedError;
}

describe('the death of an actor', () => {
  useRay();

  test('settles every call of it at once: in flight, queued and later ones', async () => {
    const counter = CounterActor.remote();
    const refs = [counter.exit.remote(3), counter.add.remote(1), counter.add.remote(2)];
    for (const ref of refs) expect((await death(ref)).reason).toBe('CRASH');
    expect((await death(counter.add.remote(3))).reason).toBe('CRASH');
    expect((await death(counter.$ready())).exitCode).toBe(3);
  });

  test('process.exit is a crash with its exit code and the last lines printed', async () => {
    const counter = CounterActor.remote();
    counter.print.remote('hello');
    const error = await death(counter.exit.remote(3));
    expect(error).toMatchObject({ reason: 'CRASH', exitCode: 3, actorId: counter.$actorId });
    expect(error.lastLines).toEqual(['hello', 'hello on stderr', 'hello by write', 'about to exit']);
    expect(error.message).toContain('exit code 3');
  });

  test('results that were there before the death arrive', async () => {
    const counter = CounterActor.remote();
    const before = counter.add.remote(4);
    const after = counter.exit.remote(0);
    expect(await ray.get(before)).toBe(4);
    expect((await death(after)).exitCode).toBe(0);
  });

  test('a throw in a timer is a crash that names what was thrown and the method that ran', async () => {
    const counter = CounterActor.remote();
    counter.throwLater.remote();
    const error = await death(counter.never.remote());
    expect(error.reason).toBe('CRASH');
    expect(error.message).toContain('uncaught exception while it ran never: late boom');
    expect((error.cause as Error).cause).toMatchObject({ name: 'UserError', message: 'late boom' });
  });

  test('a rejection that nobody handled is a crash that names it and the method before it', async () => {
    await using host = new ActorHost({ logDir: await temporaryFolder(), env: process.env });
    const counter = createActor(host, { className: 'Counter', location: { module, exportName: 'Counter' } });
    await counter.call('rejectLater', []).promise();
    const { reason, error } = await counter.died;
    expect(reason).toBe('CRASH');
    expect(error?.message).toContain('unhandled rejection after rejectLater: nobody caught me');
    expect(error?.cause).toMatchObject({ name: 'UserError' });
  });

  test('a full heap is OOM, and other actors are unharmed (P-22)', async () => {
    const other = CounterActor.remote();
    const counter = CounterActor.options({ maxHeapMb: 16 }).remote();
    expect((await death(counter.fillHeap.remote())).reason).toBe('OOM');
    expect(await ray.get(other.add.remote(1))).toBe(1);
  });

  test('an endless loop is ended when the actor has given no sign of life for its timeout', async () => {
    const counter = CounterActor.options({ healthCheckTimeout: 1 }).remote();
    expect(await ray.get(counter.add.remote(1))).toBe(1);
    const error = await death(counter.spin.remote());
    expect(error.reason).toBe('UNRESPONSIVE');
    expect(error.message).toContain('stood still');
  });

  test('an actor that is only idle, or busy but alive, is left alone', async () => {
    const gate = GateActor.options({ healthCheckTimeout: 0.7 }).remote();
    const held = gate.hold.remote('k');
    await expect(ray.get(held, { timeout: 2 })).rejects.toBeInstanceOf(ray.GetTimeoutError);
    await ray.get(gate.open.remote('k'));
    expect(await ray.get(held)).toBe('k');
  });

  test('a constructor that throws is a death with its error as the cause, never a restart', async () => {
    const bad = BadActor.options({ maxRestarts: -1 }).remote();
    const error = await death(bad.hello.remote());
    expect(error.reason).toBe('CTOR_ERROR');
    expect(error.cause).toMatchObject({ name: 'UserError', message: 'no such luck' });
  });

  test('a class that its module does not export is a death that lists what it exports', async () => {
    const actor = ray.remote(Counter, { module, exportName: 'Contuer' }).remote();
    const error = await death(actor.add.remote(1));
    expect(error.reason).toBe('LOAD_FAILED');
    expect(error.message).toContain('exports no class Contuer; it exports BadConstructor, Counter, UserError');
  });

  test('a module that throws on load is a death, and the next actor is none the worse', async () => {
    const broken = ray.remote(Counter, { module: fixture('broken') }).remote();
    const error = await death(broken.add.remote(1));
    expect(error.reason).toBe('LOAD_FAILED');
    expect(error.message).toContain('broken on purpose');
    expect(await ray.get(CounterActor.remote().add.remote(1))).toBe(1);
  });

  test('a thread that cannot start at all is a death, not a hang', async () => {
    const tiny = CounterActor.options({ maxHeapMb: 4 }).remote();
    const error = await death(tiny.fillHeap.remote());
    expect(['LOAD_FAILED', 'OOM']).toContain(error.reason);
  });

  test('kill fails running, queued and future calls at once, also in an endless loop', async () => {
    const counter = CounterActor.remote();
    await ray.get(counter.add.remote(1));
    const refs = [counter.spin.remote(), counter.add.remote(1)];
    await new Promise((resolve) => setImmediate(resolve));
    const startMs = performance.now();
    ray.kill(counter);
    for (const ref of refs) expect((await death(ref)).reason).toBe('KILLED');
    expect(performance.now() - startMs).toBeLessThan(1000);
    expect((await death(counter.add.remote(1))).reason).toBe('KILLED');
    ray.kill(counter);
  });

  test('kill before the thread has started leaves no thread', async () => {
    const counter = CounterActor.remote();
    const ref = counter.add.remote(1);
    ray.kill(counter);
    expect((await death(ref)).reason).toBe('KILLED');
  });

  test('terminate lets the calls before it end, then ends the actor for good', async () => {
    const counter = CounterActor.options({ maxRestarts: -1 }).remote();
    const before = counter.add.remote(1);
    const gone = counter.$terminate();
    const after = counter.add.remote(1);
    expect(await ray.get(before)).toBe(1);
    expect((await death(gone)).reason).toBe('EXITED');
    expect((await death(after)).reason).toBe('EXITED');
  });

  test('shutdown fails what is pending', async () => {
    const gate = GateActor.remote();
    const held = gate.hold.remote('k');
    const failing = rejection(ray.get(held));
    await ray.get(gate.$ready());
    await ray.shutdown();
    expect(await failing).toBeInstanceOf(ray.ActorDiedError);
    expect(ray.isInitialized()).toBe(false);
    expect(() => CounterActor.remote()).toThrow(ray.RaySystemError);
  });
});
