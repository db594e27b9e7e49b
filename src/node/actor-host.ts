/**
 * Hosts actors for whoever drives them: a run's executor and a user's program get the same host. It admits by its own
 * count, so that nothing ever waits inside piscina, and watches over the loops of its threads.
 *
 * Not here: threads (`actor-pool.ts`), one actor's life (`hosted-actor.ts`), restarts, which are the caller's.
 */
import { join } from 'node:path';

import type { ActorDeath, ActorInstance, ActorRuntime, InstanceEvents, InstanceRequest } from '../driver/runtime.ts';
import { errorToWire, SkeinError } from '../kernel/errors.ts';
import { armedFailPoint } from '../kernel/failpoint.ts';
import { actorEnv } from './actor-env.ts';
import { ActorPools } from './actor-pool.ts';
import { HostedActor } from './hosted-actor.ts';

export interface ActorHostOptions {
  /** Where actors without a log path of their own print to: `<logDir>/<actorId>.log`. */
  readonly logDir: string;
  /** The daemon's environment; actors get the allowed part of it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Actors at a time; one more is refused as UNSCHEDULABLE. Default 512. */
  readonly maxActors?: number;
  /** Until a new thread says hello. Default 30,000. */
  readonly startTimeoutMs?: number;
}

const DEFAULT_UNRESPONSIVE_MS = 60_000;
/** Signs of life per `unresponsiveMs`. */
const BEATS = 5;
const MAX_BEAT_MS = 5_000;

export class ActorHost implements ActorRuntime, AsyncDisposable {
  readonly #options: ActorHostOptions;
  readonly #maxActors: number;
  readonly #env: Record<string, string>;
  readonly #pools: ActorPools;
  readonly #actors = new Set<HostedActor>();
  #watch: { timer: NodeJS.Timeout; everyMs: number } | undefined;
  #onEmpty: (() => void)[] = [];
  #isStopped = false;

  constructor(options: ActorHostOptions) {
    this.#options = options;
    this.#maxActors = options.maxActors ?? 512;
    this.#env = actorEnv(options.env);
    this.#pools = new ActorPools(this.#maxActors);
  }

  /** Actors that hold a thread, or are getting one. */
  get actorCount(): number {
    return this.#actors.size;
  }

  get threadCount(): number {
    return this.#pools.threadCount;
  }

  start(request: InstanceRequest, events: InstanceEvents): ActorInstance {
    const logPath = request.logPath ?? join(this.#options.logDir, `${request.actorId}.log`);
    if (this.#isStopped) return refused(logPath, events, 'NODE_DIED', 'this node has stopped');
    if (this.#actors.size >= this.#maxActors) {
      return refused(logPath, events, 'UNSCHEDULABLE', `this node holds ${this.#maxActors} actors, its maximum`);
    }
    const unresponsiveMs = request.unresponsiveMs ?? DEFAULT_UNRESPONSIVE_MS;
    const beatMs = unresponsiveMs === 0 ? 0 : Math.min(MAX_BEAT_MS, Math.max(10, Math.floor(unresponsiveMs / BEATS)));
    const { actorId, className, location, args, restarts, maxConcurrency, isAsync, logPauseBytes } = request;
    const actor = new HostedActor(
      this.#pools,
      {
        spec: {
          actorId,
          className,
          location,
          args,
          restarts,
          logPath,
          beatMs,
          failPoint: armedFailPoint(),
          secretNames: Object.keys(request.secretEnv ?? {}),
          ...(maxConcurrency !== undefined && { maxConcurrency }),
          ...(isAsync !== undefined && { isAsync }),
          ...(logPauseBytes !== undefined && { logPauseBytes }),
        },
        profile: {
          env: { ...(request.env ?? this.#env), ...request.extraEnv, ...request.secretEnv },
          ...(request.maxHeapMb !== undefined && { maxHeapMb: request.maxHeapMb }),
        },
        services: request.services ?? {},
        startTimeoutMs: this.#options.startTimeoutMs ?? 30_000,
        unresponsiveMs,
      },
      {
        ready: (methods, isAsyncClass) => events.ready(methods, isAsyncClass),
        started: (callId) => events.started(callId),
        done: (callId, value) => events.done(callId, value),
        failed: (callId, error) => events.failed(callId, error),
        cancelled: (callId) => events.cancelled(callId),
        doomed: (death) => events.doomed(death),
        ended: (death) => {
          this.#remove(actor);
          events.ended(death);
        },
      },
    );
    this.#actors.add(actor);
    if (beatMs > 0) this.#watchEvery(beatMs);
    return actor;
  }

  /**
   * Ends every actor and waits until their threads are gone.
   * @returns how many threads still live: native code can hold one for longer than `graceMs`
   */
  async stop(graceMs = 5_000): Promise<number> {
    this.#isStopped = true;
    for (const actor of this.#actors) actor.kill();
    if (this.#actors.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onEmpty.push(resolve);
      const timer = setTimeout(resolve, graceMs);
      await promise;
      clearTimeout(timer);
    }
    await this.#pools.settled();
    clearInterval(this.#watch?.timer);
    this.#watch = undefined;
    return this.#actors.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #remove(actor: HostedActor): void {
    this.#actors.delete(actor);
    if (this.#actors.size > 0) return;
    clearInterval(this.#watch?.timer);
    this.#watch = undefined;
    for (const empty of this.#onEmpty.splice(0)) empty();
  }

  /** One timer for all: as often as the most impatient actor needs. */
  #watchEvery(everyMs: number): void {
    if (this.#watch !== undefined && this.#watch.everyMs <= everyMs) return;
    clearInterval(this.#watch?.timer);
    const timer = setInterval(() => {
      const nowMs = performance.now();
      for (const actor of this.#actors) actor.checkResponsive(nowMs);
    }, everyMs).unref();
    this.#watch = { timer, everyMs };
  }
}

/** An instance that never lived: its end follows in the next tick. */
function refused(logPath: string, events: InstanceEvents, reason: ActorDeath['reason'], text: string): ActorInstance {
  const death = { reason, error: errorToWire(new SkeinError('UNAVAILABLE', text)), lastLines: [] };
  process.nextTick(() => events.ended(death));
  return { logPath, call() {}, cancel() {}, terminate() {}, kill() {} };
}
