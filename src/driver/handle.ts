/**
 * An actor as one process calls it: takes calls, starts and restarts the actor, and settles everything when it dies. The
 * public API wraps it in typed proxies; a run's executor uses it as it is.
 *
 * Not here: threads (behind `ActorRuntime`), the table of calls (`call-table.ts`), names (`registry.ts`), types of
 * methods (`src/ray`).
 *
 * Invariants:
 * A1 every reference that `call` returned settles: with a value, its error, or the actor's death.
 * A2 calls reach a serial actor in the order of submission, also when one waits for an argument, and also again after a
 *    restart.
 * A3 the next instance starts only when the thread of the one before is gone.
 */
// No `node:crypto` here: the import alone costs 1 MB in every actor whose module imports the public API.
import { errorToWire, type WireError } from '../kernel/errors.ts';
import { snapshot } from '../kernel/snapshot.ts';
import type { ActorOptions, CallOptions } from './actor-options.ts';
import { isRestartable, type ActorState } from './actor-state.ts';
import { CallTable } from './call-table.ts';
import {
  ActorDiedError,
  ActorUnavailableError,
  ActorUnschedulableError,
  PendingCallsLimitExceeded,
  TaskCancelledError,
  type RayActorError,
} from './errors.ts';
import { ObjectRef, type RefSource } from './object-ref.ts';
import { ArgumentWait, PendingCall, type RetryPolicy } from './pending-call.ts';
import type { ActorDeath, ActorInstance, ActorRuntime, InstanceEvents } from './runtime.ts';
import { originalError, taskError } from './task-error.ts';

export type { ActorOptions, CallOptions } from './actor-options.ts';

/** Makes an actor. Returns at once: calls may be made before it is ready. */
export function createActor(runtime: ActorRuntime, options: ActorOptions): ActorHandle {
  return new ActorHandle(runtime, options);
}

const NO_RETRY: RetryPolicy = { maxTaskRetries: 0, retryExceptions: false };

export class ActorHandle implements RefSource {
  /** Unique, 16 hex digits, the same over all restarts. */
  readonly actorId = crypto.randomUUID().replaceAll('-', '').slice(0, 16);
  readonly #runtime: ActorRuntime;
  readonly #options: ActorOptions;
  readonly #retry: RetryPolicy;
  readonly #calls: CallTable;
  readonly #died = Promise.withResolvers<ActorDeath>();
  /** Constructor arguments, resolved in place; kept for restarts. */
  readonly #args: unknown[];
  #state: ActorState = { kind: 'DEPENDENCIES_UNREADY' };
  #restarts = 0;
  /** The kill that is under way is one after which the actor comes back. */
  #isRestartingKill = false;
  #nextCallId = 1;
  #readyRefs: ObjectRef[] = [];

  constructor(runtime: ActorRuntime, options: ActorOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#retry = { maxTaskRetries: options.maxTaskRetries ?? 0, retryExceptions: options.retryExceptions ?? false };
    this.#calls = new CallTable(options.isAsync, (call, cause) => this.#taskError(call, cause));
    this.#args = this.#copyArgs('constructor', options.args ?? []);
    ArgumentWait.resolve(
      this.#args,
      () => this.#state.kind === 'DEPENDENCIES_UNREADY' && this.#begin(),
      (error) => this.#die({ reason: 'CTOR_ERROR', error: errorToWire(error), lastLines: [] }, true),
    );
  }

  get className(): string {
    return this.#options.className;
  }

  get refPrefix(): string {
    return this.actorId;
  }

  get state(): ActorState['kind'] {
    return this.#state.kind;
  }

  /** How often it was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Calls that have not settled. */
  get pendingCalls(): number {
    return this.#calls.size;
  }

  /** Where the present instance prints to. */
  get logPath(): string | undefined {
    return this.#instance?.logPath ?? this.#options.logPath;
  }

  /** Its death for good, when its thread is gone. Never rejects. */
  get died(): Promise<ActorDeath> {
    return this.#died.promise;
  }

  /**
   * Submits a call. References among `args` are resolved before the method runs; all else is copied now.
   * @throws TypeError for an argument that cannot be sent; PendingCallsLimitExceeded
   */
  call(method: string, args: readonly unknown[], options?: CallOptions): ObjectRef {
    this.#checkLimit();
    const copies = this.#copyArgs(method, args);
    const ref = new ObjectRef(this, this.#nextCallId++);
    const retry = options === undefined ? this.#retry : { ...this.#retry, ...options };
    const state = this.#state;
    if (state.kind === 'DEAD') ref.settleError(this.#deathError(state.death));
    else if (state.kind === 'RESTARTING' && retry.maxTaskRetries === 0) ref.settleError(this.#unavailable());
    else this.#calls.submit(new PendingCall('call', ref, method, copies, retry));
    return ref;
  }

  /** A reference that is `true` as soon as the constructor has run. */
  ready(): ObjectRef<true> {
    const ref = new ObjectRef<true>(this, this.#nextCallId++);
    if (this.#state.kind === 'ALIVE') ref.settleValue(true);
    else if (this.#state.kind === 'DEAD') ref.settleError(this.#deathError(this.#state.death));
    else this.#readyRefs.push(ref);
    return ref;
  }

  /** Ends the actor after the calls that were made before; it does not come back. The reference fails with its death. */
  terminate(): ObjectRef<never> {
    const ref = new ObjectRef<never>(this, this.#nextCallId++);
    if (this.#state.kind === 'DEAD') ref.settleError(this.#deathError(this.#state.death));
    else this.#calls.submit(new PendingCall('terminate', ref, '', [], NO_RETRY));
    return ref;
  }

  /** Ends the actor at once. With `noRestart: false` this is a death like any other: it uses up a restart. */
  kill({ noRestart = true }: { noRestart?: boolean } = {}): void {
    const state = this.#state;
    switch (state.kind) {
      case 'DEAD':
        return;
      case 'DEPENDENCIES_UNREADY':
        return this.#die({ reason: 'KILLED', lastLines: [] }, true);
      case 'RESTARTING':
      case 'PENDING_CREATION':
      case 'ALIVE':
        if (state.instance === undefined) {
          // The thread before is on its way out: its end is the end of the actor.
          if (noRestart) this.#die({ reason: 'KILLED', lastLines: [] }, false);
          return;
        }
        this.#isRestartingKill = !noRestart;
        state.instance.kill();
    }
  }

  /** Cancels the call behind a reference: it ends in TaskCancelledError now, and does not run if it has not begun. */
  cancelCall(callId: number): void {
    this.#calls.cancel(callId, (call) => {
      return new TaskCancelledError(`${this.#name(call)} of actor ${this.actorId} was cancelled by its caller`);
    });
  }

  get #instance(): ActorInstance | undefined {
    return 'instance' in this.#state ? this.#state.instance : undefined;
  }

  #name(call: PendingCall): string {
    return `${this.className}.${call.method}`;
  }

  #checkLimit(): void {
    const { maxPendingCalls: limit = -1 } = this.#options;
    if (limit <= 0 || this.pendingCalls < limit) return;
    const where = `actor ${this.className} (${this.actorId})`;
    throw new PendingCallsLimitExceeded(
      `${where}: ${this.pendingCalls} calls are pending, its maxPendingCalls; get some of them first`,
    );
  }

  #copyArgs(method: string, args: readonly unknown[]): unknown[] {
    const copies = args.slice();
    for (let index = 0; index < copies.length; index += 1) {
      const value = copies[index];
      if (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol') continue;
      if (value === null || value instanceof ObjectRef) continue;
      try {
        copies[index] = snapshot(value);
      } catch (error) {
        const where = `${this.className}.${method}: argument ${index + 1}`;
        throw new TypeError(`${where} cannot be sent to an actor: ${(error as Error).message}`, { cause: error });
      }
    }
    return copies;
  }

  #begin(): void {
    let instance: ActorInstance;
    try {
      instance = this.#start();
    } catch (error) {
      this.#die({ reason: 'LOAD_FAILED', error: errorToWire(error), lastLines: [] }, true);
      return;
    }
    this.#state = { kind: this.#restarts > 0 ? 'RESTARTING' : 'PENDING_CREATION', instance };
    this.#calls.connect(instance);
  }

  #start(): ActorInstance {
    const {
      className,
      location,
      maxConcurrency,
      isAsync,
      env,
      extraEnv,
      secretEnv,
      maxHeapMb,
      unresponsiveMs,
      services,
      logPath,
      logPauseBytes,
    } = this.#options;
    return this.#runtime.start(
      {
        actorId: this.actorId,
        className,
        location,
        args: this.#args,
        restarts: this.#restarts,
        ...(maxConcurrency !== undefined && { maxConcurrency }),
        ...(isAsync !== undefined && { isAsync }),
        ...(env && { env }),
        ...(extraEnv && { extraEnv }),
        ...(secretEnv && { secretEnv }),
        ...(maxHeapMb !== undefined && { maxHeapMb }),
        ...(unresponsiveMs !== undefined && { unresponsiveMs }),
        ...(services && { services }),
        ...(logPath !== undefined && { logPath }),
        ...(logPauseBytes !== undefined && { logPauseBytes }),
      },
      this.#events,
    );
  }

  readonly #events: InstanceEvents = {
    ready: (_methods, isAsync) => {
      const instance = this.#instance;
      if (instance === undefined) return;
      this.#state = { kind: 'ALIVE', instance };
      for (const ref of this.#readyRefs.splice(0)) ref.settleValue(true);
      this.#calls.isAsync = isAsync;
      this.#calls.sendHeld();
    },
    started: (callId) => {
      const call = this.#calls.sent(callId);
      if (call) call.isStarted = true;
    },
    done: (callId, value) => {
      const call = this.#calls.sent(callId);
      if (call === undefined) return;
      this.#calls.remove(callId);
      call.ref.settleValue(value);
    },
    failed: (callId, error) => this.#onFailed(callId, error),
    cancelled: (callId) => this.#calls.remove(callId),
    doomed: (death) => this.#lose(death),
    ended: (death) => this.#onEnded(death),
  };

  #onFailed(callId: number, wire: WireError): void {
    const call = this.#calls.sent(callId);
    if (call === undefined) return;
    const original = originalError(wire, this.#options.errorClasses?.());
    if (call.isRetriedOn(original)) {
      this.#calls.sendAgain(call);
      return;
    }
    this.#calls.remove(callId);
    call.ref.settleError(this.#taskError(call, original, wire.stack));
  }

  /** The instance answers no more: decides whether another follows. */
  #lose(death: ActorDeath): void {
    if (this.#instance === undefined) return;
    const isAgain = death.reason === 'KILLED' ? this.#isRestartingKill : isRestartable(death);
    const { maxRestarts = 0 } = this.#options;
    // One that was asked to end has ended, however it did.
    if (!isAgain || this.#calls.isEnding || (maxRestarts >= 0 && this.#restarts >= maxRestarts)) {
      this.#die(death, false);
      return;
    }
    this.#isRestartingKill = false;
    this.#state = { kind: 'RESTARTING', instance: undefined };
    this.#calls.disconnect(this.#unavailable(death));
  }

  #onEnded(death: ActorDeath): void {
    this.#lose(death);
    if (this.#state.kind === 'DEAD') {
      this.#died.resolve(this.#state.death);
    } else {
      this.#restarts += 1;
      this.#begin();
    }
  }

  /** @param isGone no thread of it is left */
  #die(death: ActorDeath, isGone: boolean): void {
    if (this.#state.kind === 'DEAD') return;
    this.#state = { kind: 'DEAD', death };
    const error = this.#deathError(death);
    for (const ref of this.#readyRefs.splice(0)) ref.settleError(error);
    this.#calls.close(error);
    if (isGone) this.#died.resolve(death);
  }

  #taskError(call: PendingCall, original: Error, remoteStack?: string): Error {
    const { actorId } = this;
    return taskError(original, { functionName: this.#name(call), actorId, pid: process.pid, remoteStack });
  }

  #deathError(death: ActorDeath): RayActorError {
    if (death.reason !== 'UNSCHEDULABLE') return new ActorDiedError(this.actorId, this.className, death);
    const why = death.error?.message ?? 'no node can hold it';
    return new ActorUnschedulableError(this.actorId, `actor ${this.className} cannot be placed: ${why}`);
  }

  #unavailable(death?: ActorDeath): ActorUnavailableError {
    const text = `actor ${this.className} (${this.actorId}) is being restarted: the call may or may not have been executed`;
    const cause = death && new ActorDiedError(this.actorId, this.className, death);
    return new ActorUnavailableError(this.actorId, text, cause);
  }
}
