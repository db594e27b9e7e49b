/** A session per test, ended after it, with nothing left behind. */
import { afterEach, beforeEach } from 'vitest';

import * as ray from '../../src/ray/index.ts';
import { checkLeaksAfterEach } from './leaks.ts';

/** For the top of a test file. Hooks after a test run in the reverse order: shut down, then look. */
export function useRay(options?: ray.InitOptions): void {
  checkLeaksAfterEach();
  beforeEach(async () => {
    await ray.init(options);
  });
  afterEach(async () => {
    await ray.shutdown();
  });
}

/** The URL of a fixture module of actors: how a thread finds its classes. */
export const fixture = (name: string): string => new URL(`../fixtures/actors/${name}.ts`, import.meta.url).href;

/** What `promise` was rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}
