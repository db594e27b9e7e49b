/**
 * One side of a conversation that outlives its streams: numbers frames, keeps them until the peer has acknowledged them, and
 * sends the rest again on the next stream. Knows no socket: whoever owns a stream attaches it and hands its frames in.
 *
 *     silent ──attach──▶ attached ──detach──▶ silent …        close: everything is dropped, for good
 *
 * Invariants: S1 a message is delivered at most once and in order, whatever the streams do; a gap is refused (CORRUPT)
 * and mended by the next stream. S2 never more than the peer's window of frames is unacknowledged. S3 what is kept is
 * bounded: above `maxQueuedBytes` the owner is told, who then gives the session up.
 */
import { SkeinError } from '../kernel/errors.ts';
import { LARGEST_MESSAGE, Outbox, sizeInFrame } from './outbox.ts';

/** What travels: `sequence` 0 carries nothing but an acknowledgement. */
export interface Frame<Message> {
  readonly sequence: number;
  readonly messages: readonly Message[];
  /** All frames of the other side up to this one are taken care of. */
  readonly acknowledged: number;
}

/** Writes one frame to a stream; false asks to wait for `drained`. */
export type FrameWriter<Message> = (frame: Frame<Message>) => boolean;

/** What the peer said in its hello or welcome. */
export interface PeerState {
  /** The last frame of ours that it took care of. */
  readonly lastReceived: number;
  /** Frames of ours that it lets be unacknowledged. */
  readonly window: number;
}

export interface SessionOptions<Out, In> {
  /** Encoded bytes of one message, without the few that a frame adds. */
  sizeOf(message: Out): number;
  /** What a message is called in an error. */
  kindOf(message: Out): string;
  /** Called once for every message of the peer, in its order. */
  deliver(message: In): void;
  /** Called once for every message of ours that the peer has taken care of, in order. */
  onAcknowledged?(message: Out): void;
  /** Bytes that may be kept for a peer that does not acknowledge. Default 64 MiB. */
  readonly maxQueuedBytes?: number;
  /** More than that is kept. */
  onOverflow?(queuedBytes: number): void;
}

/** Frames that a side lets the other have unacknowledged, unless it says otherwise. */
export const DEFAULT_WINDOW = 64;

const DEFAULT_QUEUED_BYTES = 64 * 1024 * 1024;

export class Session<Out, In> {
  readonly #options: SessionOptions<Out, In>;
  readonly #outbox = new Outbox<Out>();
  #lastReceived = 0;
  #stream: { readonly write: FrameWriter<Out>; isFull: boolean } | undefined;
  #isAckDue = false;
  #isScheduled = false;
  #isClosed = false;
  #settled: PromiseWithResolvers<void> | undefined;

  constructor(options: SessionOptions<Out, In>) {
    this.#options = options;
  }

  /** The last frame of the peer that is taken care of. */
  get lastReceived(): number {
    return this.#lastReceived;
  }

  /** Bytes that are kept for the peer. */
  get queuedBytes(): number {
    return this.#outbox.bytes;
  }

  /** Frames sent and not acknowledged. */
  get unacknowledged(): number {
    return this.#outbox.unacknowledged;
  }

  /**
   * Joins the frame of this tick; kept until the peer has acknowledged it. Nothing happens on a closed session.
   * @throws SkeinError INVALID_INPUT for a message that no frame can carry
   */
  send(message: Out): void {
    if (this.#isClosed) return;
    const { maxQueuedBytes = DEFAULT_QUEUED_BYTES } = this.#options;
    const size = this.#options.sizeOf(message);
    const bytes = sizeInFrame(size);
    if (bytes > LARGEST_MESSAGE) {
      throw new SkeinError(
        'INVALID_INPUT',
        `${this.#options.kindOf(message)} of ${bytes} bytes does not fit on the wire (at most ${LARGEST_MESSAGE})`,
      );
    }
    this.#outbox.add(message, size);
    if (this.#outbox.bytes > maxQueuedBytes) this.#options.onOverflow?.(this.#outbox.bytes);
    this.#schedule();
  }

  /** Whether a peer that took care of our frames up to `lastReceived` can go on with this session. */
  canResume(lastReceived: number): boolean {
    return !this.#isClosed && this.#outbox.canGoOnFrom(lastReceived);
  }

  /** Goes on over a new stream: what the peer has not seen is sent again first. */
  attach(write: FrameWriter<Out>, peer: PeerState): void {
    this.#outbox.window = Math.max(1, peer.window);
    this.#acknowledge(peer.lastReceived);
    this.#outbox.rewind();
    this.#stream = { write, isFull: false };
    this.#schedule();
  }

  /** The stream is gone. */
  detach(): void {
    this.#stream = undefined;
  }

  /** The stream takes frames again. */
  drained(): void {
    if (this.#stream) this.#stream.isFull = false;
    this.#flush();
  }

  /** Takes in one frame of the peer. @throws SkeinError CORRUPT when it cannot follow what came before */
  receive({ sequence, messages, acknowledged }: Frame<In>): void {
    if (this.#isClosed) return;
    this.#acknowledge(acknowledged);
    this.#schedule();
    if (sequence === 0) return;
    this.#isAckDue = true;
    if (sequence <= this.#lastReceived) return;
    if (sequence !== this.#lastReceived + 1) {
      throw new SkeinError('CORRUPT', `frame ${sequence} came after frame ${this.#lastReceived}`);
    }
    this.#lastReceived = sequence;
    for (const message of messages) {
      this.#options.deliver(message);
      if (this.#isStopped()) return;
    }
  }

  /** Resolves when the peer has acknowledged everything; at once when nothing is kept, or when the session is closed. */
  settled(): Promise<void> {
    if (this.#outbox.bytes === 0) return Promise.resolve();
    this.#settled ??= Promise.withResolvers();
    return this.#settled.promise;
  }

  /** What the peer has not acknowledged, in order: it may or may not have seen it. */
  undelivered(): Out[] {
    return this.#outbox.list();
  }

  /** Gives the session up. */
  close(): void {
    this.#isClosed = true;
    this.#stream = undefined;
    this.#outbox.clear();
    this.#settle();
  }

  /** A delivery may have closed this session. */
  #isStopped(): boolean {
    return this.#isClosed;
  }

  #settle(): void {
    this.#settled?.resolve();
    this.#settled = undefined;
  }

  #acknowledge(sequence: number): void {
    const frames = this.#outbox.acknowledge(sequence);
    if (this.#options.onAcknowledged) {
      for (const { messages } of frames) for (const message of messages) this.#options.onAcknowledged(message);
    }
    if (this.#outbox.bytes === 0) this.#settle();
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#stream) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const stream = this.#stream;
    while (stream && stream === this.#stream && !stream.isFull) {
      const frame = this.#outbox.next();
      if (!frame && !this.#isAckDue) return;
      this.#isAckDue = false;
      const { sequence, messages } = frame ?? { sequence: 0, messages: [] };
      stream.isFull = !stream.write({ sequence, messages, acknowledged: this.#lastReceived });
    }
  }
}
