/**
 * A reference to a value that exists or will: the result of a call, or what `put` took. Not a thenable: an `async`
 * function that returns a reference must hand out the reference, not wait for its value. Wait with `ray.get(ref)` or
 * `ref.promise()`.
 *
 * Invariants:
 * O1 it settles once. What is waiting hears of it in the order in which it began to wait.
 * O2 each reader gets a copy of its own, so what one does to it no other sees.
 * O3 an error that nobody reads disturbs nobody.
 */
import { markAsUncloneable } from 'node:worker_threads';

import { snapshot } from '../kernel/snapshot.ts';
import { ObjectFreedError } from './errors.ts';

/** Hears of the settling of a reference. */
export interface RefWaiter {
  refSettled(ref: ObjectRef<unknown>): void;
}

/** What a reference comes from: a call of an actor, or `put`. */
export interface RefSource {
  readonly refPrefix: string;
  cancelCall?(callId: number): void;
}

type State = 'pending' | 'value' | 'error' | 'freed';

const PUT: RefSource = { refPrefix: 'put' };
let nextPut = 1;

export class ObjectRef<T = unknown> {
  declare readonly __value?: T;
  /** @internal */
  state: State = 'pending';
  /** @internal the value or the error */
  content: unknown = undefined;
  #waiters: RefWaiter | RefWaiter[] | undefined;
  /** @internal */
  readonly source: RefSource;
  /** @internal unique within the source: the call's id */
  readonly number: number;

  /** @internal references come from calls and from `put` */
  constructor(source: RefSource, number: number) {
    this.source = source;
    this.number = number;
    // A reference inside a value would arrive as an empty object: refuse it instead.
    markAsUncloneable(this);
  }

  /** Unique in this process. */
  get id(): string {
    return `${this.source.refPrefix}-${this.number}`;
  }

  /** Settles as the reference does. Each promise gives a copy of its own. */
  promise(): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.state === 'pending') this.wait(new PromiseWaiter(resolve as (value: unknown) => void, reject));
      else deliver(this, resolve as (value: unknown) => void, reject);
    });
  }

  /** Lets the value go. A later `get` fails with ObjectFreedError; a pending call goes on. */
  release(): void {
    const isWaitedFor = this.#waiters !== undefined;
    const error = new ObjectFreedError(`object ${this.id} was released`);
    this.state = 'freed';
    this.content = error;
    if (isWaitedFor) this.#tell();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `ObjectRef(${this.id}, ${this.state})`;
  }

  /** @internal tells `waiter` when it settles; only while pending */
  wait(waiter: RefWaiter): void {
    if (this.#waiters === undefined) this.#waiters = waiter;
    else if (Array.isArray(this.#waiters)) this.#waiters.push(waiter);
    else this.#waiters = [this.#waiters, waiter];
  }

  /** @internal takes back a `wait` */
  unwait(waiter: RefWaiter): void {
    if (this.#waiters === waiter) this.#waiters = undefined;
    else if (Array.isArray(this.#waiters)) this.#waiters = this.#waiters.filter((other) => other !== waiter);
  }

  /** @internal */
  settleValue(value: unknown): void {
    if (this.state !== 'pending') return;
    this.state = 'value';
    this.content = value;
    if (this.#waiters !== undefined) this.#tell();
  }

  /** @internal */
  settleError(error: Error): void {
    if (this.state !== 'pending') return;
    this.state = 'error';
    this.content = error;
    if (this.#waiters !== undefined) this.#tell();
  }

  #tell(): void {
    const waiters = this.#waiters;
    this.#waiters = undefined;
    if (Array.isArray(waiters)) for (const waiter of waiters) waiter.refSettled(this);
    else waiters?.refSettled(this);
  }
}

class PromiseWaiter implements RefWaiter {
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  refSettled(ref: ObjectRef<unknown>): void {
    deliver(ref, this.#resolve, this.#reject);
  }
}

function deliver(ref: ObjectRef<unknown>, resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
  if (ref.state === 'value') resolve(readValue(ref));
  else reject(ref.content);
}

/** A copy of the value of a settled reference (O2). */
export function readValue(ref: ObjectRef<unknown>): unknown {
  const { content } = ref;
  return typeof content === 'object' && content !== null ? snapshot(content) : content;
}

/**
 * A reference to a copy of `value`.
 * @throws DataCloneError when it cannot be cloned
 */
export function putValue<T>(value: T): ObjectRef<T> {
  const ref = new ObjectRef<T>(PUT, nextPut++);
  ref.settleValue(snapshot(value));
  return ref;
}
