import { expect, it } from 'vitest';

import { NodeEvent } from '../../../src/gen/skein/v1/node.ts';
import { inventoryOf } from '../../../src/node/inventory.ts';
import { LARGEST_MESSAGE, sizeInFrame } from '../../../src/wire/outbox.ts';

const held = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    runId: 'r'.repeat(63),
    instanceId: `${at}-`.padEnd(128, 'i'),
    database: 'd'.repeat(128),
    attempt: 1_000,
    state: 'running' as const,
    startedMs: 1_700_000_000_000,
  }));

it('tells what fits into one message in one', () => {
  const pages = inventoryOf(held(3), undefined, ['r1']);
  expect(pages).toMatchObject([{ openRuns: ['r1'], hasMore: false }]);
  expect(inventoryOf([], undefined, [])).toEqual([
    { tasks: [], openRuns: [], keyedRuns: [], hasMore: false, owedRuns: [] },
  ]);
});

it('tells 50,000 tasks with the longest names in pages that the wire takes, each task once, the last page marked', () => {
  const tasks = held(50_000);
  const pages = inventoryOf(tasks, undefined, ['r1', 'r2']);
  const sizes = pages.map((value) => NodeEvent.encode({ event: { $case: 'inventory', value } }).finish().length);
  expect(sizeInFrame(Math.max(...sizes))).toBeLessThan(LARGEST_MESSAGE / 4);
  expect(pages.flatMap((page) => page.tasks.map(({ instanceId }) => instanceId))).toEqual(
    tasks.map(({ instanceId }) => instanceId),
  );
  expect(pages.map(({ hasMore }) => hasMore)).toEqual([...pages.slice(1).map(() => true), false]);
  expect(pages.at(-1)?.openRuns).toEqual(['r1', 'r2']);
  expect(pages.slice(0, -1).flatMap(({ openRuns }) => openRuns)).toEqual([]);
});
