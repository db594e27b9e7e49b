/**
 * The verbs of the `gs://` store, each one bounded call of Google's API or two.
 *
 * Not here: opening (`gcs.ts`), the client's options and how a call is ended (`gcs-client.ts`), the requests themselves
 * (`gcs-requests.ts`, `gcs-download.ts`), what errors mean (`gcs-errors.ts`), trying again (`create-or-confirm.ts`,
 * `prefix.ts`: whoever calls).
 *
 * Invariants: B1 every call ends by its deadline, whatever the network does, and leaves no socket behind. B2 a write names
 * the generation that it expects, 0 for none. B3 a whole object that was read has the length and the checksum that the
 * server has for it. B4 a written object has the checksum of our bytes, else the server refuses it. B5 so many calls are
 * in flight and no more: sockets are not bounded by the library.
 */
import pLimit from 'p-limit';

import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { throwIfCancelled, withDeadline } from '../kernel/retry.ts';
import { checkUsable } from './check-usable.ts';
import { endable, type GcsClient } from './gcs-client.ts';
import { download, updatedMsOf } from './gcs-download.ts';
import { gcsError, verdictOf, type GcsPlace } from './gcs-errors.ts';
import { ensureExpiryRule, expiryDaysOf } from './gcs-lifecycle.ts';
import {
  getResource,
  listPage,
  patchHold,
  removeObject,
  upload,
  type ListQuery,
  type Resource,
} from './gcs-requests.ts';
import type { GsPlace } from './gs-url.ts';
import { objectNameProblem, validateObjectName, validatePrefix } from './object-name.ts';
import type {
  CallOptions,
  ExpiryOutcome,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  ReadOptions,
  RemoveOutcome,
  StoredObject,
  WriteOutcome,
} from './port.ts';

export interface GcsTimeouts {
  /** A call without a body, milliseconds. Default 10,000. */
  readonly metadataTimeoutMs?: number;
  /** A call with a body, milliseconds. Default 30,000. */
  readonly dataTimeoutMs?: number;
  /** What such a call gets besides for each MiB, milliseconds. Default 1,000. */
  readonly msPerMib?: number;
}

const IN_FLIGHT = 32;
const MAX_PAGE = 1000;
const MIB = 1024 * 1024;

interface Call {
  readonly what: string;
  readonly isWrite: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export class GcsStore implements ObjectStore {
  readonly url: string;
  readonly #prefix: string;
  readonly #client: GcsClient;
  readonly #place: GcsPlace;
  readonly #metadataMs: number;
  readonly #dataMs: number;
  readonly #msPerMib: number;
  readonly #limit = pLimit(IN_FLIGHT);

  constructor(place: GcsPlace & GsPlace, client: GcsClient, timeouts: GcsTimeouts = {}) {
    this.url = place.url;
    this.#prefix = place.prefix;
    this.#client = client;
    this.#place = place;
    this.#metadataMs = timeouts.metadataTimeoutMs ?? 10_000;
    this.#dataMs = timeouts.dataTimeoutMs ?? 30_000;
    this.#msPerMib = timeouts.msPerMib ?? 1_000;
  }

  create(name: string, bytes: Uint8Array, options: CallOptions = {}): Promise<WriteOutcome> {
    return this.#write(name, bytes, '0', options);
  }

  replace(name: string, bytes: Uint8Array, generation: string, options: CallOptions = {}): Promise<WriteOutcome> {
    return this.#write(name, bytes, generation, options);
  }

  async read(name: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    const full = this.#full(name);
    const { start = 0, end } = options.range ?? {};
    // HTTP has no empty range.
    if (end !== undefined && end <= start) return this.#emptyRange(name, options);
    const call = { what: `reading ${name}`, isWrite: false, timeoutMs: this.#dataMs, signal: options.signal };
    try {
      return await this.#call(call, async (allowMs) => {
        const range = start === 0 && end === undefined ? undefined : { start, end };
        const onLength = (length: number): void => allowMs(this.#dataTimeoutMs(length));
        const { resource, bytes } = await download(this.#client, full, { what: call.what, range, onLength });
        return { ...this.#info(name, resource), bytes };
      });
    } catch (error) {
      switch (isSkeinError(error) ? error.fields['verdict'] : undefined) {
        case 'absent':
          return undefined;
        case 'range':
          return this.#emptyRange(name, options);
        default:
          throw error;
      }
    }
  }

  async stat(name: string, options: CallOptions = {}): Promise<ObjectInfo | undefined> {
    const full = this.#full(name);
    const call = { what: `looking at ${name}`, isWrite: false, timeoutMs: this.#metadataMs, signal: options.signal };
    return this.#call(call, async () => {
      try {
        return this.#info(name, await getResource(this.#client, full));
      } catch (error) {
        if (verdictOf(error) === 'absent') return undefined;
        throw error;
      }
    });
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    validatePrefix(prefix);
    const { delimiter, pageToken } = options;
    const query: ListQuery = {
      prefix: this.#prefix + prefix,
      maxResults: Math.min(Math.max(1, options.pageSize ?? MAX_PAGE), MAX_PAGE),
      ...(delimiter !== undefined && { delimiter }),
      ...(pageToken !== undefined && { pageToken }),
    };
    const what = `listing ${prefix || 'all'}`;
    const call = { what, isWrite: false, timeoutMs: this.#metadataMs, signal: options.signal };
    return this.#call(call, async () => {
      const { items = [], prefixes = [], nextPageToken } = await listPage(this.#client, query);
      const below = (name: string): string => name.slice(this.#prefix.length);
      return {
        objects: items.map((item) => this.#info(below(item.name ?? ''), item)),
        prefixes: prefixes.map(below),
        ...(nextPageToken !== undefined && { nextPageToken }),
      };
    });
  }

  async remove(name: string, generation: string, options: CallOptions = {}): Promise<RemoveOutcome> {
    const full = this.#full(name);
    const call = { what: `removing ${name}`, isWrite: true, timeoutMs: this.#metadataMs, signal: options.signal };
    const outcome = await this.#call(call, async (): Promise<RemoveOutcome | undefined> => {
      try {
        await removeObject(this.#client, full, generation);
        return { kind: 'removed' };
      } catch (error) {
        const verdict = verdictOf(error);
        if (verdict === 'absent') return { kind: 'absent' };
        if (verdict === 'precondition') return undefined;
        throw error;
      }
    });
    if (outcome !== undefined) return outcome;
    const standing = await this.stat(name, options);
    return standing === undefined ? { kind: 'absent' } : { kind: 'conflict', generation: standing.generation };
  }

  async checkWritable(): Promise<void> {
    await checkUsable(this);
  }

  ensureExpiry(prefix: string, days: number, options: CallOptions = {}): Promise<ExpiryOutcome> {
    validatePrefix(prefix);
    const what = `setting the lifecycle rule of ${prefix}`;
    const call = { what, isWrite: true, timeoutMs: this.#metadataMs, signal: options.signal };
    return this.#call(call, () => ensureExpiryRule(this.#client.bucket, this.#prefix + prefix, days));
  }

  expiryDays(prefix: string, options: CallOptions = {}): Promise<number | undefined> {
    validatePrefix(prefix);
    const what = `looking at the lifecycle rules of ${prefix}`;
    const call = { what, isWrite: false, timeoutMs: this.#metadataMs, signal: options.signal };
    return this.#call(call, () => expiryDaysOf(this.#client.bucket, this.#prefix + prefix));
  }

  setHold(name: string, isHeld: boolean, options: CallOptions = {}): Promise<'set' | 'absent'> {
    const full = this.#full(name);
    const what = `${isHeld ? 'holding' : 'letting go of'} ${name}`;
    const call = { what, isWrite: true, timeoutMs: this.#metadataMs, signal: options.signal };
    return this.#call(call, async () => {
      try {
        await patchHold(this.#client, full, isHeld);
        return 'set';
      } catch (error) {
        if (verdictOf(error) === 'absent') return 'absent';
        throw error;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The client holds idle sockets only, which hold up no process.
  }

  async #write(name: string, bytes: Uint8Array, expected: string, options: CallOptions): Promise<WriteOutcome> {
    const full = this.#full(name);
    const timeoutMs = this.#dataTimeoutMs(bytes.byteLength);
    const call = { what: `writing ${name}`, isWrite: true, timeoutMs, signal: options.signal };
    const outcome = await this.#call(call, async (): Promise<WriteOutcome | undefined> => {
      try {
        const { generation } = await upload(this.#client, full, bytes, expected);
        if (generation !== undefined) return { kind: 'written', generation: String(generation) };
      } catch (error) {
        if (verdictOf(error) === 'precondition') return undefined;
        throw error;
      }
      throw new SkeinError('OUTCOME_UNKNOWN', `${call.what} in ${this.url}: the answer has no generation`);
    });
    if (outcome !== undefined) return outcome;
    const standing = await this.stat(name, options);
    return { kind: 'conflict', generation: standing?.generation };
  }

  #dataTimeoutMs(bytes: number): number {
    return this.#dataMs + (this.#msPerMib * bytes) / MIB;
  }

  async #emptyRange(name: string, options: ReadOptions): Promise<StoredObject | undefined> {
    const info = await this.stat(name, options);
    return info && { ...info, bytes: Buffer.alloc(0) };
  }

  /** @throws SkeinError INVALID_INPUT for a name that is illegal, also one that the store's prefix makes too long */
  #full(name: string): string {
    validateObjectName(name);
    const problem = objectNameProblem(this.#prefix + name);
    if (problem !== undefined) {
      throw new SkeinError(
        'INVALID_INPUT',
        `object name ${JSON.stringify(name)} is refused in ${this.url}: ${problem}`,
      );
    }
    return this.#prefix + name;
  }

  #info(name: string, { generation, size, updated, temporaryHold }: Resource): ObjectInfo {
    if (generation === undefined || size === undefined || updated === undefined) {
      throw new SkeinError('CORRUPT', `${name} in ${this.url}: the answer lacks generation, size or time`);
    }
    const text = String(generation);
    const updatedMs = updatedMsOf(text, Date.parse(updated));
    return { name, generation: text, sizeBytes: Number(size), updatedMs, ...(temporaryHold && { isHeld: true }) };
  }

  /** One call: in its turn, bounded, its errors ours. */
  async #call<T>(call: Call, work: (allowMs: (ms: number) => void) => Promise<T>): Promise<T> {
    const { what, isWrite, timeoutMs, signal } = call;
    throwIfCancelled(signal, what);
    try {
      return await this.#limit(() =>
        withDeadline(what, timeoutMs, signal, (inner, allowMs) =>
          endable(this.#client.hostname, inner, () => work(allowMs)),
        ),
      );
    } catch (error) {
      throw gcsError(what, error, isWrite, this.#place);
    }
  }
}
