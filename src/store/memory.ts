/**
 * The in-memory store, for tests and dry runs: GCS's semantics to the letter, nothing durable. Faults are put around it,
 * or around any other store, by `faults.ts`.
 *
 * Invariants: M1 generations rise over all names, so none comes twice. M2 bytes are copied in and out: what a caller does
 * to its buffer afterwards changes nothing. M3 a call takes effect in one turn, so racers see one order.
 */
import { throwIfCancelled } from '../kernel/retry.ts';
import { compareNames, validateObjectName, validatePrefix } from './object-name.ts';
import type {
  CallOptions,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  ReadOptions,
  RemoveOutcome,
  StoredObject,
  WriteOutcome,
} from './port.ts';

const MAX_PAGE = 1000;

const infoOf = ({ name, generation, sizeBytes, updatedMs }: StoredObject): ObjectInfo => ({
  name,
  generation,
  sizeBytes,
  updatedMs,
});

const named = new Map<string, MemoryStore>();

/** A store of its own, which its URL does not open again. */
export function createMemoryStore(): ObjectStore {
  return new MemoryStore('memory:');
}

/** The store of this process at `memory:<any name>`: the same one at every call with the same URL. */
export function openMemoryStore(url: string): ObjectStore {
  const store = named.get(url) ?? new MemoryStore(url);
  named.set(url, store);
  return store;
}

class MemoryStore implements ObjectStore {
  readonly url: string;
  readonly #objects = new Map<string, StoredObject>();
  /* As in GCS: microseconds of the clock, made to rise. */
  #generation = BigInt(Date.now()) * 1000n;

  constructor(url: string) {
    this.url = url;
  }

  create(name: string, bytes: Uint8Array, options: CallOptions = {}): Promise<WriteOutcome> {
    return this.#write(name, bytes, undefined, options);
  }

  replace(name: string, bytes: Uint8Array, generation: string, options: CallOptions = {}): Promise<WriteOutcome> {
    return this.#write(name, bytes, generation, options);
  }

  async read(name: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    const object = this.#objects.get(validateObjectName(name));
    throwIfCancelled(options.signal, `reading ${name}`);
    const { start = 0, end } = options.range ?? {};
    return object && { ...object, bytes: Buffer.from(object.bytes.subarray(start, end)) };
  }

  async stat(name: string, options: CallOptions = {}): Promise<ObjectInfo | undefined> {
    const object = this.#objects.get(validateObjectName(name));
    throwIfCancelled(options.signal, `looking at ${name}`);
    return object && infoOf(object);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    validatePrefix(prefix);
    throwIfCancelled(options.signal, `listing ${prefix}`);
    const pageSize = Math.min(Math.max(1, options.pageSize ?? MAX_PAGE), MAX_PAGE);
    const keys = new Set<string>();
    for (const name of this.#objects.keys()) {
      if (!name.startsWith(prefix)) continue;
      const cut = options.delimiter === undefined ? -1 : name.indexOf(options.delimiter, prefix.length);
      const key = cut === -1 ? name : name.slice(0, cut + 1);
      if (options.pageToken === undefined || compareNames(key, options.pageToken) > 0) keys.add(key);
    }
    const sorted = [...keys].sort(compareNames);
    const page = sorted.slice(0, pageSize);
    const last = page.at(-1);
    return {
      objects: page.flatMap((key) => this.#objects.get(key) ?? []).map(infoOf),
      prefixes: page.filter((key) => key.endsWith('/')),
      ...(sorted.length > pageSize && last !== undefined && { nextPageToken: last }),
    };
  }

  async remove(name: string, generation: string, options: CallOptions = {}): Promise<RemoveOutcome> {
    const object = this.#objects.get(validateObjectName(name));
    throwIfCancelled(options.signal, `removing ${name}`);
    if (object === undefined) return { kind: 'absent' };
    if (object.generation !== generation) return { kind: 'conflict', generation: object.generation };
    this.#objects.delete(name);
    return { kind: 'removed' };
  }

  async checkWritable(): Promise<void> {
    // Memory is.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What was stored stays for whoever else has this store open.
  }

  async #write(
    name: string,
    bytes: Uint8Array,
    expected: string | undefined,
    options: CallOptions,
  ): Promise<WriteOutcome> {
    validateObjectName(name);
    throwIfCancelled(options.signal, `writing ${name}`);
    const standing = this.#objects.get(name)?.generation;
    if (standing !== expected) return { kind: 'conflict', generation: standing };
    this.#generation += 1n;
    const generation = String(this.#generation);
    this.#objects.set(name, {
      name,
      generation,
      sizeBytes: bytes.byteLength,
      updatedMs: Date.now(),
      bytes: Buffer.from(bytes),
    });
    return { kind: 'written', generation };
  }
}
