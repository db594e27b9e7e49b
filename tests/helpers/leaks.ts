/**
 * Fails a test that leaves a thread, port, timer, handle or file descriptor behind. What is there is compared with what
 * was there before the test, until it fits or a deadline has passed: the kernel reaps threads a moment after their exit.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

import { afterEach, beforeEach } from 'vitest';

/** Counts by kind: `thread WorkerThread`, `handle Timeout`, `fd socket`. */
export type Resources = ReadonlyMap<string, number>;

const DEADLINE_MS = 3_000;
const POLL_MS = 10;

export function resourcesNow(): Resources {
  const counts = new Map<string, number>();
  const add = (kind: string): void => void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const handle of process.getActiveResourcesInfo()) add(`handle ${handle}`);
  for (const task of readdirSync('/proc/self/task')) {
    try {
      const name = readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
      // The pools of V8 and libuv grow on first use and stay.
      if (name === 'WorkerThread') add(`thread ${name}`);
    } catch {
      // It ended between the two reads.
    }
  }
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (!target.startsWith('/proc/')) add(`fd ${target.replace(/:\[\d+\]$/, '')}`);
    } catch {
      // The one that read the folder.
    }
  }
  return counts;
}

/** What `now` has more of than `before`. */
function surplus(before: Resources, now: Resources): string[] {
  return [...now]
    .filter(([kind, count]) => count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${count} × ${kind}`);
}

/** @throws Error that lists what is there beyond `before`, when it does not go away */
export async function expectNoLeaks(before: Resources): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const left = surplus(before, resourcesNow());
    if (left.length === 0) return;
    if (performance.now() > deadlineMs) throw new Error(`left behind by this test: ${left.join(', ')}`);
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, POLL_MS);
    await promise;
  }
}

/** For the top of a test file: each of its tests must leave nothing behind. */
export function checkLeaksAfterEach(): void {
  let before: Resources = new Map();
  beforeEach(() => {
    before = resourcesNow();
  });
  afterEach(async () => {
    await expectNoLeaks(before);
  });
}
