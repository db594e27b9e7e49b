import { expect, test } from 'vitest';

import { SkeinError } from '../../../src/kernel/errors.ts';
import { backoffMs, retry, sleep, withDeadline } from '../../../src/kernel/retry.ts';

const busy = new SkeinError('STORE_UNAVAILABLE', 'busy');
const always = () => true;

test('tries until it works, with waits that double up to a bound', async () => {
  const waits: number[] = [];
  const options = { tries: 9, isRetryable: always, random: () => 1, sleep: async (ms: number) => void waits.push(ms) };
  const result = await retry(async (attempt) => {
    if (attempt < 9) throw busy;
    return attempt;
  }, options);
  expect(result).toBe(9);
  expect(waits).toEqual([200, 400, 800, 1600, 3200, 6400, 8000, 8000]);
});

test('throws the last error as it is, after six tries', async () => {
  let tries = 0;
  const work = async () => {
    tries += 1;
    throw new SkeinError('STORE_UNAVAILABLE', `try ${tries}`);
  };
  await expect(retry(work, { isRetryable: always, sleep: async () => {} })).rejects.toThrow('try 6');
});

test('throws at once what no other try can mend', async () => {
  let tries = 0;
  const work = async () => {
    tries += 1;
    throw busy;
  };
  await expect(retry(work, { isRetryable: () => false })).rejects.toBe(busy);
  expect(tries).toBe(1);
});

test('full jitter spreads waits from nothing to the bound', () => {
  expect(backoffMs(3, 200, 8000, () => 0)).toBe(0);
  expect(backoffMs(3, 200, 8000, () => 0.5)).toBe(400);
});

test('a wait ends with the signal, and so do the tries', async () => {
  const stop = new AbortController();
  const trying = retry(
    async () => {
      throw busy;
    },
    { isRetryable: always, baseMs: 1e6, maxMs: 1e6, random: () => 1, signal: stop.signal, onRetry: () => stop.abort() },
  );
  await expect(trying).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(sleep(1e6, stop.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('a deadline answers in time even if the work heeds nothing', async () => {
  const hanging = withDeadline('the call', 5, undefined, () => new Promise(() => {}));
  await expect(hanging).rejects.toMatchObject({ code: 'DEADLINE', message: expect.stringContaining('the call') });
});

test('a deadline gives the work a signal, passes results on and keeps no listener', async () => {
  const stop = new AbortController();
  let seen: AbortSignal | undefined;
  const result = await withDeadline('the call', 10_000, stop.signal, async (signal) => {
    seen = signal;
    return 7;
  });
  expect(result).toBe(7);
  stop.abort();
  expect(seen?.aborted).toBe(false);
  await expect(withDeadline('x', 10, stop.signal, async () => 1)).rejects.toMatchObject({ code: 'CANCELLED' });
});
