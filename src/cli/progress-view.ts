/**
 * What a person sees while a command works, on stderr: one live view on a terminal (log-update draws it), plain lines
 * where nobody draws over them, nothing when told to be quiet.
 *
 * Invariants: V1 a view never holds up the work nor keeps the process alive. V2 disposing leaves the terminal as it was,
 * with the notes on it, and may be done twice. V3 plain lines come at most every `LINE_EVERY_MS`.
 */
import { createLogUpdate } from 'log-update';

import type { RunProgress } from '../embed/embedded-run.ts';
import type { Output } from './output.ts';
import { bar, databasesToShow, durationText, progressLine, stateOf, type ProgressStart } from './progress-text.ts';

export interface ProgressView extends Disposable {
  /** Something worth a line of its own, now. */
  note(line: string): void;
  /** What is going on, and how far: `caches 3 of 14`. */
  phase(text: string): void;
  run(progress: RunProgress): void;
}

const DRAW_EVERY_MS = 100;
const LINE_EVERY_MS = 2_000;
const BAR_WIDTH = 24;
const MIN_COLUMNS = 40;

export function openView(err: Output, isQuiet: boolean): ProgressView {
  if (isQuiet) return { note() {}, phase() {}, run() {}, [Symbol.dispose]() {} };
  // A terminal that has no size, or hardly any, cannot be drawn on.
  const canDraw = err.isTerminal && (err.stream.columns ?? MIN_COLUMNS) >= MIN_COLUMNS;
  return canDraw ? new LiveView(err) : new PlainView(err);
}

/** When a run's counting began, by its first progress. */
class Clock {
  #start: ProgressStart | undefined;

  of({ rowsOk, rowsError }: RunProgress): ProgressStart {
    return (this.#start ??= { atMs: performance.now(), done: rowsOk + rowsError });
  }
}

class PlainView implements ProgressView {
  readonly #err: Output;
  readonly #clock = new Clock();
  #lastMs = Number.NEGATIVE_INFINITY;
  #lastText = '';
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
    this.#offer(progressLine(progress, this.#clock.of(progress), performance.now()));
    // The last word of a run is always said.
    if (progress.rowsOk + progress.rowsError >= progress.total) this.#flush();
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

class LiveView implements ProgressView {
  readonly #err: Output;
  readonly #clock = new Clock();
  readonly #draw: ReturnType<typeof createLogUpdate>;
  readonly #timer: NodeJS.Timeout;
  #phase = '';
  #progress: RunProgress | undefined;
  #isClosed = false;

  constructor(err: Output) {
    this.#err = err;
    this.#draw = createLogUpdate(err.stream as NodeJS.WriteStream);
    // Times and rates move on also when nothing is reported.
    this.#timer = setInterval(() => this.#show(), DRAW_EVERY_MS).unref();
  }

  note(line: string): void {
    this.#draw.persist(line);
    this.#show();
  }

  phase(text: string): void {
    this.#phase = text;
    this.#progress = undefined;
  }

  run(progress: RunProgress): void {
    this.#progress = progress;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#draw.clear();
    this.#draw.done();
  }

  #show(): void {
    if (this.#err.gone.aborted) return;
    const text = this.#progress ? this.#runText(this.#progress) : this.#phase;
    if (text !== '') this.#draw(text);
  }

  #runText(progress: RunProgress): string {
    const { colors, stream } = this.#err;
    const rows = (stream as NodeJS.WriteStream).rows ?? 24;
    const { shown, hidden } = databasesToShow(progress, rows - 6);
    const width = Math.max(0, ...shown.map(({ database }) => database.length));
    const lines = shown.map((each) => {
      const { database, done, total, errors } = each;
      const state = stateOf(each);
      const paint = { waiting: colors.dim, running: colors.cyan, done: colors.green, errors: colors.red }[state];
      const mark = { waiting: '·', running: '▸', done: '✓', errors: '✗' }[state];
      const trouble = errors > 0 ? colors.red(`  ${errors} with error`) : '';
      return `${paint(`${mark} ${database.padEnd(width)}`)} ${bar(done, total, BAR_WIDTH)} ${done}/${total}${trouble}`;
    });
    if (hidden > 0) lines.push(colors.dim(`  and ${hidden} more databases`));
    const [oldest] = progress.inFlight;
    if (oldest) {
      lines.push(colors.dim(`  longest running: ${oldest.instanceId}, ${durationText(oldest.elapsedS)}`));
    }
    const done = progress.rowsOk + progress.rowsError;
    const line = progressLine(progress, this.#clock.of(progress), performance.now());
    return [...lines, `${bar(done, progress.total, BAR_WIDTH)} ${line}`].join('\n');
  }
}
