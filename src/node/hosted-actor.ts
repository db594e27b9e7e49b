/**
 * One running instance of an actor as its daemon sees it: the port to its thread, the batches both ways, its sign of
 * life, and its death.
 *
 *   starting ──hello──▶ alive ──kill, unresponsive──▶ doomed ──▶ ended
 *       └───────────────── the thread exits ──────────────────────▲
 *
 * Invariants:
 * H1 `ended` comes once, last, and after the thread is gone.
 * H2 results that were sent before the death come before it: the port is drained first.
 * H3 nothing is held after `ended`: no port, timer or listener.
 */
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';

import type { ActorSpec, FromActor, ToActor } from '../actor/messages.ts';
import type { ActorDeath, ActorInstance, ActorService, DeathReason, InstanceEvents } from '../driver/runtime.ts';
import { errorToWire, SkeinError, type WireError } from '../kernel/errors.ts';
import { snapshot } from '../kernel/snapshot.ts';
import type { ActorPools, ThreadEnd, ThreadLease, ThreadProfile } from './actor-pool.ts';
import { sizeOf, tailLines } from './log-tail.ts';

/** Why it ends, as soon as that is known; the thread's exit says the rest. */
interface Verdict {
  readonly reason: DeathReason;
  readonly error?: WireError;
}

export interface HostedActorOptions {
  readonly spec: ActorSpec;
  readonly profile: ThreadProfile;
  readonly services: Readonly<Record<string, ActorService>>;
  /** Until the entry says hello. */
  readonly startTimeoutMs: number;
  /** 0 = never. */
  readonly unresponsiveMs: number;
}

export class HostedActor implements ActorInstance {
  readonly logPath: string;
  readonly #options: HostedActorOptions;
  readonly #events: InstanceEvents;
  readonly #port: MessagePort;
  readonly #lease: ThreadLease;
  #phase: 'starting' | 'alive' | 'doomed' | 'ended' = 'starting';
  #startTimer: NodeJS.Timeout | undefined;
  #verdict: Verdict | undefined;
  #outbox: ToActor[] = [];
  /** Calls that were handed over and have not come back. */
  #inFlight = 0;
  #lastSignMs = performance.now();
  #printsTo: { path: string; from: number };
  #death: AbortController | undefined;

  constructor(pools: ActorPools, options: HostedActorOptions, events: InstanceEvents) {
    const { spec, startTimeoutMs } = options;
    this.#options = options;
    this.#events = events;
    this.logPath = spec.logPath;
    this.#printsTo = { path: spec.logPath, from: sizeOf(spec.logPath) };
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', this.#receive);
    this.#startTimer = setTimeout(() => {
      this.#doom({ reason: 'LOAD_FAILED', error: this.#error(`did not start within ${startTimeoutMs} ms`) });
    }, startTimeoutMs);
    this.#lease = pools.lease(options.profile, spec, port2, (end) => this.#onThreadEnd(end));
  }

  call(callId: number, method: string, args: readonly unknown[]): void {
    this.#inFlight += 1;
    const frame: ToActor = ['call', callId, method, args];
    // An idle actor gets its call at once: there is nothing to share a batch with, and its caller may be waiting.
    if (this.#inFlight === 1 && this.#outbox.length === 0 && this.#isOpen) this.#port.postMessage([frame]);
    else this.#post(frame);
  }

  cancel(callId: number): void {
    this.#post(['cancel', callId]);
  }

  terminate(): void {
    this.#post(['terminate']);
  }

  kill(): void {
    this.#doom({ reason: 'KILLED' });
  }

  /** Kills the thread if it has given no sign of life for too long. What waits in the port is one. */
  checkResponsive(nowMs: number): void {
    const { unresponsiveMs } = this.#options;
    if (this.#phase !== 'alive' || unresponsiveMs === 0 || nowMs - this.#lastSignMs < unresponsiveMs) return;
    // It may be this loop that stood still: read what has come before judging.
    this.#drainPort();
    if (nowMs - this.#lastSignMs < unresponsiveMs) return;
    const silentMs = Math.round(nowMs - this.#lastSignMs);
    this.#doom({ reason: 'UNRESPONSIVE', error: this.#error(`its event loop stood still for ${silentMs} ms`) });
  }

  /** Whether frames still go anywhere. */
  get #isOpen(): boolean {
    return this.#phase === 'starting' || this.#phase === 'alive';
  }

  #post(frame: ToActor): void {
    if (!this.#isOpen) return;
    if (this.#outbox.push(frame) === 1) process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    const frames = this.#outbox;
    if (frames.length === 0) return;
    this.#outbox = [];
    if (this.#phase !== 'ended') this.#port.postMessage(frames);
  };

  readonly #receive = (frames: readonly FromActor[]): void => {
    this.#lastSignMs = performance.now();
    const events = this.#events;
    for (const frame of frames) {
      if (this.#phase === 'doomed' || this.#phase === 'ended') return;
      switch (frame[0]) {
        case 'done':
          this.#inFlight -= 1;
          events.done(frame[1], frame[2]);
          break;
        case 'failed':
          this.#inFlight -= 1;
          events.failed(frame[1], frame[2]);
          break;
        case 'started':
          events.started(frame[1]);
          break;
        case 'cancelled':
          this.#inFlight -= 1;
          events.cancelled(frame[1]);
          break;
        case 'ask':
          void this.#serve(frame[1], frame[2], frame[3]);
          break;
        case 'hello':
          this.#phase = 'alive';
          clearTimeout(this.#startTimer);
          break;
        case 'ready':
          events.ready(frame[1], frame[2]);
          break;
        case 'logs-to':
          this.#printsTo = { path: frame[1], from: 0 };
          break;
        case 'load-failed':
          this.#verdict ??= { reason: 'LOAD_FAILED', error: frame[1] };
          break;
        case 'constructor-failed':
          this.#verdict ??= { reason: 'CTOR_ERROR', error: frame[1] };
          break;
        case 'crashed':
          this.#verdict ??= { reason: 'CRASH', error: frame[1] };
          break;
        case 'leaving':
          this.#verdict ??= { reason: 'EXITED' };
          break;
        case 'beat':
          break;
      }
    }
  };

  async #serve(askId: number, service: string, payload: unknown): Promise<void> {
    this.#death ??= new AbortController();
    try {
      const serve = this.#options.services[service];
      if (serve === undefined) throw this.#noService(service);
      this.#post(['answer', askId, snapshot(await serve(payload, this.#death.signal)), undefined]);
    } catch (error) {
      this.#post(['answer', askId, undefined, errorToWire(error)]);
    }
  }

  #doom(verdict: Verdict): void {
    if (this.#phase === 'doomed' || this.#phase === 'ended') return;
    this.#phase = 'doomed';
    this.#verdict ??= verdict;
    this.#outbox.length = 0;
    clearTimeout(this.#startTimer);
    this.#death?.abort();
    this.#events.doomed(this.#certificate({}));
    this.#lease.kill();
  }

  #onThreadEnd(end: ThreadEnd): void {
    clearTimeout(this.#startTimer);
    this.#drainPort();
    this.#phase = 'ended';
    this.#port.close();
    this.#outbox.length = 0;
    this.#death?.abort();
    this.#events.ended(this.#certificate(end));
  }

  #drainPort(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: readonly FromActor[] } | undefined;
      if (received === undefined) return;
      this.#receive(received.message);
    }
  }

  #certificate({ exitCode, error }: ThreadEnd): ActorDeath {
    const { reason, error: why } = this.#verdict ?? this.#judge({ ...(error && { error }) });
    const isOwnEnd = reason === 'CRASH' || reason === 'EXITED' || reason === 'OOM';
    return {
      reason,
      ...(exitCode !== undefined && isOwnEnd && { exitCode }),
      ...(why && { error: why }),
      lastLines: tailLines(this.#printsTo.path, this.#printsTo.from),
    };
  }

  #judge({ error }: ThreadEnd): Verdict {
    if (error === undefined) return { reason: 'CRASH' };
    const isOutOfMemory = (error as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY';
    if (isOutOfMemory) return { reason: 'OOM', error: errorToWire(error) };
    return { reason: this.#phase === 'starting' ? 'LOAD_FAILED' : 'CRASH', error: errorToWire(error) };
  }

  #error(what: string): WireError {
    const { className, actorId } = this.#options.spec;
    return errorToWire(new SkeinError('UNAVAILABLE', `actor ${className} (${actorId}): ${what}`));
  }

  #noService(service: string): SkeinError {
    const offered = Object.keys(this.#options.services).join(', ') || 'none';
    return new SkeinError('NOT_FOUND', `the daemon offers no service ${service} to this actor; offered: ${offered}`);
  }
}
