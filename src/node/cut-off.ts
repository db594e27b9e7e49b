/**
 * How long a node that is cut off from its head goes on to start tasks: not as long as the head waits for it. After that the
 * head gives what has not begun to others, and a task that began here as well would be done, and paid for, twice.
 *
 * Not here: what runs already goes on; its result lies beside the other one's if it comes too late (DESIGN rule 2).
 */

/** How much later than the head a node may notice a cut: both find out by a ping that is not answered. */
const NOTICE_MS = 8_000;

export class CutOff implements Disposable {
  readonly #onChange: (trouble: string | undefined) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param onChange told why nothing more may be started, and undefined when the head is back */
  constructor(onChange: (trouble: string | undefined) => void) {
    this.#onChange = onChange;
  }

  /** @param lostAfterMs how long the head waits, the least of those that its runs ask for; 0 = nobody said */
  begin(lostAfterMs: number): void {
    clearTimeout(this.#timer);
    if (lostAfterMs <= 0) return;
    const waitMs = startsAfterCutMs(lostAfterMs);
    const trouble = `cut off from the head for ${Math.round(waitMs / 1000)} s: what waits here may be somebody else's soon`;
    this.#timer = setTimeout(() => this.#onChange(trouble), waitMs);
    this.#timer.unref();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#onChange(undefined);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** For how long after a cut tasks are still started. */
export function startsAfterCutMs(lostAfterMs: number): number {
  return Math.max(lostAfterMs / 2, lostAfterMs - NOTICE_MS);
}
