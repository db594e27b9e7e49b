/** `put`, `get`, `wait`: reading references. All times are in seconds, as in Ray. */
import { GetTimeoutError, ValueError } from '../driver/errors.ts';
import { ObjectRef, putValue, readValue, type RefWaiter } from '../driver/object-ref.ts';

/** The values behind a tuple or list of references. */
export type Values<R extends readonly ObjectRef[]> = {
  -readonly [K in keyof R]: R[K] extends ObjectRef<infer T> ? T : never;
};

export interface GetOptions {
  /** Seconds; 0 looks once. Default: for ever. */
  timeout?: number | undefined;
}

/**
 * A reference to a copy of `value`.
 * @throws TypeError for a reference, or for what cannot be cloned
 */
export async function put<T>(value: T): Promise<ObjectRef<T>> {
  if (value instanceof ObjectRef) throw new TypeError('put: this is a reference already');
  try {
    return putValue(value);
  } catch (error) {
    throw new TypeError(`put: the value cannot be cloned: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The value behind a reference, or the values behind a list of them, in its order. The first failure ends the wait.
 * @throws what the call failed with; GetTimeoutError; ValueError for what is no reference, TypeError for such a list item
 */
export function get<T>(ref: ObjectRef<T>, options?: GetOptions): Promise<T>;
export function get<const R extends readonly ObjectRef[]>(refs: R, options?: GetOptions): Promise<Values<R>>;
export function get(refs: unknown, options?: GetOptions): Promise<unknown> {
  try {
    const timeout = options?.timeout;
    if (refs instanceof ObjectRef) {
      return timeout === undefined ? refs.promise() : new ListGet([refs], seconds('get', timeout)).promise.then(first);
    }
    if (!Array.isArray(refs)) throw new ValueError('get: a reference or a list of references is needed');
    for (const [index, ref] of refs.entries()) {
      if (!(ref instanceof ObjectRef)) throw new TypeError(`get: item ${index} of the list is no reference`);
    }
    return new ListGet(refs as ObjectRef[], seconds('get', timeout)).promise;
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

const first = (values: unknown[]): unknown => values[0];

/** Milliseconds of an option in seconds. */
function seconds(what: string, timeout: number | undefined | null): number | undefined {
  if (timeout === undefined || timeout === null) return undefined;
  if (typeof timeout !== 'number' || !(timeout >= 0)) {
    throw new ValueError(`${what}: timeout: ${String(timeout)} is no number of seconds of at least 0`);
  }
  return timeout === Infinity ? undefined : timeout * 1000;
}

/** Waits for all of a list with one promise; hears of each reference once. */
class ListGet implements RefWaiter {
  readonly promise: Promise<unknown[]>;
  readonly #refs: readonly ObjectRef[];
  #missing = 0;
  #timer: NodeJS.Timeout | undefined;
  #resolve!: (values: unknown[]) => void;
  #reject!: (error: unknown) => void;

  constructor(refs: readonly ObjectRef[], timeoutMs: number | undefined) {
    this.#refs = refs;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const failed = refs.find((ref) => ref.state === 'error' || ref.state === 'freed');
    if (failed !== undefined) {
      this.#reject(failed.content);
      return;
    }
    for (const ref of refs) {
      if (ref.state !== 'pending') continue;
      this.#missing += 1;
      ref.wait(this);
    }
    if (this.#missing === 0) this.#finish();
    else if (timeoutMs === 0) this.#expire(0);
    else if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#expire(timeoutMs), timeoutMs);
  }

  refSettled(ref: ObjectRef): void {
    if (ref.state !== 'value') {
      this.#forget(ref);
      this.#reject(ref.content);
      return;
    }
    this.#missing -= 1;
    if (this.#missing === 0) this.#finish();
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#resolve(this.#refs.map(readValue));
  }

  #expire(timeoutMs: number): void {
    this.#forget();
    const text = `get: ${this.#missing} of ${this.#refs.length} objects were not there after ${timeoutMs / 1000} s`;
    this.#reject(new GetTimeoutError(text));
  }

  /** Waits for nothing any more. */
  #forget(settled?: ObjectRef): void {
    clearTimeout(this.#timer);
    for (const ref of this.#refs) if (ref !== settled && ref.state === 'pending') ref.unwait(this);
  }
}

export interface WaitOptions {
  /** How many to wait for. Default 1. */
  numReturns?: number;
  /** Seconds; 0 looks once. Default: for ever. */
  timeout?: number | undefined;
  /** For Ray's sake: values of a local session are always local. */
  fetchLocal?: boolean;
}

/** A pair, and the same by name. */
export type WaitResult<R> = [ready: R[], notReady: R[]] & { readonly ready: R[]; readonly notReady: R[] };

const WAIT_KEYS = new Set(['numReturns', 'timeout', 'fetchLocal']);

/**
 * Waits until `numReturns` of the references have settled (a failed one has). Both lists keep the order of the input, and
 * `ready` never holds more than `numReturns`.
 * @throws TypeError for what is no list of references; ValueError for duplicates, numReturns out of range, a bad timeout
 */
export async function wait<R extends ObjectRef>(refs: readonly R[], options: WaitOptions = {}): Promise<WaitResult<R>> {
  if (!Array.isArray(refs)) throw new TypeError('wait: a list of references is needed');
  for (const [index, ref] of (refs as readonly unknown[]).entries()) {
    if (!(ref instanceof ObjectRef)) throw new TypeError(`wait: item ${index} of the list is no reference`);
  }
  for (const key of Object.keys(options)) if (!WAIT_KEYS.has(key)) throw new ValueError(`wait: ${key} is no option`);
  const { numReturns = 1 } = options;
  const timeoutMs = seconds('wait', options.timeout);
  if (new Set(refs).size !== refs.length) throw new ValueError('wait: the list holds a reference twice');
  if (refs.length === 0) return waitResult([], []);
  if (!Number.isInteger(numReturns) || numReturns < 1 || numReturns > refs.length) {
    throw new ValueError(
      `wait: numReturns: ${String(numReturns)} is not between 1 and ${refs.length}, the length of the list`,
    );
  }
  await settled(refs, numReturns, timeoutMs);
  const ready: R[] = [];
  const notReady: R[] = [];
  for (const ref of refs as readonly R[])
    (ref.state !== 'pending' && ready.length < numReturns ? ready : notReady).push(ref);
  return waitResult(ready, notReady);
}

function waitResult<R>(ready: R[], notReady: R[]): WaitResult<R> {
  return Object.assign([ready, notReady] as [R[], R[]], { ready, notReady });
}

async function settled(refs: readonly ObjectRef[], wanted: number, timeoutMs: number | undefined): Promise<void> {
  let missing = wanted - refs.filter((ref) => ref.state !== 'pending').length;
  if (missing <= 0 || timeoutMs === 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiter: RefWaiter = {
    refSettled() {
      missing -= 1;
      if (missing === 0) resolve();
    },
  };
  const pending = refs.filter((ref) => ref.state === 'pending');
  for (const ref of pending) ref.wait(waiter);
  const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
  await promise;
  clearTimeout(timer);
  for (const ref of pending) if (ref.state === 'pending') ref.unwait(waiter);
}
