import { describe, expect, it } from 'vitest';

import { ActorSlots } from '../../../src/node/actor-slots.ts';

/** A slot that its run has had for long enough to be asked for it. */
const old = { sinceMs: -Infinity };

describe('ActorSlots', () => {
  it('gives no more slots than there are, and the next one to the run that has the fewest', async () => {
    const slots = new ActorSlots(2);
    await slots.take('a');
    await slots.take('a');
    const given: string[] = [];
    const waits = ['a', 'b', 'c'].map(async (run) => void ((await slots.take(run)) && given.push(run)));
    await Promise.resolve();
    expect(given).toEqual([]);
    slots.release('a');
    await waits[1];
    slots.release('a');
    await Promise.race(waits);
    await Promise.resolve();
    expect(given[0]).toBe('b');
    expect(given).toHaveLength(2);
    for (const run of ['a', 'c']) slots.withdraw(run);
    await Promise.all(waits);
    expect(given).toHaveLength(2);
  });

  it('asks a run for a slot only while a poorer one waits, and not before it has had it for a moment', async () => {
    const slots = new ActorSlots(2);
    const [first] = [await slots.take('a'), await slots.take('a')];
    expect(slots.shouldYield('a', old)).toBe(false);
    let calls = 0;
    const stop = slots.onWanted(() => (calls += 1));
    const wanted = slots.take('b');
    expect(calls).toBe(1);
    expect(slots.isWantedElsewhere('a')).toBe(true);
    expect(slots.isWantedElsewhere('b')).toBe(false);
    expect(slots.shouldYield('a', old)).toBe(true);
    expect(slots.shouldYield('a', first!)).toBe(false);
    slots.release('a');
    expect(await wanted).toBeDefined();
    expect(slots.isWantedElsewhere('a')).toBe(false);
    void slots.take('b');
    expect(slots.shouldYield('a', old), 'both have one').toBe(false);
    slots.withdraw('b');
    stop();
  });

  it('answers a run that is withdrawn with nothing', async () => {
    const slots = new ActorSlots(1);
    await slots.take('a');
    const waiting = slots.take('b');
    slots.withdraw('b');
    expect(await waiting).toBeUndefined();
    slots.release('a');
    expect(await slots.take('c')).toBeDefined();
  });
});
