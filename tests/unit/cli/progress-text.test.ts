import { describe, expect, it } from 'vitest';

import {
  bar,
  databasesToShow,
  durationText,
  helperLines,
  progressLine,
  stateOf,
} from '../../../src/cli/progress-text.ts';
import type { RunProgress } from '../../../src/embed/run-progress.ts';

const progress = (over: Partial<RunProgress> = {}): RunProgress => ({
  total: 100,
  rowsOk: 0,
  rowsError: 0,
  inFlight: [],
  databases: [],
  nodes: 1,
  actorsLive: 2,
  actorsPending: 0,
  retried: 0,
  lateRows: 0,
  helperFailures: 0,
  failedHelpers: {},
  ...over,
});
const database = (name: string, done: number, inFlight = 0, errors = 0) => ({
  database: name,
  total: 10,
  done,
  errors,
  inFlight,
});

describe('a progress line', () => {
  const start = { atMs: 0, done: 20 };

  it('counts rows that were there before, but not into the rate', () => {
    const line = progressLine(progress({ rowsOk: 39, rowsError: 1 }), start, 10_000);
    expect(line).toBe('40 of 100 done, 0 in flight, 1 error, 2.0/s, 30 s left');
  });

  it('promises nothing before the first row of its own, and nothing once it is done', () => {
    expect(progressLine(progress({ rowsOk: 20 }), start, 10_000)).toBe('20 of 100 done, 0 in flight, 0 errors');
    expect(progressLine(progress({ rowsOk: 100 }), start, 4_000)).toBe('100 of 100 done, 0 in flight, 0 errors, 20/s');
  });

  it('gives slow rates by the minute, and tells of uploads that failed', () => {
    const line = progressLine(progress({ rowsOk: 21, helperFailures: 2 }), start, 60_000);
    expect(line).toBe('21 of 100 done, 0 in flight, 0 errors, 1.0/min, 1 h 19 min left, 2 uploads failed');
  });
});

describe('databases in a view', () => {
  it('come as what runs, what has errors, what waits, what is done, as many as fit', () => {
    const all = [database('done', 10), database('waits', 0), database('runs', 3, 1), database('bad', 10, 0, 2)];
    expect(all.map(stateOf)).toEqual(['done', 'waiting', 'running', 'errors']);
    const { shown, hidden } = databasesToShow(progress({ databases: all }), 3);
    expect([shown.map((each) => each.database), hidden]).toEqual([['runs', 'bad', 'waits'], 1]);
    expect(databasesToShow(progress({ databases: all }), -2)).toEqual({ shown: [], hidden: 4 });
  });

  it('have a bar that is full only at the end', () => {
    expect([bar(0, 3, 6), bar(2, 3, 4), bar(999, 1000, 4), bar(3, 3, 4), bar(0, 0, 2)]).toEqual([
      '░░░░░░',
      '██░░',
      '███░',
      '████',
      '██',
    ]);
  });
});

describe('durations', () => {
  it('are as exact as a person wants them', () => {
    expect([0.34, 8.4, 59.7, 200, 7500].map(durationText)).toEqual([
      '0.3 s',
      '8 s',
      '1 min 0 s',
      '3 min 20 s',
      '2 h 5 min',
    ]);
  });
});

it('uploads that failed are one line, by kind, and none where nothing failed (P-33)', () => {
  expect(helperLines({})).toEqual([]);
  expect(helperLines({ snapshot: 3, log: 1, 'debug-bundle': 0 })).toEqual([
    'uploads that failed: 1 log, 3 snapshot; no task failed by it, its files may be missing',
  ]);
});
