import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RunLedger, type LedgerTask, type TaskPhase } from '../../../src/head/run-ledger.ts';

const task = (instanceId: string, phase: TaskPhase = { kind: 'waiting' }): LedgerTask => ({
  instanceId,
  database: instanceId.split('_')[0] ?? '',
  attempt: 1,
  lost: 0,
  phase,
});
const ledgerOf = (ids: readonly string[], retryLost = 1): RunLedger =>
  new RunLedger(
    ids.map((id) => task(id)),
    retryLost,
  );
const first = (instanceId: string) => ({ instanceId, attempt: 1 });
const second = (instanceId: string) => ({ instanceId, attempt: 2 });

describe('RunLedger', () => {
  it('counts a row that was there before as done and never hands its id out', () => {
    const ledger = new RunLedger([task('a_1', { kind: 'row', isError: true }), task('a_2')], 1);
    expect(ledger.take('a', 9, 'n1').map(({ instanceId }) => instanceId)).toEqual(['a_2']);
    expect(ledger.tally()).toMatchObject({ total: 2, rowsOk: 0, rowsError: 1, waiting: 0, out: 1 });
  });

  it('lets no error of an attempt before the resubmitted one end an id (L-12)', () => {
    const ledger = new RunLedger([{ ...task('a_1'), attempt: 3, floor: 3 }], 1);
    expect(ledger.row(second('a_1'), true)).toEqual({ kind: 'stale' });
    ledger.take('a', 1, 'n1');
    ledger.started({ instanceId: 'a_1', attempt: 3 }, 'n1', 0);
    expect(ledger.row(second('a_1'), true)).toEqual({ kind: 'stale' });
    expect(ledger.lost({ instanceId: 'a_1', attempt: 3 })).toBe('retried');
    expect(ledger.row(second('a_1'), false)).toMatchObject({ kind: 'settled' });
    expect(ledger.tally()).toMatchObject({ rowsOk: 1, rowsError: 0 });
  });

  it('hands each id to one node only', () => {
    const ledger = ledgerOf(['a_1', 'a_2', 'b_1']);
    expect(ledger.take('a', 1, 'n1')).toHaveLength(1);
    expect(ledger.take('a', 5, 'n2').map(({ instanceId }) => instanceId)).toEqual(['a_2']);
    expect(ledger.take('a', 5, 'n1')).toEqual([]);
    expect(ledger.waiting()).toEqual([{ database: 'b', count: 1 }]);
  });

  it('lets a returned task wait again in front, as the same attempt', () => {
    const ledger = ledgerOf(['a_1', 'a_2', 'a_3']);
    ledger.take('a', 2, 'n1');
    expect(ledger.returned(first('a_2'), 'n2')).toBeUndefined();
    expect(ledger.returned(first('a_2'), 'n1')).toEqual({ wasStarted: false });
    expect(ledger.take('a', 1, 'n2')).toMatchObject([{ instanceId: 'a_2', attempt: 1 }]);
  });

  it('starts a lost id again as the next attempt, once, and then lets its row stand', () => {
    const ledger = ledgerOf(['a_1']);
    ledger.take('a', 1, 'n1');
    expect(ledger.losing(first('a_1'))).toBe(true);
    expect(ledger.isNothingOut).toBe(false);
    expect(ledger.lost(first('a_1'))).toBe('retried');
    expect(ledger.take('a', 1, 'n2')).toMatchObject([{ attempt: 2 }]);
    expect(ledger.lost(second('a_1'))).toBe('settled');
    expect(ledger.tally()).toMatchObject({ rowsError: 1, rowsOk: 0, waiting: 0, out: 0 });
  });

  it('never starts a lost id again when retry_lost is 0 (P-49)', () => {
    const ledger = ledgerOf(['a_1'], 0);
    ledger.take('a', 1, 'n1');
    expect(ledger.lost(first('a_1'))).toBe('settled');
    expect(ledger.tally()).toMatchObject({ rowsError: 1, waiting: 0 });
  });

  it('ends an id with its late row when nobody has started it again, and says whom to tell', () => {
    const ledger = ledgerOf(['a_1', 'a_2']);
    ledger.take('a', 2, 'n1');
    ledger.lost(first('a_1'));
    ledger.lost(first('a_2'));
    expect(ledger.row(first('a_1'), false)).toEqual({ kind: 'settled' });
    ledger.take('a', 1, 'n2');
    expect(ledger.row(first('a_2'), false)).toEqual({
      kind: 'settled',
      revoke: { instanceId: 'a_2', attempt: 2, node: 'n2' },
    });
    expect(ledger.tally()).toMatchObject({ rowsOk: 2, waiting: 0, out: 0 });
  });

  it('lets a later attempt that runs speak, and the late row if that one is lost', () => {
    const ledger = ledgerOf(['a_1', 'a_2']);
    for (const id of ['a_1', 'a_2']) {
      ledger.take('a', 1, 'n1');
      ledger.lost(first(id));
      ledger.take('a', 1, 'n2');
      ledger.started(second(id), 'n2', 5);
      expect(ledger.row(first(id), false)).toEqual({ kind: 'stale' });
    }
    ledger.row(second('a_1'), true);
    ledger.lost(second('a_2'));
    expect(ledger.tally()).toMatchObject({ rowsOk: 1, rowsError: 1, waiting: 0, out: 0 });
  });

  it('takes a row of the same attempt from whoever made it, and revokes the other start', () => {
    const ledger = ledgerOf(['a_1']);
    ledger.take('a', 1, 'n1');
    ledger.returned(first('a_1'), 'n1');
    ledger.take('a', 1, 'n2');
    expect(ledger.lost(first('a_1'), 'n1')).toBe('stale');
    expect(ledger.row(first('a_1'), false)).toMatchObject({ kind: 'settled', revoke: { node: 'n2' } });
  });

  it('counts a row once, however often it is reported', () => {
    const ledger = ledgerOf(['a_1']);
    ledger.take('a', 1, 'n1');
    expect(ledger.row(first('a_1'), false).kind).toBe('settled');
    expect(ledger.row(first('a_1'), true).kind).toBe('stale');
    expect(ledger.tally()).toMatchObject({ rowsOk: 1, rowsError: 0 });
  });

  it('lets a node claim what waits, and what it has; never what is elsewhere, ended or of another attempt', () => {
    const ledger = ledgerOf(['a_1', 'a_2', 'a_3']);
    expect(ledger.claim(first('a_1'), 'n1', 7)).toBe(true);
    expect(ledger.claim(first('a_1'), 'n1', 7)).toBe(true);
    expect(ledger.claim(first('a_1'), 'n2', 7)).toBe(false);
    expect(ledger.claim(second('a_2'), 'n1', 7)).toBe(false);
    ledger.row(first('a_2'), false);
    expect(ledger.claim(first('a_2'), 'n1', 7)).toBe(false);
    expect(ledger.tally()).toMatchObject({ out: 1, waiting: 1, rowsOk: 1 });
    expect(ledger.heldBy('n1')).toMatchObject({ count: 1 });
  });

  it('shows started tasks, the longest-running first (V-01)', () => {
    const ledger = ledgerOf(['a_1', 'b_1', 'b_2']);
    ledger.take('a', 1, 'n1');
    ledger.take('b', 2, 'n1');
    ledger.started(first('b_1'), 'n1', 200);
    ledger.started(first('a_1'), 'n1', 100);
    expect(ledger.tally().inFlight.map(({ instanceId }) => instanceId)).toEqual(['a_1', 'b_1']);
    expect(ledger.tally().databases).toContainEqual({ database: 'b', total: 2, done: 0, errors: 0, inFlight: 1 });
    expect(ledger.heldBy('n1').databases.get('b')).toEqual({ out: 2, unstarted: 1 });
  });

  it('keeps its counts true whatever is said in whatever order', () => {
    const ids = ['a_1', 'a_2', 'b_1', 'b_2'];
    const word = fc.record({
      what: fc.constantFrom('take', 'start', 'row', 'error', 'lose', 'lost', 'back', 'claim', 'unstored'),
      id: fc.constantFrom(...ids),
      attempt: fc.integer({ min: 1, max: 3 }),
      node: fc.constantFrom('n1', 'n2'),
    });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        const ledger = ledgerOf(ids);
        const done = new Set<string>();
        for (const { what, id, attempt, node } of words) {
          const key = { instanceId: id, attempt };
          if (what === 'take') ledger.take(id.split('_')[0] ?? '', 1, node);
          if (what === 'start') ledger.started(key, node, 1);
          if (what === 'row' || what === 'error') ledger.row(key, what === 'error');
          if (what === 'lose') ledger.losing(key);
          if (what === 'lost') ledger.lost(key, node);
          if (what === 'back') ledger.returned(key, node);
          if (what === 'claim') ledger.claim(key, node, undefined);
          if (what === 'unstored') ledger.unstored(key);
          const { total, rowsOk, rowsError, waiting, out, unstored } = ledger.tally();
          expect(rowsOk + rowsError + waiting + out + unstored).toBe(total);
          expect(ledger.waiting().reduce((sum, { count }) => sum + count, 0)).toBe(waiting);
          expect(ledger.isNothingWaiting).toBe(waiting === 0);
          for (const { instanceId } of ids.map((each) => ({ instanceId: each }))) {
            const isDone = ledger.get(instanceId)?.phase.kind === 'row';
            expect(done.has(instanceId) && !isDone).toBe(false);
            if (isDone) done.add(instanceId);
          }
        }
      }),
    );
  });
});
