import { randomUUID } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { followRun, type FollowOptions } from '../../../src/cli/follow-run.ts';
import { RunState, WatchRunResponse } from '../../../src/gen/skein/v1/run.ts';
import { SkeinError } from '../../../src/kernel/errors.ts';
import { makeStatus, writeStatus } from '../../../src/run/status.ts';
import { openMemoryStore } from '../../../src/store/memory.ts';

const news = (state: RunState, rowsOk = 0, error = ''): WatchRunResponse =>
  WatchRunResponse.fromPartial({ state, total: 2, rowsOk, error });
const gone = (): SkeinError => new SkeinError('UNAVAILABLE', 'head h: nobody listens');

/** One stream a dial: what it brings, and how it ends. */
function head(...streams: (() => AsyncGenerator<WatchRunResponse>)[]) {
  return { watchRun: () => (streams.shift() ?? never)() };
}
function failing(error: Error) {
  return async function* (): AsyncGenerator<WatchRunResponse> {
    yield* [await Promise.reject<WatchRunResponse>(error)];
  };
}
const never = failing(gone());
const ending = (state: RunState, error = '') =>
  async function* () {
    yield news(RunState.RUNNING, 1);
    yield news(state, 2, error);
  };
async function* cut() {
  yield news(RunState.RUNNING, 1);
  throw gone();
}

function follow(options: Pick<FollowOptions, 'client'> & Partial<FollowOptions>) {
  const seen: number[] = [];
  const away: string[] = [];
  const end = followRun({
    store: openMemoryStore(`memory:${randomUUID()}`),
    runId: 'r1',
    signal: new AbortController().signal,
    lookMs: 1,
    headlessMs: 5_000,
    onProgress: ({ rowsOk }) => seen.push(rowsOk),
    onAway: (reason) => away.push(reason),
    ...options,
  });
  return { end, seen, away };
}

describe('following a run', () => {
  it('ends with what the head says last', async () => {
    const done = follow({ client: head(ending(RunState.DONE)) });
    expect(await done.end).toEqual({ kind: 'done' });
    expect(done.seen).toEqual([1, 2]);
    expect(await follow({ client: head(ending(RunState.STOPPED)) }).end).toEqual({ kind: 'stopped', reason: '' });
    expect(await follow({ client: head(ending(RunState.FAILED, 'no dataset')) }).end).toMatchObject({
      kind: 'failed',
      error: { message: 'no dataset' },
    });
  });

  it('goes on when the head comes back, and says once that it is away', async () => {
    const { end, seen, away } = follow({ client: head(cut, never, never, ending(RunState.DONE)) });
    expect(await end).toEqual({ kind: 'done' });
    expect(seen).toEqual([1, 1, 2]);
    expect(away).toEqual(['head h: nobody listens']);
  });

  it('takes the end from the store when the head does not know the run any more', async () => {
    const store = openMemoryStore(`memory:${randomUUID()}`);
    await writeStatus(store, 'r1', makeStatus({ terminal_state: 'done' }));
    const unknown = failing(new SkeinError('NOT_FOUND', 'run r1: this head does not know it'));
    expect(await follow({ store, client: head(cut, unknown) }).end).toEqual({ kind: 'done' });
  });

  it('gives up on a head that stays away, and throws what no waiting mends', async () => {
    expect(await follow({ client: head(cut), headlessMs: 20 }).end).toMatchObject({ kind: 'headless' });
    const refused = failing(new SkeinError('UNAUTHENTICATED', 'wrong token'));
    await expect(follow({ client: head(refused) }).end).rejects.toThrow('wrong token');
  });

  it('leaves at once when it is told to, whatever is on its way', async () => {
    const stop = new AbortController();
    async function* silent() {
      yield news(RunState.RUNNING);
      await new Promise(() => {});
    }
    const { end, seen } = follow({ client: head(silent), signal: stop.signal });
    setImmediate(() => stop.abort());
    expect(await end).toEqual({ kind: 'detached' });
    expect(seen.length).toBeLessThanOrEqual(1);
  });
});
