/**
 * What a person sees while a command works, on stderr: one live view on a terminal (`live-view.ts`), plain lines
 * where nobody draws over them, nothing when told to be quiet.
 *
 * Invariants: V1 a view never holds up the work nor keeps the process alive. V2 disposing leaves the terminal as it was,
 * with the notes on it, and may be done twice. V3 plain lines come at most every `LINE_EVERY_MS`.
 */
import type { RunProgress } from '../embed/run-progress.ts';
import type { Output } from './output.ts';
import { progressLine, RunClock } from './progress-text.ts';

export interface ProgressView extends Disposable {
  /** Something worth a line of its own, now. */
  note(line: string): void;
  /** What is going on, and how far: `caches 3 of 14`. */
  phase(text: string): void;
  run(progress: RunProgress): void;
}

const LINE_EVERY_MS = 2_000;
const MIN_COLUMNS = 40;

export async function openView(err: Output, isQuiet: boolean): Promise<ProgressView> {
  if (isQuiet) return { note() {}, phase() {}, run() {}, [Symbol.dispose]() {} };
  // A terminal that has no size, or hardly any, cannot be drawn on.
  const canDraw = err.isTerminal && (err.stream.columns ?? MIN_COLUMNS) >= MIN_COLUMNS;
  return canDraw ? new (await import('./live-view.ts')).LiveView(err) : new PlainView(err);
}

class PlainView implements ProgressView {
  readonly #err: Output;
  readonly #clock = new RunClock();
  #lastMs = Number.NEGATIVE_INFINITY;
  #lastText = '';
  #isComplete = false;
  /** Runs while a line waits for its time. */
  #waiting: { text: string; readonly timer: NodeJS.Timeout } | undefined;

  constructor(err: Output) {
    this.#err = err;
  }

  note(line: string): void {
    this.#flush();
    this.#err.line(line);
  }

  phase(text: string): void {
    this.#offer(text);
  }

  run(progress: RunProgress): void {
    if (this.#isComplete) return;
    this.#offer(progressLine(progress, this.#clock.of(progress), performance.now()));
    // The last word of a run is always said, and said once.
    this.#isComplete = progress.rowsOk + progress.rowsError >= progress.total;
    if (this.#isComplete) this.#flush();
  }

  [Symbol.dispose](): void {
    this.#flush();
  }

  #offer(text: string): void {
    if (this.#waiting) return void (this.#waiting.text = text);
    const waitMs = Math.max(0, this.#lastMs + LINE_EVERY_MS - performance.now());
    this.#waiting = { text, timer: setTimeout(() => this.#flush(), waitMs).unref() };
    if (waitMs === 0) this.#flush();
  }

  #flush(): void {
    if (!this.#waiting) return;
    const { text, timer } = this.#waiting;
    clearTimeout(timer);
    this.#waiting = undefined;
    if (text === this.#lastText) return;
    this.#err.line(text);
    this.#lastText = text;
    this.#lastMs = performance.now();
  }
}
