/**
 * The `gs://` store: Google Cloud Storage through Google's own client. Reached by dynamic import only (`open.ts`): the client
 * costs tens of megabytes, and no actor thread may pay for it.
 *
 * Not here: the client's options and how a call is ended (`gcs-client.ts`), what errors mean (`gcs-errors.ts`), bodies of
 * objects (`gcs-download.ts`), trying again (`create-or-confirm.ts`, `prefix.ts`: whoever calls).
 *
 * Invariants: B1 every call ends by its deadline, whatever the network does, and leaves no socket behind. B2 a write names
 * the generation that it expects, 0 for none. B3 a whole object that was read has the length and the checksum that the
 * server has for it. B4 a written object has the checksum of our bytes, else the server refuses it. B5 so many calls are
 * in flight and no more: sockets are not bounded by the library.
 */
import pLimit from 'p-limit';

import { asError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { retry, throwIfCancelled, withDeadline } from '../kernel/retry.ts';
import { checkUsable } from './check-usable.ts';
import { isTransient } from './create-or-confirm.ts';
import { endable, makeGcsClient, type GcsClient } from './gcs-client.ts';
import { download, updatedMsOf } from './gcs-download.ts';
import { gcsError, verdictOf, type GcsPlace } from './gcs-errors.ts';
import { ensureExpiryRule } from './gcs-lifecycle.ts';
import { getResource, listPage, removeObject, upload, type ListQuery, type Resource } from './gcs-requests.ts';
import { parseGsUrl, type GsPlace } from './gs-url.ts';
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

export interface GcsOptions {
  /** Of an emulator, `http://host:port`; with it no credentials are needed. */
  readonly endpoint?: string;
  /** A call without a body, milliseconds. Default 10,000. */
  readonly metadataTimeoutMs?: number;
  /** A call with a body, milliseconds. Default 30,000. */
  readonly dataTimeoutMs?: number;
  /** What such a call gets besides for each MiB, milliseconds. Default 1,000. */
  readonly msPerMib?: number;
  /** What opening may take in all, milliseconds. Default 9,000. */
  readonly openTimeoutMs?: number;
}

const IN_FLIGHT = 32;
const MAX_PAGE = 1000;
const MIB = 1024 * 1024;

/**
 * Opens the bucket of `url` and asks it one question, so that a bucket that is missing, forbidden or out of reach is known
 * within `openTimeoutMs`. Makes nothing.
 * @param field what the URL is for, as the user wrote it; the error's text names it
 * @throws SkeinError INVALID_INPUT for the URL or the endpoint, PREFLIGHT with the command that mends it
 */
export async function openGcsStore(url: string, field = '--store', options: GcsOptions = {}): Promise<ObjectStore> {
  const place = parseGsUrl(url, field);
  const endpoint = options.endpoint === undefined ? undefined : endpointOf(options.endpoint);
  const store = new GcsStore(place, makeGcsClient(place.bucket, endpoint), { ...options, endpoint });
  await store.greet(field, options.openTimeoutMs ?? 9_000);
  return store;
}

function endpointOf(text: string): string {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '') return url.origin;
  throw new SkeinError(
    'INVALID_INPUT',
    `SKEIN_GCS_ENDPOINT: ${JSON.stringify(text)} is no address of a server; write http://host:port`,
    { fields: { field: 'SKEIN_GCS_ENDPOINT' } },
  );
}

interface Call {
  readonly what: string;
  readonly isWrite: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

class GcsStore implements ObjectStore {
  readonly url: string;
  readonly #prefix: string;
  readonly #client: GcsClient;
  readonly #place: GcsPlace;
  readonly #metadataMs: number;
  readonly #dataMs: number;
  readonly #msPerMib: number;
  readonly #limit = pLimit(IN_FLIGHT);

  constructor(
    place: GsPlace,
    client: GcsClient,
    options: Omit<GcsOptions, 'endpoint'> & { endpoint: string | undefined },
  ) {
    this.url = place.url;
    this.#prefix = place.prefix;
    this.#client = client;
    this.#place = { url: place.url, bucket: place.bucket, endpoint: options.endpoint };
    this.#metadataMs = options.metadataTimeoutMs ?? 10_000;
    this.#dataMs = options.dataTimeoutMs ?? 30_000;
    this.#msPerMib = options.msPerMib ?? 1_000;
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

  async [Symbol.asyncDispose](): Promise<void> {
    // The client holds idle sockets only, which hold up no process.
  }

  /** One question to the bucket. @throws SkeinError PREFLIGHT, within `timeoutMs` */
  async greet(field: string, timeoutMs: number): Promise<void> {
    let last = `${this.url}: no answer`;
    try {
      await withDeadline(`opening ${this.url}`, timeoutMs, undefined, async (signal) => {
        const onRetry = (error: unknown): void => void (last = asError(error).message);
        if (this.#place.endpoint === undefined) {
          last = `signing in to Google for ${this.url} takes too long; sign in anew: gcloud auth application-default login`;
          await this.#authenticate(signal);
          last = `${this.url}: no answer`;
        }
        const ask = () => this.list('', { pageSize: 1, signal });
        await retry(ask, { tries: 4, isRetryable: isTransient, signal, onRetry });
      });
    } catch (error) {
      const { endpoint } = this.#place;
      const server = endpoint === undefined ? '' : `; is the server at SKEIN_GCS_ENDPOINT=${endpoint} up?`;
      const text = isSkeinError(error, 'DEADLINE') ? `${last} within ${timeoutMs} ms${server}` : asError(error).message;
      throw new SkeinError('PREFLIGHT', `${field}: ${text}`, { cause: error, fields: { field } });
    }
  }

  async #authenticate(signal: AbortSignal): Promise<void> {
    const { authClient } = this.#client.storage;
    await endable(this.#client.hostname, signal, () => authClient.getAccessToken()).catch((error: unknown) => {
      throw gcsError('signing in to Google', error, false, this.#place);
    });
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

  #info(name: string, { generation, size, updated }: Resource): ObjectInfo {
    if (generation === undefined || size === undefined || updated === undefined) {
      throw new SkeinError('CORRUPT', `${name} in ${this.url}: the answer lacks generation, size or time`);
    }
    const text = String(generation);
    return { name, generation: text, sizeBytes: Number(size), updatedMs: updatedMsOf(text, Date.parse(updated)) };
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
