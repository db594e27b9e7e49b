/** One call that a submitter has made and that has not settled: what is needed to send it, send it again, or end it. */
import { ObjectRef, type RefWaiter } from './object-ref.ts';

/** How often a call may be tried again. */
export interface RetryPolicy {
  /** After the death of its actor; -1 = as often as the actor comes back. */
  readonly maxTaskRetries: number;
  /** Whether (or for which classes) a throw of the method counts too. */
  readonly retryExceptions: boolean | readonly (abstract new (...args: never[]) => Error)[];
}

export class PendingCall {
  readonly callId: number;
  readonly kind: 'call' | 'terminate';
  readonly method: string;
  args: unknown[];
  readonly ref: ObjectRef;
  readonly retry: RetryPolicy;
  retriesLeft: number;
  /** 1, 2, 3 … */
  attempt = 1;
  /** Arguments that are references without a value yet. */
  missing = 0;
  isStarted = false;
  /** Its caller has its answer already; the actor's is ignored. */
  isCancelled = false;

  constructor(kind: 'call' | 'terminate', ref: ObjectRef, method: string, args: unknown[], retry: RetryPolicy) {
    this.kind = kind;
    this.callId = ref.number;
    this.ref = ref;
    this.method = method;
    this.args = args;
    this.retry = retry;
    this.retriesLeft = retry.maxTaskRetries;
  }

  /** Uses up a retry (none of -1 = for ever). */
  nextAttempt(): void {
    if (this.retriesLeft > 0) this.retriesLeft -= 1;
    this.attempt += 1;
    this.isStarted = false;
  }

  /** Whether a throw of `error` is retried. */
  isRetriedOn(error: Error): boolean {
    if (this.retriesLeft === 0) return false;
    const { retryExceptions } = this.retry;
    if (typeof retryExceptions === 'boolean') return retryExceptions;
    return retryExceptions.some((kind) => error instanceof kind);
  }
}

/** Waits for the references among `args` and puts their values in their places. */
export class ArgumentWait implements RefWaiter {
  readonly #args: unknown[];
  readonly #refs = new Set<ObjectRef>();
  readonly #onReady: () => void;
  readonly #onFailed: (error: Error) => void;

  /** Calls back at once when nothing is missing. `onFailed` at most once, with the first failure. */
  static resolve(args: unknown[], onReady: () => void, onFailed: (error: Error) => void): void {
    new ArgumentWait(args, onReady, onFailed).#begin();
  }

  constructor(args: unknown[], onReady: () => void, onFailed: (error: Error) => void) {
    this.#args = args;
    this.#onReady = onReady;
    this.#onFailed = onFailed;
  }

  #begin(): void {
    for (const arg of this.#args) if (arg instanceof ObjectRef && arg.state === 'pending') this.#refs.add(arg);
    if (this.#refs.size === 0) return this.#finish();
    for (const ref of this.#refs) ref.wait(this);
  }

  refSettled(ref: ObjectRef): void {
    if (!this.#refs.delete(ref)) return;
    if (ref.state === 'value' && this.#refs.size > 0) return;
    for (const other of this.#refs) other.unwait(this);
    this.#refs.clear();
    this.#finish();
  }

  #finish(): void {
    const args = this.#args;
    const failed = args.find((arg) => arg instanceof ObjectRef && arg.state !== 'value' && arg.state !== 'pending');
    if (failed !== undefined) return this.#onFailed((failed as ObjectRef).content as Error);
    // The content itself, not a copy: sending it copies it.
    for (const [index, arg] of args.entries()) if (arg instanceof ObjectRef) args[index] = arg.content;
    this.#onReady();
  }
}
