/**
 * Progress on a terminal, drawn over itself by log-update: a line a database, the tasks that run longest and where, the whole.
 * Loaded only where somebody looks.
 */
import { createLogUpdate } from 'log-update';

import type { RunProgress } from '../embed/run-progress.ts';
import type { Output } from './output.ts';
import { bar, databasesToShow, durationText, progressLine, RunClock, stateOf } from './progress-text.ts';
import type { ProgressView } from './progress-view.ts';

const DRAW_EVERY_MS = 100;
const BAR_WIDTH = 24;
/** Of the tasks in flight, the oldest. */
const TASKS_SHOWN = 3;

export class LiveView implements ProgressView {
  readonly #err: Output;
  readonly #clock = new RunClock();
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
    const { shown, hidden } = databasesToShow(progress, rows - 6 - TASKS_SHOWN);
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
    for (const { instanceId, node, elapsedS } of progress.inFlight.slice(0, TASKS_SHOWN)) {
      const where = node === '' ? '' : ` on ${node}`;
      lines.push(colors.dim(`  ${instanceId}${where}, for ${durationText(elapsedS)}`));
    }
    const done = progress.rowsOk + progress.rowsError;
    const line = progressLine(progress, this.#clock.of(progress), performance.now());
    return [...lines, `${bar(done, progress.total, BAR_WIDTH)} ${line}`].join('\n');
  }
}
