import { describe, expect, it } from 'vitest';

import { TaskQueue } from '../../../src/node/task-queue.ts';

const task = (instanceId: string, database: string): { instanceId: string; database: string; attempt: number } => ({
  instanceId,
  database,
  attempt: 1,
});

describe('TaskQueue', () => {
  it('keeps an actor on its database and spreads the others (W-03, P-09)', () => {
    const queue = new TaskQueue();
    queue.add([task('a_1', 'a'), task('a_2', 'a'), task('a_3', 'a'), task('b_1', 'b'), task('b_2', 'b')]);
    const taken = [queue.take(0), queue.take(1), queue.take(0), queue.take(1)];
    expect(taken.map((got) => got?.instanceId)).toEqual(['a_1', 'b_1', 'a_2', 'b_2']);
  });

  it('helps out on a database of another actor when nothing else waits', () => {
    const queue = new TaskQueue();
    queue.add([task('a_1', 'a'), task('a_2', 'a')]);
    expect(queue.take(0)?.instanceId).toBe('a_1');
    expect(queue.take(1)?.instanceId).toBe('a_2');
  });

  it('lets workers wait until there is a task, and ends their wait when it closes', async () => {
    const queue = new TaskQueue();
    const first = queue.ready();
    queue.add([task('a_1', 'a')]);
    expect(await first).toBe(true);
    expect(queue.take(0)?.instanceId).toBe('a_1');
    const second = queue.ready();
    expect(queue.close()).toEqual([]);
    expect(await second).toBe(false);
    expect(await queue.ready()).toBe(false);
  });

  it('hands out nothing of a database that is held, and nothing at all while it is paused (P-09)', async () => {
    const queue = new TaskQueue();
    queue.hold('a');
    queue.hold('a');
    queue.add([task('a_1', 'a'), task('b_1', 'b')]);
    expect(queue.take(0)?.instanceId).toBe('b_1');
    const ready = queue.ready();
    queue.release('a');
    expect(queue.take(0)).toBeUndefined();
    queue.isPaused = true;
    queue.release('a');
    expect(queue.take(0)).toBeUndefined();
    queue.isPaused = false;
    expect(await ready).toBe(true);
    expect(queue.take(0)?.instanceId).toBe('a_1');
  });

  it('gives back the last ones of a database, or one attempt, also while it is held', () => {
    const queue = new TaskQueue();
    queue.hold('a');
    queue.add([task('a_1', 'a'), task('a_2', 'a'), task('a_3', 'a'), task('b_1', 'b')]);
    expect(queue.steal('a', 1).map(({ instanceId }) => instanceId)).toEqual(['a_3']);
    expect(queue.remove('a_2', 2)).toBeUndefined();
    expect(queue.remove('a_2', 1)?.instanceId).toBe('a_2');
    expect(queue.steal('c', 5)).toEqual([]);
    expect(queue.waiting.map(({ instanceId }) => instanceId)).toEqual(['a_1', 'b_1']);
  });

  it('hands a task that was put back out next, and gives back what is left', () => {
    const queue = new TaskQueue();
    queue.add([task('a_1', 'a'), task('a_2', 'a')]);
    const taken = queue.take(0);
    if (taken) queue.putBack(taken);
    expect(queue.take(0)?.instanceId).toBe('a_1');
    expect(queue.close().map(({ instanceId }) => instanceId)).toEqual(['a_2']);
  });
});
