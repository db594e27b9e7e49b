import { describe, expect, it } from 'vitest';

import { RunLedger, type LedgerTask, type TaskPhase } from '../../../src/head/run-ledger.ts';

const task = (instanceId: string, database: string, phase: TaskPhase = { kind: 'waiting' }): LedgerTask => ({
  instanceId,
  database,
  attempt: 1,
  phase,
});

describe('RunLedger', () => {
  it('counts a row that was there before as done and never hands its id out', () => {
    const ledger = new RunLedger([task('a_1', 'a', { kind: 'row', isError: true }), task('a_2', 'a')]);
    expect(ledger.take('a', 9, 'n1').map(({ instanceId }) => instanceId)).toEqual(['a_2']);
    expect(ledger.tally()).toMatchObject({ total: 2, rowsOk: 0, rowsError: 1, waiting: 0, out: 1 });
  });

  it('hands each id to one node only', () => {
    const ledger = new RunLedger([task('a_1', 'a'), task('a_2', 'a'), task('b_1', 'b')]);
    expect(ledger.take('a', 1, 'n1')).toHaveLength(1);
    expect(ledger.take('a', 5, 'n2').map(({ instanceId }) => instanceId)).toEqual(['a_2']);
    expect(ledger.take('a', 5, 'n1')).toEqual([]);
    expect(ledger.waiting()).toEqual([{ database: 'b', count: 1 }]);
  });

  it('lets the tasks of a lost node wait again, and keeps those that have their row', () => {
    const ledger = new RunLedger([task('a_1', 'a'), task('a_2', 'a')]);
    ledger.take('a', 2, 'n1');
    ledger.hasRow('a_1', false);
    expect(ledger.nodeLost('n1')).toEqual(['a_2']);
    expect(ledger.tally()).toMatchObject({ rowsOk: 1, waiting: 1, out: 0 });
  });

  it('counts a row once, however often it is reported', () => {
    const ledger = new RunLedger([task('a_1', 'a')]);
    ledger.take('a', 1, 'n1');
    expect(ledger.hasRow('a_1', false)).toBe(true);
    expect(ledger.hasRow('a_1', true)).toBe(false);
    expect(ledger.tally()).toMatchObject({ rowsOk: 1, rowsError: 0 });
  });

  it('shows started tasks, the longest-running first', () => {
    const ledger = new RunLedger([task('a_1', 'a'), task('b_1', 'b'), task('b_2', 'b')]);
    ledger.take('a', 1, 'n1');
    ledger.take('b', 2, 'n1');
    ledger.started('b_1', 200);
    ledger.started('a_1', 100);
    expect(ledger.tally().inFlight.map(({ instanceId }) => instanceId)).toEqual(['a_1', 'b_1']);
    expect(ledger.tally().databases).toContainEqual({ database: 'b', total: 2, done: 0, errors: 0, inFlight: 1 });
  });
});
