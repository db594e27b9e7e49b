/**
 * Threads for actors: the only home of piscina. One pool per distinct profile (heap limit, environment), one task per
 * actor, and the task lasts as long as the actor.
 *
 * Not here: what is said over the port (`hosted-actor.ts`), and admission (`actor-host.ts`): this file never refuses.
 *
 * Invariants, each against a trap of piscina 5.3 on Node 24:
 * P1 a lease ends when its thread has really exited. piscina's own promise settles before that, on an abort.
 * P2 a thread serves one lease. The balancer never gives a worker twice, and the entry exits its thread.
 * P3 a task that can never start (its thread died while starting) is failed, not left in the queue, where it would hang
 *    for ever and make the next `run` spawn threads up to the maximum.
 * P4 `atomics: 'disabled'`: the default freezes the thread's event loop between tasks.
 */
import type { MessagePort, Worker } from 'node:worker_threads';

import { Piscina } from 'piscina';

import type { ActorSpec } from '../actor/messages.ts';
import { compiledPath } from '../kernel/compiled.ts';
import { asError } from '../kernel/errors.ts';

/** What threads of one pool have in common. */
export interface ThreadProfile {
  readonly env: Readonly<Record<string, string>>;
  readonly maxHeapMb?: number;
}

/** How a thread ended. */
export interface ThreadEnd {
  /** Absent when no thread ever ran. */
  readonly exitCode?: number;
  /** What the worker threw, out of memory included; or why it never started. */
  readonly error?: Error;
}

/** A thread held for one actor, from the moment it was asked for. */
export class ThreadLease {
  readonly #onEnd: (end: ThreadEnd) => void;
  readonly #abort = new AbortController();
  #phase: { kind: 'starting' } | { kind: 'running'; worker: Worker; error: Error | undefined } | { kind: 'ended' } = {
    kind: 'starting',
  };

  constructor(onEnd: (end: ThreadEnd) => void) {
    this.#onEnd = onEnd;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isStarting(): boolean {
    return this.#phase.kind === 'starting';
  }

  /** piscina gives the task to `worker`. */
  adopt(worker: Worker): void {
    const phase = { kind: 'running' as const, worker, error: undefined as Error | undefined };
    this.#phase = phase;
    worker.once('error', (error) => (phase.error = asError(error)));
    worker.once('exit', (exitCode) => this.#settle({ exitCode, ...(phase.error && { error: phase.error }) }));
  }

  /** Ends the thread; `onEnd` follows when it is gone, at once when none was running. */
  kill(error?: Error): void {
    if (this.#phase.kind === 'ended') return;
    const wasStarting = this.isStarting;
    this.#abort.abort();
    if (wasStarting) this.#settle(error ? { error } : {});
  }

  #settle(end: ThreadEnd): void {
    if (this.#phase.kind === 'ended') return;
    this.#phase = { kind: 'ended' };
    this.#onEnd(end);
  }
}

interface Pool {
  readonly piscina: Piscina;
  readonly leases: Set<ThreadLease>;
}

/** The pools of a daemon, by profile. */
export class ActorPools {
  readonly #pools = new Map<string, Pool>();
  readonly #closing = new Set<Promise<void>>();
  readonly #maxThreads: number;

  constructor(maxThreads: number) {
    this.#maxThreads = maxThreads;
  }

  /** Threads that exist at this moment, those that are just ending included. */
  get threadCount(): number {
    let count = 0;
    for (const { piscina } of this.#pools.values()) count += piscina.threads.length;
    return count;
  }

  /** A thread of `profile` that runs the actor entry with `spec` and `port`. */
  lease(profile: ThreadProfile, spec: ActorSpec, port: MessagePort, onEnd: (end: ThreadEnd) => void): ThreadLease {
    const key = profileKey(profile);
    let pool = this.#pools.get(key);
    if (pool === undefined) this.#pools.set(key, (pool = this.#open(profile)));
    const { piscina, leases } = pool;
    const lease = new ThreadLease((end) => {
      leases.delete(lease);
      if (leases.size === 0) this.#close(key, piscina);
      onEnd(end);
    });
    leases.add(lease);
    const task = { port, spec, [Piscina.queueOptionsSymbol]: lease };
    // P1: how the promise ends says nothing that the worker's own events do not say better.
    piscina.run(task, { transferList: [port], signal: lease.signal }).then(
      () => {},
      () => {},
    );
    return lease;
  }

  /** Waits for threads that were started for leases that no longer want them. */
  async settled(): Promise<void> {
    await Promise.all(this.#closing);
  }

  /** An environment may be that of one actor only: a pool goes with its last lease. */
  #close(key: string, piscina: Piscina): void {
    this.#pools.delete(key);
    const closed = piscina.destroy().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  #open({ env, maxHeapMb }: ThreadProfile): Pool {
    const leases = new Set<ThreadLease>();
    const used = new WeakSet<Worker>();
    const piscina: Piscina = new Piscina({
      filename: compiledPath('../actor/entry.js', import.meta.url),
      minThreads: 0,
      maxThreads: this.#maxThreads,
      idleTimeout: 0,
      atomics: 'disabled',
      recordTiming: false,
      env: { ...env },
      ...(maxHeapMb !== undefined && {
        resourceLimits: { maxOldGenerationSizeMb: maxHeapMb, maxYoungGenerationSizeMb: Math.max(1, maxHeapMb / 4) },
      }),
      loadBalancer(task, workers) {
        const lease = (task as unknown as Record<symbol, unknown>)[Piscina.queueOptionsSymbol] as ThreadLease;
        for (const candidate of workers) {
          const worker = piscina.threads.find(({ threadId }) => threadId === candidate.id);
          if (worker === undefined || used.has(worker)) continue;
          used.add(worker);
          lease.adopt(worker);
          return candidate;
        }
        return null;
      },
    });
    piscina.on('error', (error: unknown) => {
      // P3: a thread has ended before it took a task. As many of those that wait as have no thread any more never will.
      const starting = piscina.threads.filter((worker) => !used.has(worker)).length;
      const waiting = [...leases].filter((lease) => lease.isStarting);
      for (const lease of waiting.slice(starting)) lease.kill(asError(error));
    });
    return { piscina, leases };
  }
}

function profileKey({ env, maxHeapMb = 0 }: ThreadProfile): string {
  return JSON.stringify([maxHeapMb, Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
