import { describe, expect, it } from 'vitest';

import { TaskQueue } from '../../../src/node/task-queue.ts';

const task = (instanceId: string, database: string): { instanceId: string; database: string; attempt: number } => ({
  instanceId,
  database,
  attempt: 1,
});

describe('TaskQueue', () => {
  it('keeps an actor on its database and spreads the others', async () => {
    const queue = new TaskQueue();
    queue.add([task('a_1', 'a'), task('a_2', 'a'), task('a_3', 'a'), task('b_1', 'b'), task('b_2', 'b')]);
    const taken = [await queue.take(0), await queue.take(1), await queue.take(0), await queue.take(1)];
    expect(taken.map((got) => got?.instanceId)).toEqual(['a_1', 'b_1', 'a_2', 'b_2']);
  });

  it('helps out on a database of another actor when nothing else waits', async () => {
    const queue = new TaskQueue();
    queue.add([task('a_1', 'a'), task('a_2', 'a')]);
    expect((await queue.take(0))?.instanceId).toBe('a_1');
    expect((await queue.take(1))?.instanceId).toBe('a_2');
  });

  it('lets a worker wait for a task, and ends its wait when it closes', async () => {
    const queue = new TaskQueue();
    const first = queue.take(0);
    const second = queue.take(1);
    queue.add([task('a_1', 'a')]);
    expect((await first)?.instanceId).toBe('a_1');
    expect(queue.close()).toEqual([]);
    expect(await second).toBeUndefined();
  });

  it('hands a task that was put back out next, and gives back what is left', async () => {
    const queue = new TaskQueue();
    queue.add([task('a_1', 'a'), task('a_2', 'a')]);
    const taken = await queue.take(0);
    if (taken) queue.putBack(taken);
    expect((await queue.take(0))?.instanceId).toBe('a_1');
    expect(queue.close().map(({ instanceId }) => instanceId)).toEqual(['a_2']);
  });
});
