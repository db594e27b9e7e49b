/**
 * The calls of one submitter to one actor that have not settled: which were sent to the instance, and which are held
 * because an argument is missing, a call before them is held, or there is no instance.
 *
 * Not here: the actor's life (`handle.ts`), which connects the table to an instance and cuts it off.
 *
 * Invariants:
 * C1 calls are sent in the order of submission; only an async actor may be sent a later one past a held one.
 * C2 a call is in exactly one of the two lists until its reference has settled, and in none after, except a cancelled
 *    one that was sent: it stays until the instance has done with it.
 */
import { ObjectRef } from './object-ref.ts';
import { ArgumentWait, type PendingCall } from './pending-call.ts';
import type { ActorInstance } from './runtime.ts';

const NO_ARGS: unknown[] = [];

export class CallTable {
  /** Unknown until the class is loaded, unless the caller knows: until then, order is kept. */
  isAsync: boolean | undefined;
  #instance: ActorInstance | undefined;
  readonly #sent = new Map<number, PendingCall>();
  #held: PendingCall[] = [];
  readonly #argumentError: (call: PendingCall, cause: Error) => Error;

  /** @param argumentError what a call fails with when an argument of it had failed with `cause` */
  constructor(isAsync: boolean | undefined, argumentError: (call: PendingCall, cause: Error) => Error) {
    this.isAsync = isAsync;
    this.#argumentError = argumentError;
  }

  get size(): number {
    return this.#sent.size + this.#held.length;
  }

  /** Whether the instance was asked to end. */
  get isEnding(): boolean {
    for (const call of this.#sent.values()) if (call.kind === 'terminate') return true;
    return false;
  }

  submit(call: PendingCall): void {
    if (call.args.some((arg) => arg instanceof ObjectRef)) this.#awaitArguments(call);
    if (call.ref.state !== 'pending') return;
    const isFree = call.missing === 0 && (this.#held.length === 0 || this.isAsync === true);
    if (isFree && this.#instance) this.#send(call, this.#instance);
    else this.#held.push(call);
  }

  /** Sends to `instance` from now on, first what was held for want of one. */
  connect(instance: ActorInstance): void {
    this.#instance = instance;
    this.sendHeld();
  }

  /** Sends what need not be held any longer. */
  sendHeld(): void {
    const instance = this.#instance;
    if (this.#held.length === 0 || instance === undefined) return;
    const held = this.#held;
    this.#held = [];
    for (const [index, call] of held.entries()) {
      if (call.missing === 0) {
        this.#send(call, instance);
      } else if (this.isAsync === true && call.kind === 'call') {
        this.#held.push(call);
      } else {
        this.#held.push(...held.slice(index));
        return;
      }
    }
  }

  /** A call that was sent. */
  sent(callId: number): PendingCall | undefined {
    return this.#sent.get(callId);
  }

  /** The instance has done with it. */
  remove(callId: number): void {
    this.#sent.delete(callId);
  }

  /** Sends it once more, after a throw that its policy retries. */
  sendAgain(call: PendingCall): void {
    if (this.#instance === undefined) return;
    call.nextAttempt();
    this.#send(call, this.#instance);
  }

  /** Settles the call with `error` now; one that has not begun will not. */
  cancel(callId: number, error: (call: PendingCall) => Error): void {
    const sent = this.#sent.get(callId);
    const call = sent ?? this.#held.find((other) => other.callId === callId);
    if (call === undefined || call.isCancelled || call.kind !== 'call') return;
    call.isCancelled = true;
    call.retriesLeft = 0;
    call.ref.settleError(error(call));
    if (sent) {
      this.#instance?.cancel(callId);
    } else {
      this.#held = this.#held.filter((other) => other !== call);
      this.sendHeld();
    }
  }

  /** The instance is lost and another follows: what may be tried again is held for it, the rest fails with `error`. */
  disconnect(error: Error): void {
    this.#instance = undefined;
    const again: PendingCall[] = [];
    for (const call of this.#sent.values()) {
      if (call.retriesLeft === 0) {
        call.ref.settleError(error);
      } else {
        call.nextAttempt();
        again.push(call);
      }
    }
    this.#sent.clear();
    this.#held = [...again, ...this.#held].sort((a, b) => a.callId - b.callId);
  }

  /** All is over: every call fails with `error`. */
  close(error: Error): void {
    this.#instance = undefined;
    const calls = [...this.#sent.values(), ...this.#held];
    this.#sent.clear();
    this.#held = [];
    for (const call of calls) call.ref.settleError(error);
  }

  #awaitArguments(call: PendingCall): void {
    call.missing = 1;
    ArgumentWait.resolve(
      call.args,
      () => {
        call.missing = 0;
        this.sendHeld();
      },
      (cause) => {
        this.#held = this.#held.filter((other) => other !== call);
        call.ref.settleError(this.#argumentError(call, cause));
        this.sendHeld();
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
}
