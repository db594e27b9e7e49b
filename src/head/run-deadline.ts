/** The end of a run's time (`--max-runtime-hours`): when it is, and a timer that keeps nothing alive. */

/** When a run is stopped whatever it has reached. */
export interface RunDeadline {
  /** Since the epoch: a head that takes the run over keeps to it. */
  readonly atMs: number;
  /** What started tasks get then. */
  readonly graceMs: number;
  /** What is said of it. */
  readonly reason: string;
}

/** What one timer can wait for. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class DeadlineTimer implements Disposable {
  #timer: NodeJS.Timeout | undefined;

  /** @param onOver called once, at the deadline or right away if it is over, in a later tick */
  constructor({ atMs }: RunDeadline, onOver: () => void) {
    const wait = (): void => {
      const leftMs = atMs - Date.now();
      this.#timer = setTimeout(leftMs > 0 ? wait : onOver, Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS)).unref();
    };
    wait();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
