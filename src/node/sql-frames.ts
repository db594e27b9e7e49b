/**
 * What the daemon and an SQL executor process say to each other, and how: a frame is four bytes of length (little endian)
 * and a value in V8's serialisation, which keeps integers beyond 2^53 (as bigint), BLOBs (as Uint8Array) and infinities.
 * Both ends are the same Node, so the format is the same.
 *
 * One request is open at a time; the answers come in order.
 */
import { deserialize, serialize } from 'node:v8';

import type { SqlOutcome } from '../frameworks/framework.ts';

/** daemon → executor */
export type ToExecutor =
  | { readonly kind: 'open'; readonly databasePath: string }
  | { readonly kind: 'run'; readonly sql: string; readonly maxRows: number; readonly readOnly: boolean };

/** executor → daemon */
export type FromExecutor =
  | { readonly kind: 'opened' }
  | { readonly kind: 'open-failed'; readonly message: string }
  | { readonly kind: 'outcome'; readonly outcome: SqlOutcome };

/** The largest result that leaves an executor, and the largest single value in it. */
export const MAX_RESULT_BYTES = 64 * 1024 * 1024;

const HEADER_BYTES = 4;

export function frameOf(message: ToExecutor | FromExecutor): Buffer {
  const body = serialize(message);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.byteLength);
  frame.writeUInt32LE(body.byteLength, 0);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** Puts frames together from the chunks in which a stream delivers them. */
export class FrameReader {
  readonly #chunks: Buffer[] = [];
  #haveBytes = 0;
  #wantBytes = HEADER_BYTES;
  #isBody = false;

  /** The messages that `chunk` completes. */
  *push(chunk: Buffer): Generator<unknown> {
    this.#chunks.push(chunk);
    this.#haveBytes += chunk.byteLength;
    while (this.#haveBytes >= this.#wantBytes) {
      const part = this.#take(this.#wantBytes);
      if (this.#isBody) yield deserialize(part);
      this.#wantBytes = this.#isBody ? HEADER_BYTES : part.readUInt32LE(0);
      this.#isBody = !this.#isBody;
    }
  }

  #take(bytes: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#haveBytes);
    this.#chunks.length = 0;
    this.#haveBytes = all.byteLength - bytes;
    if (this.#haveBytes > 0) this.#chunks.push(all.subarray(bytes));
    return all.subarray(0, bytes);
  }
}
