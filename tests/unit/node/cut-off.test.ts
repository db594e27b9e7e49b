import { expect, it } from 'vitest';

import { CutOff, startsAfterCutMs } from '../../../src/node/cut-off.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

it('a node stops to start tasks well before its head gives them away', () => {
  expect(startsAfterCutMs(300_000)).toBe(292_000);
  expect(startsAfterCutMs(16_000)).toBe(8_000);
  expect(startsAfterCutMs(2_000)).toBe(1_000);
});

it('a cut tells once it has lasted, a short one never, and the way back always', async () => {
  const told: (string | undefined)[] = [];
  using cutOff = new CutOff((trouble) => told.push(trouble));
  cutOff.begin(40);
  cutOff.end();
  expect(told).toEqual([undefined]);
  cutOff.begin(40);
  await waitUntil('it is told', () => told.length === 2);
  expect(told[1]).toMatch(/^cut off from the head for/);
  cutOff.end();
  expect(told.at(-1)).toBeUndefined();
  // A head of an older version does not say how long it waits.
  cutOff.begin(0);
  await expect(waitUntil('something is told', () => told.length > 3, 60)).rejects.toThrow();
});
