/**
 * An object that is written again and again, each time longer, as somebody sees it who looks now and then: only what came
 * since the last look is read, by range.
 *
 * Invariants: G1 what was given once is not given again while the object only grows. G2 an object that was replaced by another
 * one is noticed by its length or by its bytes before the last end, and is given from its begin. G3 bytes of two generations are
 * never joined: what is read is one generation's.
 */
import { callPatiently, type PersistOptions } from './create-or-confirm.ts';
import type { ObjectStore } from './port.ts';

/** How many bytes before the last end are read again, to see whether it is still the same object. */
const OVERLAP_BYTES = 256;

export type Growth =
  /** Nothing stands there, or nothing came. */
  | { readonly kind: 'nothing' }
  /** `isAnew`: it is another one than was given before, from its begin. */
  | { readonly kind: 'more'; readonly bytes: Buffer; readonly isAnew: boolean };

export class GrowingObject {
  readonly #store: ObjectStore;
  #name: string;
  #generation: string | undefined;
  /** Bytes that were given. */
  #given = 0;
  /** The last of them. */
  #last: Buffer = Buffer.alloc(0);

  constructor(store: ObjectStore, name: string) {
    this.#store = store;
    this.#name = name;
  }

  get name(): string {
    return this.#name;
  }

  /** It goes on under another name: what was given under the first one is not given again. */
  moveTo(name: string): void {
    if (name === this.#name) return;
    this.#name = name;
    this.#generation = undefined;
  }

  /** What came since the last look. @throws SkeinError the store's */
  async look(options: PersistOptions = {}): Promise<Growth> {
    const name = this.#name;
    const info = await callPatiently(`looking at ${name}`, options, (signal) => this.#store.stat(name, { signal }));
    if (!info || info.generation === this.#generation) return { kind: 'nothing' };
    if (info.sizeBytes >= this.#given) {
      const start = this.#given - this.#last.byteLength;
      const read = await this.#read(start, options);
      if (!read) return { kind: 'nothing' };
      const overlap = read.bytes.subarray(0, this.#last.byteLength);
      if (overlap.equals(this.#last)) {
        this.#generation = read.generation;
        return this.#give(read.bytes.subarray(overlap.byteLength), false);
      }
    }
    const whole = await this.#read(0, options);
    if (!whole) return { kind: 'nothing' };
    this.#generation = whole.generation;
    const isAnew = this.#given > 0;
    this.#given = 0;
    this.#last = Buffer.alloc(0);
    return this.#give(whole.bytes, isAnew);
  }

  #give(bytes: Buffer, isAnew: boolean): Growth {
    this.#given += bytes.byteLength;
    this.#last = Buffer.from(Buffer.concat([this.#last, bytes.subarray(-OVERLAP_BYTES)]).subarray(-OVERLAP_BYTES));
    return bytes.byteLength === 0 && !isAnew ? { kind: 'nothing' } : { kind: 'more', bytes, isAnew };
  }

  async #read(start: number, options: PersistOptions): Promise<{ bytes: Buffer; generation: string } | undefined> {
    const name = this.#name;
    const range = start > 0 ? { range: { start } } : {};
    return callPatiently(`reading ${name}`, options, (signal) => this.#store.read(name, { ...range, signal }));
  }
}
