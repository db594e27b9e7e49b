import { describe, expect, it } from 'vitest';

import { canonicalRow, groupRowPaths } from '../../../src/run/canonical-row.ts';
import { idStateOf, type IdState } from '../../../src/run/id-state.ts';

const real = (error: string | null = null): object => ({ instance_id: 'a_1', error });
const lost = { instance_id: 'a_1', error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'exit 1' } };

async function stateOf(stored: Record<string, object | string>, floor?: number, retryLost = 1): Promise<IdState> {
  const files = groupRowPaths(Object.keys(stored).map((name) => `a_1/${name}.json`)).get('a_1') ?? [];
  const row = await canonicalRow(files, async ({ path }) => {
    const value = stored[path.slice('a_1/'.length, -'.json'.length)];
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
  return idStateOf(row, { retryLost, floor });
}

describe('an id that was resubmitted as attempt 3', () => {
  it('is open until that attempt has a row, whatever error it had before (L-12, V-14)', async () => {
    expect(await stateOf({ 'attempt-1': real('boom') }, 3)).toMatchObject({ why: 'resubmitted', nextAttempt: 3 });
    expect(await stateOf({ 'attempt-1': lost, 'attempt-2': lost }, 3)).toMatchObject({ why: 'resubmitted', lost: 0 });
    expect(await stateOf({ 'attempt-2': '{"cut' }, 3)).toMatchObject({ why: 'resubmitted', nextAttempt: 3 });
    expect(await stateOf({}, 3)).toMatchObject({ why: 'no-row', nextAttempt: 3 });
    expect(await stateOf({ 'attempt-1': real('boom'), 'attempt-3': real() }, 3)).toMatchObject({
      kind: 'done',
      isError: false,
      attempt: 3,
    });
    expect(await stateOf({ 'attempt-3': real('again') }, 3)).toMatchObject({ kind: 'done', isError: true });
  });

  it('has its retries of lost attempts anew', async () => {
    const earlier = { 'attempt-1': lost, 'attempt-2': lost };
    expect(await stateOf(earlier)).toMatchObject({ kind: 'done', isError: true });
    const once = { ...earlier, 'attempt-3': lost };
    expect(await stateOf(once, 3)).toMatchObject({ kind: 'open', why: 'lost', nextAttempt: 4, lost: 1 });
    expect(await stateOf({ ...once, 'attempt-4': lost }, 3)).toMatchObject({ kind: 'done', attempt: 4 });
    // The same over an older error row of a framework, which speaks in the end.
    const over = { 'attempt-1': real('boom'), 'attempt-3': lost };
    expect(await stateOf(over, 3)).toMatchObject({ kind: 'open', why: 'lost', nextAttempt: 4 });
    expect(await stateOf({ ...over, 'attempt-4': lost }, 3)).toMatchObject({ kind: 'done', isError: true, attempt: 1 });
  });

  it('is done by a real result without an error that came late: it was paid for', async () => {
    const late = { 'attempt-1': lost, 'attempt-1.late': real() };
    expect(await stateOf(late, 3)).toMatchObject({ kind: 'done', isError: false, attempt: 1 });
    expect(await stateOf({ 'attempt-1': lost, 'attempt-1.late': real('boom') }, 3)).toMatchObject({
      why: 'resubmitted',
    });
  });
});
