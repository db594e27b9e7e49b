/**
 * What one side has to say and the other has not acknowledged: messages that wait for a number, and numbered frames that are
 * kept until they are acknowledged. Knows no stream; `session.ts` asks it for the next frame to write.
 *
 * Invariants: B1 a frame keeps its number and its messages for life. B2 never more than `window` frames are numbered and not
 * acknowledged. B3 no frame is larger than MAX_MESSAGE_BYTES.
 */
import { SkeinError } from '../kernel/errors.ts';
import { MAX_MESSAGE_BYTES } from './channel.ts';

export interface KeptFrame<Message> {
  readonly sequence: number;
  readonly messages: readonly Message[];
  readonly bytes: number;
}

/** A frame is closed when it reaches this, so that no frame holds the stream for long (reliability page: 1 MiB). */
const FRAME_BYTES = 1024 * 1024;
const FRAME_MESSAGES = 2_000;
/** Tag and length of a message inside a frame. */
const MESSAGE_OVERHEAD = 8;
/** What is left when the frame's own fields are in. */
export const LARGEST_MESSAGE = MAX_MESSAGE_BYTES - 64;

export class Outbox<Message> {
  /** Frames of ours that the peer lets be unacknowledged. */
  window = 0;
  /** The first `#written` of them went to the present stream. */
  readonly #kept: KeptFrame<Message>[] = [];
  #written = 0;
  /** Not numbered yet; those before `#taken` are gone already. */
  #waiting: { readonly message: Message; readonly bytes: number }[] = [];
  #taken = 0;
  #bytes = 0;
  #lastSent = 0;

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Frames that have a number and are not acknowledged. */
  get unacknowledged(): number {
    return this.#kept.length;
  }

  /** @param size encoded bytes of the message; at most LARGEST_MESSAGE with its overhead, or no frame can carry it */
  add(message: Message, size: number): void {
    const bytes = sizeInFrame(size);
    this.#waiting.push({ message, bytes });
    this.#bytes += bytes;
  }

  /** Whether a peer that took care of our frames up to `lastReceived` lacks none that we have forgotten. */
  canGoOnFrom(lastReceived: number): boolean {
    const firstKept = this.#kept[0]?.sequence ?? this.#lastSent + 1;
    return lastReceived >= firstKept - 1 && lastReceived <= this.#lastSent;
  }

  /** A new stream: every kept frame is to be written again. */
  rewind(): void {
    this.#written = 0;
  }

  /** Forgets all frames up to `sequence`, and gives them. @throws SkeinError CORRUPT for one that was never sent */
  acknowledge(sequence: number): readonly KeptFrame<Message>[] {
    if (sequence > this.#lastSent) {
      throw new SkeinError('CORRUPT', `frame ${sequence} is acknowledged, and ${this.#lastSent} was the last one sent`);
    }
    let count = 0;
    for (const frame of this.#kept) {
      if (frame.sequence > sequence) break;
      this.#bytes -= frame.bytes;
      count += 1;
    }
    this.#written = Math.max(0, this.#written - count);
    return this.#kept.splice(0, count);
  }

  /** The next frame for the present stream, which counts as written; undefined when there is none, or no room for one. */
  next(): KeptFrame<Message> | undefined {
    const frame = this.#kept[this.#written] ?? this.#number();
    if (frame) this.#written += 1;
    return frame;
  }

  /** Every message that is not acknowledged, in order. */
  list(): Message[] {
    const waiting = this.#waiting.slice(this.#taken).map(({ message }) => message);
    return [...this.#kept.flatMap(({ messages }) => messages), ...waiting];
  }

  clear(): void {
    this.#kept.length = 0;
    this.#written = 0;
    this.#waiting = [];
    this.#taken = 0;
    this.#bytes = 0;
  }

  /** A new frame out of what waits, if the window has room. */
  #number(): KeptFrame<Message> | undefined {
    if (this.#kept.length >= this.window || this.#taken === this.#waiting.length) return undefined;
    const messages: Message[] = [];
    let bytes = 0;
    for (; messages.length < FRAME_MESSAGES; this.#taken += 1) {
      const next = this.#waiting[this.#taken];
      if (!next || (messages.length > 0 && bytes + next.bytes > FRAME_BYTES)) break;
      messages.push(next.message);
      bytes += next.bytes;
    }
    // Half of it is gone: each message is moved once or twice in its life, however many wait.
    if (this.#taken * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#taken);
      this.#taken = 0;
    }
    this.#lastSent += 1;
    const frame = { sequence: this.#lastSent, messages, bytes };
    this.#kept.push(frame);
    return frame;
  }
}

/** What a message of `size` encoded bytes takes in a frame. */
export function sizeInFrame(size: number): number {
  return size + MESSAGE_OVERHEAD;
}
