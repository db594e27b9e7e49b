import { describe, expect, it } from 'vitest';

import { canonicalRow, groupRowPaths } from '../../../src/run/canonical-row.ts';
import { SkeinError } from '../../../src/kernel/errors.ts';

const FOLDER = 'a_1/';

type Stored = Record<string, object | string>;

const real = (error: string | null = null): object => ({ instance_id: 'a_1', error, total_reward: 1 });
const lost = { instance_id: 'a_1', error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'exit 1' } };

async function choose(stored: Stored): Promise<{ row: unknown; read: string[] }> {
  const read: string[] = [];
  const files = groupRowPaths(Object.keys(stored).map((name) => FOLDER + name)).get('a_1') ?? [];
  const row = await canonicalRow(files, async ({ path }) => {
    read.push(path.slice(FOLDER.length));
    const value = stored[path.slice(FOLDER.length)];
    return value === undefined ? undefined : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  });
  return { row, read };
}

describe('the canonical row of an id', () => {
  it('is missing when nothing was stored', async () => {
    expect((await choose({})).row).toEqual({ kind: 'missing' });
  });

  it('is that of the highest attempt by number, not by text, and no other is read (B-02, C-01)', async () => {
    const { row, read } = await choose({
      'attempt-9.json': real(),
      'attempt-10.json': real('boom'),
      'attempt-2.json': real(),
    });
    expect(row).toMatchObject({ kind: 'row', attempt: 10, isError: true, attempts: [2, 9, 10] });
    expect(read).toEqual(['attempt-10.json']);
  });

  it('is the late real result where a synthetic row stood first (C-01)', async () => {
    const { row } = await choose({ 'attempt-1.json': lost, 'attempt-1.late.json': real() });
    expect(row).toMatchObject({ kind: 'row', attempt: 1, isSynthetic: false, isError: false });
  });

  it('is an earlier real row when a later attempt came to a synthetic one only', async () => {
    const { row } = await choose({ 'attempt-1.json': real(), 'attempt-2.json': lost, 'attempt-3.json': lost });
    expect(row).toMatchObject({ kind: 'row', attempt: 1, isSynthetic: false });
  });

  it('is the highest synthetic row when there is no real one, whatever unreadable lies below it', async () => {
    const { row } = await choose({ 'attempt-1.json': '{"cut', 'attempt-2.json': lost, 'attempt-3.json': lost });
    expect(row).toMatchObject({ kind: 'row', attempt: 3, isSynthetic: true, isError: true });
  });

  it('is a real error row rather than an earlier success (L-11)', async () => {
    const { row } = await choose({ 'attempt-1.json': real(), 'attempt-2.json': real('boom') });
    expect(row).toMatchObject({ attempt: 2, isError: true });
  });

  it('counts second real results and never prefers them to a readable first one', async () => {
    const second = { ...real(), total_reward: 0 };
    const { row } = await choose({ 'attempt-1.dup-1.json': second, 'attempt-1.json': real() });
    expect(row).toMatchObject({ duplicates: 1, row: { total_reward: 1 } });
    expect((await choose({ 'attempt-1.dup-1.json': second, 'attempt-1.json': '' })).row).toMatchObject({
      kind: 'row',
      row: { total_reward: 0 },
      problems: [{ path: 'a_1/attempt-1.json' }],
    });
  });

  it('is unreadable when the highest attempt is cut, no object, or the row of another id (L-11)', async () => {
    for (const bad of ['{"instance_id": "a_', '[]', '{"instance_id": "b_2"}']) {
      const { row } = await choose({ 'attempt-1.json': real(), 'attempt-2.json': bad });
      expect(row).toMatchObject({ kind: 'unreadable', attempt: 2, problems: [{ path: 'a_1/attempt-2.json' }] });
    }
  });

  it('does not take a store that fails for a row that is missing', async () => {
    const files = groupRowPaths([`${FOLDER}attempt-1.json`]).get('a_1') ?? [];
    const failing = canonicalRow(files, () => Promise.reject(new SkeinError('STORE_UNAVAILABLE', 'refused')));
    await expect(failing).rejects.toThrow('refused');
  });
});
