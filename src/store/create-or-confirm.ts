/**
 * Writes that survive a bad line: tried again, and where an answer was lost, read back and compared.
 *
 * Not here: what a store's errors are (`port.ts`), many files at once (`prefix.ts`).
 *
 * Invariants: C1 success means that exactly these bytes stand under the name. C2 somebody else's bytes are never
 * overwritten by `createOrConfirm`; they are handed back as a conflict. C3 a full disk, a bad name and missing rights are
 * not tried again. C4 a read whose bytes are fewer than its size never passes for the object.
 */
import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { retry, withDeadline, type RetryOptions } from '../kernel/retry.ts';
import { isLasting } from './fs-errors.ts';
import { isLastingAnswer } from './gcs-errors.ts';
import type { ObjectStore, ReadOptions, StoredObject } from './port.ts';

export interface PersistOptions extends Pick<
  RetryOptions,
  'tries' | 'baseMs' | 'maxMs' | 'onRetry' | 'sleep' | 'random'
> {
  readonly signal?: AbortSignal | undefined;
  /** One call of the store may take this long; afterwards its outcome counts as unknown. Default 60,000. */
  readonly callTimeoutMs?: number;
}

/** What became of a create. `conflict` carries what stands there instead. */
export type CreateResult =
  | { readonly kind: 'created'; readonly generation: string }
  /** These very bytes stood there already, ours or a twin's. */
  | { readonly kind: 'confirmed'; readonly generation: string }
  | { readonly kind: 'conflict'; readonly standing: StoredObject };

const CALL_TIMEOUT_MS = 60_000;
/**
 * With waits of 0 to 8 s each, 4 s in the middle: about a minute, which is how long a store's bad minute may be (reliability
 * F8) before whoever has no spool behind it gives up.
 */
const TRIES = 18;

/** Whether a store's error is worth another try. A deadline of one call is; a cut download is. */
export function isTransient(error: unknown): boolean {
  if (!isSkeinError(error, 'STORE_UNAVAILABLE', 'OUTCOME_UNKNOWN', 'DEADLINE', 'CORRUPT')) return false;
  return !isLasting(error) && !isLastingAnswer(error);
}

/**
 * The whole object, or undefined if there is none; tried once only.
 * @throws SkeinError CORRUPT if fewer bytes came than the object has (C4)
 */
export async function readChecked(
  store: ObjectStore,
  name: string,
  options: Pick<ReadOptions, 'signal'> = {},
): Promise<StoredObject | undefined> {
  const object = await store.read(name, options);
  if (object === undefined || object.bytes.byteLength === object.sizeBytes) return object;
  throw new SkeinError(
    'CORRUPT',
    `${name} in ${store.url}: ${object.bytes.byteLength} of ${object.sizeBytes} bytes came; fetch it again`,
  );
}

/** `readChecked`, tried again as `options` say. */
export function readPatiently(
  store: ObjectStore,
  name: string,
  options: PersistOptions = {},
): Promise<StoredObject | undefined> {
  return callPatiently(`reading ${name}`, options, (signal) => readChecked(store, name, { signal }));
}

/** One call of a store that may be made twice without harm, tried again as `options` say. `what` is for errors' text. */
export function callPatiently<T>(
  what: string,
  options: PersistOptions,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return patiently(options, () => bounded(what, options, call));
}

/**
 * Creates `name`, or finds out that these bytes stand there already (DESIGN rule 2, reliability F4).
 * @throws SkeinError the last error once the tries are used up; DISK_FULL, INVALID_INPUT, CANCELLED at once
 */
export function createOrConfirm(
  store: ObjectStore,
  name: string,
  bytes: Uint8Array,
  options: PersistOptions = {},
): Promise<CreateResult> {
  return patiently(options, async () => {
    const refused = await attempt(() =>
      bounded(`writing ${name}`, options, (signal) => store.create(name, bytes, { signal })),
    );
    if (refused.kind === 'written') return { kind: 'created', generation: refused.generation };
    const standing = await bounded(`reading ${name}`, options, (signal) => readChecked(store, name, { signal }));
    if (standing === undefined) {
      // Never arrived, or was removed since: the next try finds out.
      throw refused.kind === 'unknown' ? refused.error : vanished(name);
    }
    if (standing.bytes.equals(bytes)) return { kind: 'confirmed', generation: standing.generation };
    return { kind: 'conflict', standing };
  });
}

/**
 * Puts `bytes` under `name` whatever stands there; for objects with one owner (status, lease renewals are not).
 * @param options `generation`: what the owner's last write gave, which saves asking for it
 * @returns the new generation
 * @throws SkeinError STORE_CONFLICT if another writer keeps getting in between; else as `createOrConfirm`
 */
export function overwrite(
  store: ObjectStore,
  name: string,
  bytes: Uint8Array,
  options: PersistOptions & { readonly generation?: string | undefined } = {},
): Promise<string> {
  let expected = options.generation;
  return patiently(options, async () => {
    for (let turn = 0; turn < 10; turn += 1) {
      const outcome = await attempt(() =>
        bounded(`writing ${name}`, options, (signal) =>
          expected === undefined
            ? store.create(name, bytes, { signal })
            : store.replace(name, bytes, expected, { signal }),
        ),
      );
      if (outcome.kind === 'written') return outcome.generation;
      if (outcome.kind === 'conflict') {
        expected = outcome.generation;
        continue;
      }
      const standing = await bounded(`reading ${name}`, options, (signal) => readChecked(store, name, { signal }));
      if (standing?.bytes.equals(bytes)) return standing.generation;
      expected = standing?.generation;
      throw outcome.error;
    }
    throw new SkeinError('STORE_CONFLICT', `${name} in ${store.url}: another writer keeps changing it`);
  });
}

type Attempt<T> = T | { readonly kind: 'unknown'; readonly error: unknown };

/** A write whose answer may have been lost on the way, as a value. */
async function attempt<T>(write: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return await write();
  } catch (error) {
    if (isSkeinError(error, 'OUTCOME_UNKNOWN', 'DEADLINE')) return { kind: 'unknown', error };
    throw error;
  }
}

function patiently<T>(options: PersistOptions, work: () => Promise<T>): Promise<T> {
  return retry(work, { tries: TRIES, ...options, isRetryable: isTransient });
}

function bounded<T>(what: string, options: PersistOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withDeadline(what, options.callTimeoutMs ?? CALL_TIMEOUT_MS, options.signal, work);
}

function vanished(name: string): SkeinError {
  return new SkeinError('STORE_UNAVAILABLE', `${name} stood in the way of a create and was gone when it was read`);
}
