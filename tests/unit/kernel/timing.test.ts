import { expect, test } from 'vitest';

import { timedPhase } from '../../../src/kernel/timing.ts';

test('a phase says when it begins and how it ended, each with the time that it took (V-24, P-47)', async () => {
  const lines: string[] = [];
  const elapsed: number[] = [];
  const timed = <T>(phase: string, work: () => Promise<T>): Promise<T> =>
    timedPhase(
      phase,
      (line) => lines.push(line),
      work,
      (ms) => elapsed.push(ms),
    );
  const going = timed('dataset', async () => 'made');
  expect(lines, 'before it is over').toEqual(['[timing] dataset start']);
  expect(await going).toBe('made');
  const failing = timed('encode', async () => {
    throw new Error('no such model\nwith more to say');
  });
  await expect(failing).rejects.toThrow('no such model');
  expect(lines.slice(1)).toEqual([
    expect.stringMatching(/^\[timing\] dataset done \(\d+\.\d{3} s\)$/),
    '[timing] encode start',
    expect.stringMatching(/^\[timing\] encode error: no such model \(\d+\.\d{3} s\)$/),
  ]);
  expect(elapsed).toHaveLength(2);
});
