/**
 * Actor calls against a bare worker_threads port that carries the same objects in the same run; actors made and answered,
 * their memory, kill → error, and what 500 lives leave behind. Passes alternate; figures are medians.
 */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

import * as ray from '../src/ray/index.ts';
import { AsyncEcho, Echo } from './actors/echo.js';
import { atLeast, atLeastRatio, atMost, median, type BenchRow } from './row.ts';

const PASSES = 7;
const SYNC_CALLS = 3_000;
const BATCHES = 60;
const IN_FLIGHT = 1_000;
const THROWS = 20_000;
const ACTORS = 40;
const START_ROUNDS = 3;
const CYCLES = 500;

const module = new URL('./actors/echo.js', import.meta.url).href;
const EchoActor = ray.remote(Echo, { module });
const AsyncEchoActor = ray.remote(AsyncEcho, { module });

/** A call's argument and result. */
const payload = (index: number) => ({ instance: `sports_events_${index}`, attempt: 1, score: 0.5 });

/** The peer's main side: tuples in arrays, a promise per call. */
class BarePort {
  readonly #worker = new Worker(new URL('./actors/bare.js', import.meta.url));
  readonly #pending = new Map<number, (value: unknown) => void>();
  #nextId = 1;

  constructor() {
    this.#worker.on('message', (frames: [string, number, unknown][]) => {
      for (const [, id, value] of frames) {
        const resolve = this.#pending.get(id);
        this.#pending.delete(id);
        resolve?.(value);
      }
    });
  }

  async ready(): Promise<void> {
    await once(this.#worker, 'online');
    await this.batch([0]);
  }

  async batch(values: readonly unknown[]): Promise<unknown[]> {
    const frames: unknown[] = [];
    const promises = values.map((value) => {
      const id = this.#nextId++;
      frames.push(['call', id, 'echo', [value]]);
      return new Promise((resolve) => this.#pending.set(id, resolve));
    });
    this.#worker.postMessage(frames);
    return Promise.all(promises);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

async function callsPerSecond(calls: number, body: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await body();
  return (calls / (performance.now() - startMs)) * 1000;
}

/** Medians of passes that alternate: load that changes between passes hits both. */
async function compare(
  ours: () => Promise<number>,
  peer: () => Promise<number>,
): Promise<{ ours: number; peer: number }> {
  await ours();
  await peer();
  const figures = { ours: [] as number[], peer: [] as number[] };
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const side of pass % 2 === 0 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const)) {
      figures[side].push(await (side === 'ours' ? ours() : peer()));
    }
  }
  return { ours: median(figures.ours), peer: median(figures.peer) };
}

async function callRows(): Promise<BenchRow[]> {
  const bare = new BarePort();
  await bare.ready();
  const echo = EchoActor.remote();
  const asyncEcho = AsyncEchoActor.remote();
  await ray.get([echo.$ready(), asyncEcho.$ready()]);

  const peerSync = () =>
    callsPerSecond(SYNC_CALLS, async () => {
      for (let index = 0; index < SYNC_CALLS; index += 1) await bare.batch([payload(index)]);
    });
  const oursSync = () =>
    callsPerSecond(SYNC_CALLS, async () => {
      for (let index = 0; index < SYNC_CALLS; index += 1) await ray.get(echo.echo.remote(payload(index)));
    });
  const sync = await compare(oursSync, peerSync);

  const peerBatches = () =>
    callsPerSecond(BATCHES * IN_FLIGHT, async () => {
      for (let batch = 0; batch < BATCHES; batch += 1) {
        await bare.batch(Array.from({ length: IN_FLIGHT }, (_, index) => payload(index)));
      }
    });
  const oursBatches = () =>
    callsPerSecond(BATCHES * IN_FLIGHT, async () => {
      for (let batch = 0; batch < BATCHES; batch += 1) {
        await ray.get(Array.from({ length: IN_FLIGHT }, (_, index) => asyncEcho.echo.remote(payload(index))));
      }
    });
  const batches = await compare(oursBatches, peerBatches);

  const oursThrows = () =>
    callsPerSecond(THROWS, async () => {
      for (let done = 0; done < THROWS; done += IN_FLIGHT) {
        const refs = Array.from({ length: IN_FLIGHT }, () => echo.fail.remote());
        await Promise.all(refs.map((ref) => ref.promise().catch(() => undefined)));
      }
    });
  const throws = await compare(oursThrows, peerBatches);
  await bare.close();
  const unit = 'calls/s';
  return [
    atLeastRatio('actor calls 1:1 sync', unit, sync.ours, sync.peer, 0.7, 'awaited one by one'),
    atLeastRatio('actor calls 1:1 async', unit, batches.ours, batches.peer, 0.6, '1,000 in flight'),
    atLeastRatio('actor calls that throw', unit, throws.ours, throws.peer, 0.1, '1,000 in flight'),
  ];
}

const collect = (): void => (globalThis as { gc?: () => void }).gc?.();
const fileDescriptors = (): number => readdirSync('/proc/self/fd').length;
const rssMb = (): number => process.memoryUsage.rss() / 1024 / 1024;

/** As many threads that do nothing but say that they are there. */
async function bareThreadsPerSecond(): Promise<number> {
  const startMs = performance.now();
  const code = `require('node:worker_threads').parentPort.on('message', () => {}).postMessage(1)`;
  const workers = Array.from({ length: ACTORS }, () => new Worker(code, { eval: true }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const perSecond = (ACTORS / (performance.now() - startMs)) * 1000;
  await Promise.all(workers.map((worker) => worker.terminate()));
  return perSecond;
}

async function startRows(): Promise<BenchRow[]> {
  const bare: number[] = [];
  const perSecond: number[] = [];
  const killMs: number[] = [];
  let eachMb = Number.NaN;
  for (let round = 0; round < START_ROUNDS; round += 1) {
    collect();
    const beforeMb = rssMb();
    const startMs = performance.now();
    const actors = Array.from({ length: ACTORS }, () => EchoActor.remote());
    await ray.get(actors.map((actor, index) => actor.echo.remote(index)));
    perSecond.push((ACTORS / (performance.now() - startMs)) * 1000);
    // Later rounds reuse what the first gave back: only the first says what an actor takes.
    if (round === 0) eachMb = (rssMb() - beforeMb) / ACTORS;
    for (const actor of actors) {
      const pending = actor.echo.remote(1);
      const killedMs = performance.now();
      ray.kill(actor);
      await pending.promise().catch(() => undefined);
      killMs.push(performance.now() - killedMs);
    }
    bare.push(await bareThreadsPerSecond());
  }
  const beside = `${ACTORS} at once; bare threads beside it ${median(bare).toFixed(0)}/s`;
  return [
    atLeast('actors created and answered', 'actors/s', median(perSecond), 25, beside),
    atMost('memory of an idle actor', 'MB', eachMb, 16, `RSS, mean of ${ACTORS}`),
    atMost('kill → error at the caller', 'ms', median(killMs), 20, `longest ${Math.max(...killMs).toFixed(2)} ms`),
  ];
}

/** What lives leave behind: after `CYCLES` of them, against after the first few. */
async function cycleRows(): Promise<BenchRow[]> {
  const cycle = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 1) {
      const actor = EchoActor.remote();
      await ray.get(actor.echo.remote(done));
      ray.kill(actor);
      await actor[Symbol.asyncDispose]();
    }
  };
  const look = async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    collect();
    const { heapUsed } = process.memoryUsage();
    const threads = readdirSync('/proc/self/task').length;
    return {
      heapMb: heapUsed / 1024 / 1024,
      fds: fileDescriptors(),
      threads,
      handles: process.getActiveResourcesInfo().length,
    };
  };
  await cycle(CYCLES / 10);
  const before = await look();
  await cycle(CYCLES);
  const after = await look();
  const note = `after ${CYCLES} lives`;
  return [
    atMost('heap left behind', 'MB', after.heapMb - before.heapMb, 2, note),
    atMost('file descriptors left behind', 'fds', after.fds - before.fds, 0, note),
    atMost('threads left behind', 'threads', after.threads - before.threads, 0, note),
    atMost('handles left behind', 'handles', after.handles - before.handles, 0, note),
  ];
}

/** All rows. Needs `npm run build`; heap figures are exact only under `--expose-gc`. */
export async function run(): Promise<BenchRow[]> {
  await ray.init();
  try {
    return [...(await startRows()), ...(await callRows()), ...(await cycleRows())];
  } finally {
    await ray.shutdown();
  }
}
