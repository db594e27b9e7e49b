/** A queue for one place: whoever came first goes first; who gives up waiting is passed over. */
import { throwIfCancelled } from '../kernel/retry.ts';

export class Turnstile {
  readonly #waiting: (() => void)[] = [];
  /** Those whose turn has come. */
  readonly #wasGiven = new WeakSet<() => void>();
  #isTaken = false;

  /**
   * Waits for the place. The result gives it to the next; call it once.
   * @param what for the error's text
   * @throws SkeinError CANCELLED when `signal` fires first
   */
  async enter(signal: AbortSignal, what: string): Promise<() => void> {
    throwIfCancelled(signal, what);
    if (!this.#isTaken) {
      this.#isTaken = true;
      return () => this.#leave();
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const giveUp = (): void => {
      const place = this.#waiting.indexOf(resolve);
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      resolve();
    };
    this.#waiting.push(resolve);
    signal.addEventListener('abort', giveUp, { once: true });
    await promise;
    signal.removeEventListener('abort', giveUp);
    if (!signal.aborted) return () => this.#leave();
    // Given up, or given the place in the very moment of giving up.
    if (this.#wasGiven.delete(resolve)) this.#leave();
    return throwIfCancelled(signal, what) as never;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (!next) return void (this.#isTaken = false);
    this.#wasGiven.add(next);
    next();
  }
}
