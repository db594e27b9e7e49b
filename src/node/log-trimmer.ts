/**
 * Looks after the logs of running tasks: each is cut back when it has grown too long (`LogSlice.trim`). One timer for all
 * of them, which stops by itself when nothing runs.
 */
import type { LogSlice } from './log-slice.ts';

/** A look is one `stat` a running task. */
const LOOK_EVERY_MS = 200;

export class LogTrimmer implements Disposable {
  readonly #slices = new Set<Pick<LogSlice, 'trim'>>();
  #timer: NodeJS.Timeout | undefined;

  /** Watches over `slice` until the result is called. */
  watch(slice: Pick<LogSlice, 'trim'>): () => void {
    this.#slices.add(slice);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    return () => this.#slices.delete(slice);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#slices.clear();
  }

  #look(): void {
    if (this.#slices.size === 0) return this[Symbol.dispose]();
    for (const slice of this.#slices) slice.trim();
  }
}
