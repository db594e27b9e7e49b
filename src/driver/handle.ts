/**
 * An actor as one process calls it: submits calls, keeps what is pending, restarts the actor, and settles everything when
 * it dies. The public API wraps it in typed proxies; a run's executor uses it as it is.
 *
 * Not here: threads (behind `ActorRuntime`), names (`registry.ts`), types of methods (`src/ray`).
 *
 * Invariants:
 * A1 every reference that `call` returned settles: with a value, its error, or the actor's death.
 * A2 calls reach a serial actor in the order of submission, also when one waits for an argument, and also again after a
 *    restart.
 * A3 the next instance starts only when the thread of the one before is gone.
 * A4 nothing is told twice: a settled call is out of the table.
 */
// No `node:crypto` here: the import alone costs 1 MB in every actor whose module imports the public API.
import type { ClassLocation } from '../actor/messages.ts';
import { errorToWire, type WireError } from '../kernel/errors.ts';
import { snapshot } from '../kernel/snapshot.ts';
import { isRestartable, type ActorState } from './actor-state.ts';
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
import type { ActorDeath, ActorInstance, ActorRuntime, ActorService, InstanceEvents } from './runtime.ts';
import { originalError, taskError, type ErrorClasses } from './task-error.ts';

export interface ActorOptions {
  /** For texts: `Counter`. */
  readonly className: string;
  readonly location: ClassLocation;
  /** Constructor arguments; references among them are resolved first. */
  readonly args?: readonly unknown[];
  /** Calls at a time; default 1 for a serial class, 1000 for an async one. */
  readonly maxConcurrency?: number;
  /** What the class is, when the caller knows: otherwise the thread says so when it is ready. */
  readonly isAsync?: boolean;
  /** How often it is started again after an unexpected death; -1 = for ever. Default 0. */
  readonly maxRestarts?: number;
  /** Default of calls; 0. */
  readonly maxTaskRetries?: number;
  /** Default of calls; false. */
  readonly retryExceptions?: RetryPolicy['retryExceptions'];
  /** Pending calls at a time; one more throws PendingCallsLimitExceeded. Default -1 = no limit. */
  readonly maxPendingCalls?: number;
  /** Environment of the thread; absent: the daemon's without its secrets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Beside it, for this actor alone. */
  readonly extraEnv?: Readonly<Record<string, string>>;
  readonly maxHeapMb?: number;
  /** Kill it when its loop stood still for so long; 0 = never. Default 60,000. */
  readonly unresponsiveMs?: number;
  /** What the actor may ask its daemon for. */
  readonly services?: Readonly<Record<string, ActorService>>;
  /** Where it prints to; absent: a file of its own in the runtime's log folder. */
  readonly logPath?: string;
  /** The user's error classes by name, to give thrown errors their class. */
  readonly errorClasses?: Promise<ErrorClasses>;
}

/** What a single call may set for itself. */
export type CallOptions = Partial<RetryPolicy>;

/** Makes an actor. Returns at once: calls may be made before it is ready. */
export function createActor(runtime: ActorRuntime, options: ActorOptions): ActorHandle {
  return new ActorHandle(runtime, options);
}

export class ActorHandle implements RefSource {
  /** Unique, 16 hex digits, the same over all restarts. */
  readonly actorId = crypto.randomUUID().replaceAll('-', '').slice(0, 16);
  readonly #runtime: ActorRuntime;
  readonly #options: ActorOptions;
  readonly #retry: RetryPolicy;
  readonly #died = Promise.withResolvers<ActorDeath>();
  /** Constructor arguments, resolved in place; kept for restarts. */
  readonly #args: unknown[];
  #state: ActorState = { kind: 'DEPENDENCIES_UNREADY' };
  #isAsync: boolean | undefined;
  #restarts = 0;
  #isRestartingKill = false;
  #nextCallId = 1;
  /** Sent to the instance. */
  readonly #sent = new Map<number, PendingCall>();
  /** Not sent: an argument is missing, one before them waits, or there is no instance. In order of submission. */
  #held: PendingCall[] = [];
  #readyRefs: ObjectRef[] = [];
  #classes: ErrorClasses | undefined;

  constructor(runtime: ActorRuntime, options: ActorOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#isAsync = options.isAsync;
    this.#retry = { maxTaskRetries: options.maxTaskRetries ?? 0, retryExceptions: options.retryExceptions ?? false };
    this.#args = this.#copyArgs('constructor', options.args ?? []);
    // Not awaited when a call fails: a main module under its own top-level await would wait for itself.
    options.errorClasses?.then(
      (classes) => (this.#classes = classes),
      () => {},
    );
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
    return this.#sent.size + this.#held.length;
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
    if (state.kind === 'DEAD') {
      ref.settleError(this.#deathError(state.death));
      return ref;
    }
    if (state.kind === 'RESTARTING' && retry.maxTaskRetries === 0) {
      ref.settleError(this.#unavailable());
      return ref;
    }
    const call = new PendingCall('call', ref, method, copies, retry);
    this.#submit(call);
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
    else this.#submit(new PendingCall('terminate', ref, '', [], { maxTaskRetries: 0, retryExceptions: false }));
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
    const sent = this.#sent.get(callId);
    const call = sent ?? this.#held.find((other) => other.callId === callId);
    if (call === undefined || call.isCancelled || call.kind !== 'call') return;
    call.isCancelled = true;
    call.retriesLeft = 0;
    if (sent === undefined) this.#held = this.#held.filter((other) => other !== call);
    else this.#instance?.cancel(callId);
    call.ref.settleError(
      new TaskCancelledError(`${this.#name(call)} of actor ${this.actorId} was cancelled by its caller`),
    );
    if (sent === undefined) this.#sendHeld();
  }

  get #instance(): ActorInstance | undefined {
    return 'instance' in this.#state ? this.#state.instance : undefined;
  }

  #name(call: PendingCall): string {
    return `${this.className}.${call.method}`;
  }

  #checkLimit(): void {
    const limit = this.#options.maxPendingCalls ?? -1;
    if (limit < 0 || this.pendingCalls < limit || limit === 0) return;
    throw new PendingCallsLimitExceeded(
      `actor ${this.className} (${this.actorId}): ${this.pendingCalls} calls are pending, its maxPendingCalls; get some of them first`,
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

  #submit(call: PendingCall): void {
    if (call.args.some((arg) => arg instanceof ObjectRef)) this.#awaitArguments(call);
    if (call.ref.state !== 'pending') return;
    const isFree = call.missing === 0 && (this.#held.length === 0 || this.#isAsync === true);
    const instance = isFree ? this.#instance : undefined;
    if (instance) this.#send(call, instance);
    else this.#held.push(call);
  }

  #awaitArguments(call: PendingCall): void {
    call.missing = 1;
    ArgumentWait.resolve(
      call.args,
      () => {
        call.missing = 0;
        this.#sendHeld();
      },
      (cause) => {
        this.#held = this.#held.filter((other) => other !== call);
        call.ref.settleError(this.#taskError(call, cause));
        this.#sendHeld();
      },
    );
  }

  #send(call: PendingCall, instance: ActorInstance): void {
    this.#sent.set(call.callId, call);
    if (call.kind === 'terminate') instance.terminate();
    else instance.call(call.callId, call.method, call.args);
    // The frame holds them until it has left; without retries nobody needs them again.
    if (call.retriesLeft === 0) call.args = NO_ARGS;
  }

  #sendHeld(): void {
    const instance = this.#instance;
    if (this.#held.length === 0 || instance === undefined) return;
    const held = this.#held;
    this.#held = [];
    for (const [index, call] of held.entries()) {
      if (call.missing === 0) {
        this.#send(call, instance);
      } else if (this.#isAsync === true && call.kind === 'call') {
        this.#held.push(call);
      } else {
        this.#held.push(...held.slice(index));
        return;
      }
    }
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
    this.#sendHeld();
  }

  #start(): ActorInstance {
    const {
      className,
      location,
      maxConcurrency,
      isAsync,
      env,
      extraEnv,
      maxHeapMb,
      unresponsiveMs,
      services,
      logPath,
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
        ...(maxHeapMb !== undefined && { maxHeapMb }),
        ...(unresponsiveMs !== undefined && { unresponsiveMs }),
        ...(services && { services }),
        ...(logPath !== undefined && { logPath }),
      },
      this.#events,
    );
  }

  readonly #events: InstanceEvents = {
    ready: (_methods, isAsync) => {
      const instance = this.#instance;
      if (instance === undefined) return;
      this.#isAsync = isAsync;
      this.#state = { kind: 'ALIVE', instance };
      for (const ref of this.#readyRefs.splice(0)) ref.settleValue(true);
      this.#sendHeld();
    },
    started: (callId) => {
      const call = this.#sent.get(callId);
      if (call) call.isStarted = true;
    },
    done: (callId, value) => {
      const call = this.#sent.get(callId);
      if (call === undefined) return;
      this.#sent.delete(callId);
      call.ref.settleValue(value);
    },
    failed: (callId, error) => this.#onFailed(callId, error),
    cancelled: (callId) => void this.#sent.delete(callId),
    doomed: (death) => this.#lose(death),
    ended: (death) => this.#onEnded(death),
  };

  #onFailed(callId: number, wire: WireError): void {
    const call = this.#sent.get(callId);
    if (call === undefined) return;
    const original = originalError(wire, this.#classes);
    if (call.retriesLeft !== 0 && isRetried(call.retry, original) && this.#state.kind === 'ALIVE') {
      call.retriesLeft -= 1;
      call.attempt += 1;
      this.#send(call, this.#state.instance);
      return;
    }
    this.#sent.delete(callId);
    call.ref.settleError(this.#taskError(call, original, wire.stack));
  }

  #taskError(call: PendingCall, original: Error, remoteStack?: string): Error {
    const { actorId } = this;
    return taskError(original, { functionName: this.#name(call), actorId, pid: process.pid, remoteStack });
  }

  /** The instance answers no more: settle or keep what it had, and decide whether another follows. */
  #lose(death: ActorDeath): void {
    if (this.#instance === undefined) return;
    const isAgain = death.reason === 'KILLED' ? this.#isRestartingKill : isRestartable(death);
    const { maxRestarts = 0 } = this.#options;
    if (!isAgain || (maxRestarts >= 0 && this.#restarts >= maxRestarts) || this.#isLeaving()) {
      this.#die(death, false);
      return;
    }
    this.#isRestartingKill = false;
    this.#state = { kind: 'RESTARTING', instance: undefined };
    const again: PendingCall[] = [];
    const unavailable = this.#unavailable(death);
    for (const call of this.#sent.values()) {
      if (call.retriesLeft === 0) {
        call.ref.settleError(unavailable);
      } else {
        call.retriesLeft -= 1;
        call.attempt += 1;
        call.isStarted = false;
        again.push(call);
      }
    }
    this.#sent.clear();
    this.#held = [...again, ...this.#held].sort((a, b) => a.callId - b.callId);
  }

  /** Whether it was asked to end: then a crash on the way out is its end all the same. */
  #isLeaving(): boolean {
    for (const call of this.#sent.values()) if (call.kind === 'terminate') return true;
    return false;
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

  #die(death: ActorDeath, isGone: boolean): void {
    if (this.#state.kind === 'DEAD') return;
    this.#state = { kind: 'DEAD', death };
    const error = this.#deathError(death);
    const calls = [...this.#sent.values(), ...this.#held];
    this.#sent.clear();
    this.#held = [];
    for (const ref of this.#readyRefs.splice(0)) ref.settleError(error);
    for (const call of calls) call.ref.settleError(error);
    if (isGone) this.#died.resolve(death);
  }

  #deathError(death: ActorDeath): RayActorError {
    if (death.reason !== 'UNSCHEDULABLE') return new ActorDiedError(this.actorId, this.className, death);
    return new ActorUnschedulableError(
      this.actorId,
      `actor ${this.className} cannot be placed: ${death.error?.message ?? 'no node can hold it'}`,
    );
  }

  #unavailable(death?: ActorDeath): ActorUnavailableError {
    return new ActorUnavailableError(
      this.actorId,
      `actor ${this.className} (${this.actorId}) is being restarted: the call may or may not have been executed`,
      death && new ActorDiedError(this.actorId, this.className, death),
    );
  }
}

const NO_ARGS: unknown[] = [];

function isRetried({ retryExceptions }: RetryPolicy, error: Error): boolean {
  if (typeof retryExceptions === 'boolean') return retryExceptions;
  return retryExceptions.some((kind) => error instanceof kind);
}
