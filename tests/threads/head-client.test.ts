import { once } from 'node:events';

import { describe, expect, it } from 'vitest';

import { RunState, WatchRunResponse } from '../../src/gen/skein/v1/run.ts';
import { SkeinError } from '../../src/kernel/errors.ts';
import { HeadClient } from '../../src/wire/head-client.ts';
import { freePort, Link } from '../helpers/cluster/link.ts';
import { checkLeaksAfterEach } from '../helpers/leaks.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { QUICK, startWireHead, TOKEN } from '../helpers/wire-head.ts';

const running = (rowsOk: number): WatchRunResponse => WatchRunResponse.fromPartial({ state: RunState.RUNNING, rowsOk });
const done = (rowsOk: number): WatchRunResponse => WatchRunResponse.fromPartial({ state: RunState.DONE, rowsOk });

/** Says `progress`, then nothing more until the stream ends. */
async function* sayAndHang(signal: AbortSignal, ...progress: WatchRunResponse[]): AsyncGenerator<WatchRunResponse> {
  yield* progress;
  if (!signal.aborted) await once(signal, 'abort');
}

async function* say(...progress: WatchRunResponse[]): AsyncGenerator<WatchRunResponse> {
  yield* progress;
}

interface Follower {
  readonly seen: number[];
  readonly away: string[];
  /** `end`, or the error's text. */
  readonly ended: Promise<string>;
}

function follow(client: HeadClient, connectTimeoutMs: number): Follower {
  const seen: number[] = [];
  const away: string[] = [];
  const all = async (): Promise<string> => {
    const options = { connectTimeoutMs, onAway: (error: Error) => void away.push(error.message) };
    for await (const { rowsOk } of client.watchRun('r1', options)) seen.push(rowsOk);
    return 'end';
  };
  return { seen, away, ended: all().catch((error: Error) => error.message) };
}

describe('a client that follows a run', () => {
  checkLeaksAfterEach();

  it('notices nothing but a pause when the head is killed and comes back, even if that one needs a moment to know the run', async () => {
    using first = await startWireHead({ progress: (_, signal) => sayAndHang(signal, running(1), running(2)) });
    using client = new HeadClient(first.address, { token: TOKEN });
    const { seen, away, ended } = follow(client, 5_000);
    await waitUntil('it follows', () => seen.length === 2);
    first.stop();
    await waitUntil('it noticed', () => away.length > 1);
    let asked = 0;
    using _second = await startWireHead({
      port: first.port,
      progress: (runId) => {
        asked += 1;
        if (asked === 1) throw new SkeinError('NOT_FOUND', `run ${runId}: this head does not know it`);
        return say(running(3), done(4));
      },
    });
    expect(await ended).toBe('end');
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(away.slice(0, 2)).toEqual([
      `head ${first.address}: progress of run r1: the connection was lost`,
      `head ${first.address}: progress of run r1: nothing listens there: start it with \`skein start --head\`, or give its --address`,
    ]);
  });

  it('goes on when the network swallowed everything for a while', async () => {
    using head = await startWireHead({ progress: (_, signal) => sayAndHang(signal, running(1)) });
    await using network = await Link.open(() => head.port);
    using client = new HeadClient(network.address, { token: TOKEN }, { keepalive: QUICK });
    const { seen, away } = follow(client, 60_000);
    await waitUntil('it follows', () => seen.length === 1);
    network.cut();
    await waitUntil('it noticed', () => away.length > 0);
    network.heal();
    await waitUntil('it goes on', () => seen.length === 2);
  });

  it('gives up when the head stays away for longer than it may', async () => {
    using head = await startWireHead({ progress: (_, signal) => sayAndHang(signal, running(1)) });
    using client = new HeadClient(head.address, { token: TOKEN });
    const { seen, ended } = follow(client, 600);
    await waitUntil('it follows', () => seen.length === 1);
    head.stop();
    expect(await ended).toContain('nothing listens there');
  });

  it('is told in time that a head accepts connections and says nothing', async () => {
    await using network = await Link.open(() => 1);
    network.cut();
    using client = new HeadClient(network.address, { token: TOKEN }, { answerMs: 200 });
    expect(await follow(client, 0).ended).toBe(`head ${network.address}: progress of run r1: no answer within 200 ms`);
    await expect(client.describe()).rejects.toThrow(
      `head ${network.address}: no answer in time: it hangs, or that is the port of another product`,
    );
  });

  it('is told at once of a run that nobody knows', async () => {
    using head = await startWireHead({
      progress: (runId) => {
        throw new SkeinError('NOT_FOUND', `run ${runId}: this head does not know it`);
      },
    });
    using client = new HeadClient(head.address, { token: TOKEN });
    expect(await follow(client, 5_000).ended).toBe(
      `head ${head.address}: progress of run r1: run r1: this head does not know it`,
    );
  });
});

describe('a client that asks', () => {
  checkLeaksAfterEach();

  it('waits for a head that is not there yet, as long as it may', async () => {
    const port = await freePort();
    using client = new HeadClient(`127.0.0.1:${port}`, { token: TOKEN }, { connectTimeoutMs: 5_000 });
    const asking = client.describe();
    using _head = await startWireHead({ port, epoch: 3 });
    expect(await asking).toMatchObject({ epoch: 3, storeUrl: 'file:///store' });
  });

  it('is answered in time by a head that is frozen', async () => {
    using head = await startWireHead();
    await using network = await Link.open(() => head.port);
    using client = new HeadClient(network.address, { token: TOKEN }, { keepalive: QUICK });
    await client.health();
    network.cut();
    await expect(client.describe()).rejects.toThrow(`head ${network.address}: the connection was lost`);
  });
});
