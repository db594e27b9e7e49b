/**
 * Collects messages and writes them as one frame a tick; holds them back while the stream is full (a write that returned
 * false), so that a slow peer costs a queue of messages, not of frames.
 */
export class Batcher<Message> {
  readonly #write: (messages: Message[], sequence: number) => boolean;
  #waiting: Message[] = [];
  #sequence = 0;
  #state: 'idle' | 'scheduled' | 'full' | 'closed' = 'idle';

  /** @param write sends one frame; false asks to wait for `drained()` */
  constructor(write: (messages: Message[], sequence: number) => boolean) {
    this.#write = write;
  }

  add(message: Message): void {
    if (this.#state === 'closed') return;
    this.#waiting.push(message);
    if (this.#state !== 'idle') return;
    this.#state = 'scheduled';
    setImmediate(() => this.#flush());
  }

  /** The stream takes frames again. */
  drained(): void {
    if (this.#state === 'full') this.#flush();
  }

  /** Writes what waits and takes nothing more. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#flush();
    this.#state = 'closed';
  }

  #flush(): void {
    if (this.#state === 'closed') return;
    this.#state = 'idle';
    if (this.#waiting.length === 0) return;
    const messages = this.#waiting;
    this.#waiting = [];
    this.#sequence += 1;
    if (!this.#write(messages, this.#sequence)) this.#state = 'full';
  }
}
