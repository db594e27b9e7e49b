import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { TaskContext } from '../../../src/frameworks/framework.ts';
import { NoopFramework, type NoopTask } from '../../../src/frameworks/noop.ts';
import { taskOf } from '../../helpers/task-of.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const TASK: NoopTask = taskOf({});

const contextOf = (fields: Partial<TaskContext> = {}): TaskContext =>
  ({ runId: 'r1', attempt: 2, signal: new AbortController().signal, log: () => {}, ...fields }) as TaskContext;

describe('the noop framework', () => {
  it('takes as long as the task says, and ends when the attempt is ended', async () => {
    const startMs = performance.now();
    await new NoopFramework().runTask({ ...TASK, noop_ms: 60 }, contextOf());
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(58);
    const stop = new AbortController();
    const ending = new NoopFramework().runTask({ ...TASK, noop_ms: 60_000 }, contextOf({ signal: stop.signal }));
    stop.abort();
    await expect(ending).rejects.toThrow(/abort/i);
  });

  it('throws what the task says', async () => {
    const task = { ...TASK, noop_throws: 'no luck' };
    await expect(new NoopFramework().runTask(task, contextOf())).rejects.toThrow('no luck');
  });

  it('writes each start and end down in a journal that is there', async () => {
    const journal = join(await temporaryFolder(), 'starts.noop-journal');
    await writeFile(journal, '');
    await new NoopFramework().runTask({ ...TASK, noop_journal: journal }, contextOf());
    const lines = (await readFile(journal, 'utf8')).trim().split('\n');
    const common = { run_id: 'r1', instance_id: 'geese_1', attempt: 2, pid: process.pid };
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { what: 'start', ...common, at_ms: expect.any(Number) },
      { what: 'end', ...common, at_ms: expect.any(Number) },
    ]);
  });

  it('writes into no other file, and makes none', async () => {
    const dir = await temporaryFolder();
    const other = join(dir, 'profile');
    await writeFile(other, 'as it was');
    const into = (noop_journal: string) => new NoopFramework().runTask({ ...TASK, noop_journal }, contextOf());
    await expect(into(other)).rejects.toThrow(/does not end in \.noop-journal/);
    await expect(into(join(dir, 'new.noop-journal'))).rejects.toThrow(/ENOENT/);
    expect(await readFile(other, 'utf8')).toBe('as it was');
  });
});

describe('what an agent would leave', () => {
  it('is left where the task asks for it, and no folder is made where it does not', async () => {
    const scratchDir = await temporaryFolder();
    const messages: unknown[] = [];
    const context = contextOf({ scratchDir, transcript: (message) => void messages.push(message) });
    const task = { ...TASK, noop_ms: 50, noop_message_ms: 10, noop_scratch_bytes: 1_000 };
    await new NoopFramework().runTask(task, context);
    expect((await readFile(join(scratchDir, 'state.bin'))).byteLength).toBe(1_000);
    expect(messages.length).toBeGreaterThanOrEqual(2);
    expect(messages[0]).toMatchObject({ role: 'noop', message: 1 });

    const untouched = contextOf({});
    Object.defineProperty(untouched, 'scratchDir', {
      get: () => {
        throw new Error('asked for');
      },
    });
    await new NoopFramework().runTask(TASK, untouched);
  });
});
