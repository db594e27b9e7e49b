import { beforeEach, describe, expect, it } from 'vitest';

import { phasesOf } from '../../../src/run/task-phases.ts';
import { readTaskObjects } from '../../../src/run/task-sight.ts';
import { parseTranscript } from '../../../src/run/transcript-lines.ts';
import { jsonBytes } from '../../../src/kernel/json.ts';
import {
  duplicateRowName,
  lateRowName,
  logName,
  partialLogName,
  partialTranscriptName,
  rowName,
  sessionPrefix,
} from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { row } from '../../helpers/rows.ts';

const ID = 'beehives_1';
const LOST = { reason: 'actor-lost', cause: 'the node died' };
let store: ObjectStore;
beforeEach(() => {
  store = createMemoryStore();
});

const put = (name: string, value: unknown): Promise<unknown> =>
  store.create(name, typeof value === 'string' ? Buffer.from(value) : jsonBytes(value));
const see = () => readTaskObjects(store, 'r1', ID);

describe('what the store has of one task', () => {
  it('is empty for a task that nobody has begun', async () => {
    expect(await see()).toMatchObject({ rows: [], canonical: { kind: 'missing' }, logs: [], files: [], attempts: [] });
    await put(rowName('r1', 'beehives_10', 1), row('beehives_10'));
    expect((await see()).attempts).toEqual([]);
  });

  it('names every row with the one that counts: a late one over the synthetic one in its place, duplicates beside it', async () => {
    await put(rowName('r1', ID, 1), row(ID, { error: 'actor-lost', synthetic: LOST }));
    await put(lateRowName('r1', ID, 1), row(ID, { submitted_sql: 'SELECT 7' }));
    await put(duplicateRowName('r1', ID, 1, 1), row(ID));
    await put(`runs/r1/rows/${ID}/attempt-1e3.json`, row(ID));
    const { rows, speaker, canonical, problems } = await see();
    expect(rows.map(({ file }) => file.kind)).toEqual(['row', 'late', 'duplicate']);
    expect(speaker?.object).toBe(lateRowName('r1', ID, 1));
    expect(canonical).toMatchObject({ kind: 'row', attempt: 1, isError: false, duplicates: 1 });
    expect(problems).toEqual([]);
  });

  it('names what cannot be read, and shows the rest', async () => {
    await put(rowName('r1', ID, 1), row(ID));
    await put(rowName('r1', ID, 2), '{"instance_id": "beehi');
    await put(logName('r1', ID, 1), 'printed\n');
    await put(partialLogName('r1', ID, 3), 'so far\n');
    await put(`${sessionPrefix('r1', ID, 1)}deep/state.json`, {});
    await put(partialTranscriptName('r1', ID), '{"role":"user"}\n');
    const seen = await see();
    expect(seen.problems).toEqual([{ object: rowName('r1', ID, 2), reason: expect.stringContaining('no JSON') }]);
    expect(seen.canonical).toMatchObject({ kind: 'unreadable', attempt: 2 });
    expect(seen.logs).toEqual([
      expect.objectContaining({ attempt: 1, isPartial: false, sizeBytes: 8 }),
      expect.objectContaining({ attempt: 3, isPartial: true }),
    ]);
    expect(seen.files).toEqual([expect.objectContaining({ attempt: 1, path: 'deep/state.json' })]);
    expect(seen.transcript?.sizeBytes).toBe(16);
    expect(seen.attempts).toEqual([1, 2, 3]);
  });
});

describe('a transcript', () => {
  it('shows every message that can be read, and names the lines that cannot', () => {
    const bytes = Buffer.from('{"n":1}\n\nnot json\n{"n":2}\n{"n":');
    expect(parseTranscript({ bytes, skippedBytes: 0 })).toEqual({
      messages: [{ n: 1 }, { n: 2 }],
      badLines: [3, 5],
      skippedBytes: 0,
    });
    // The piece of a line at which the reading began is no bad line.
    expect(parseTranscript({ bytes: Buffer.from('1}\n{"n":2}\n'), skippedBytes: 9 })).toMatchObject({
      messages: [{ n: 2 }],
      badLines: [],
    });
  });
});

describe('the phases in a log', () => {
  it('are those of its [timing] lines, with what has no end and what failed (V-24, P-47)', () => {
    const log = [
      '[timing] framework start',
      '[timing] framework done (0.201 s)',
      'the task says: [timing] nothing start',
      '[timing] reference start',
      '[timing] sql.open start',
      '[timing] sql.open error: no such file (1.5 s) (2.000 s)',
      '[timing] odd',
    ].join('\n');
    expect(phasesOf(log)).toEqual([
      { phase: 'framework', elapsedS: 0.201, error: undefined },
      { phase: 'reference', elapsedS: undefined, error: undefined },
      { phase: 'sql.open', elapsedS: 2, error: 'no such file (1.5 s)' },
    ]);
    // The start was left out of a long log.
    expect(phasesOf('[timing] task done (3.000 s)\r\n')).toEqual([{ phase: 'task', elapsedS: 3, error: undefined }]);
  });
});
