/** A run's progress as text: counts, rate, time left. Pure; who draws it is `progress-view.ts`. */
import type { RunProgress } from '../embed/run-progress.ts';

/** When and where the counting began, for a rate: rows that an earlier command left count for nothing. */
export interface ProgressStart {
  readonly atMs: number;
  readonly done: number;
}

/** When a run's counting began: at its first progress. */
export class RunClock {
  #start: ProgressStart | undefined;

  of({ rowsOk, rowsError }: RunProgress): ProgressStart {
    return (this.#start ??= { atMs: performance.now(), done: rowsOk + rowsError });
  }
}

const doneOf = ({ rowsOk, rowsError }: RunProgress): number => rowsOk + rowsError;

/** `42 of 137 done, 2 in flight, 1 error, 3.1/s, 31 s left`. */
export function progressLine(progress: RunProgress, start: ProgressStart, nowMs: number): string {
  const { total, rowsError, inFlight, helperFailures } = progress;
  const done = doneOf(progress);
  const parts = [`${done} of ${total} done`, `${inFlight.length} in flight`, plural(rowsError, 'error')];
  const elapsedS = (nowMs - start.atMs) / 1000;
  const rate = elapsedS > 0 ? (done - start.done) / elapsedS : 0;
  if (rate > 0) parts.push(rateText(rate));
  if (rate > 0 && done < total) parts.push(`${durationText((total - done) / rate)} left`);
  if (progress.nodes === 0 && done < total) parts.push('no node is there');
  else if (progress.nodes !== undefined && progress.nodes > 1) parts.push(`${progress.nodes} nodes`);
  if (progress.retried > 0) parts.push(`${progress.retried} lost and started again`);
  if (progress.lateRows > 0) parts.push(plural(progress.lateRows, 'late row'));
  if (helperFailures > 0) parts.push(`${plural(helperFailures, 'upload')} failed`);
  if (progress.waitingFor) parts.push(progress.waitingFor);
  return parts.join(', ');
}

function rateText(perSecond: number): string {
  if (perSecond >= 1) return `${perSecond.toFixed(perSecond >= 10 ? 0 : 1)}/s`;
  return `${(perSecond * 60).toFixed(1)}/min`;
}

/** `8 s`, `3 min 20 s`, `2 h 5 min`. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 1) return `${seconds.toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** What failed without failing a task, in one line; none where nothing did (P-33). */
export function helperLines(failedHelpers: Readonly<Record<string, number>>): string[] {
  const kinds = Object.entries(failedHelpers).filter(([, count]) => count > 0);
  if (kinds.length === 0) return [];
  const named = kinds.sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `${count} ${kind}`);
  return [`uploads that failed: ${named.join(', ')}; no task failed by it, its files may be missing`];
}

/** A bar of `width` cells, filled by the share of `done` in `total`. */
export function bar(done: number, total: number, width: number): string {
  const filled = total === 0 ? width : Math.floor((done / total) * width);
  return '█'.repeat(filled) + '░'.repeat(width - filled);
}

type DatabaseProgress = RunProgress['databases'][number];
export type DatabaseState = 'waiting' | 'running' | 'done' | 'errors';

export function stateOf({ done, total, errors, inFlight }: DatabaseProgress): DatabaseState {
  if (done >= total) return errors > 0 ? 'errors' : 'done';
  return inFlight > 0 || done > 0 ? 'running' : 'waiting';
}

/** Those to show in `rows` lines: what runs first, then what waits, then what has ended. `hidden`: how many do not fit. */
export function databasesToShow(
  progress: RunProgress,
  rows: number,
): { readonly shown: readonly DatabaseProgress[]; readonly hidden: number } {
  const rank: Readonly<Record<DatabaseState, number>> = { running: 0, errors: 1, waiting: 2, done: 3 };
  const sorted = progress.databases.toSorted((a, b) => rank[stateOf(a)] - rank[stateOf(b)]);
  const shown = sorted.slice(0, Math.max(0, rows));
  return { shown, hidden: sorted.length - shown.length };
}
