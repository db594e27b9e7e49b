import { describe, expect, it } from 'vitest';

import { readCounts } from '../../../src/run/run-counts.ts';
import { runDetail } from '../../../src/run/run-list.ts';
import { waitForRun, type WaitOptions, type WaitResult } from '../../../src/run/run-state.ts';
import { makeStatus, writeStatus, type RunStatusInput } from '../../../src/run/status.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { manifestOf, putRow, putRun, row } from '../../helpers/rows.ts';

const START = 1_700_000_000_000;
const SECOND = 1000;

/** A run in a store and a clock that only waiting moves; `events` happen at their second. */
class Scene {
  readonly store = createMemoryStore();
  nowMs = START;

  static async of(ids: readonly string[]): Promise<Scene> {
    const scene = new Scene();
    await putRun(scene.store, manifestOf(ids, { created_at_ms: START }));
    return scene;
  }

  beat(fields: RunStatusInput = {}): Promise<void> {
    return writeStatus(this.store, 'r1', makeStatus({ last_heartbeat_ts: this.nowMs / 1000, ...fields }));
  }

  wait(options: Partial<WaitOptions>, event: (second: number) => Promise<void> | void = () => {}): Promise<WaitResult> {
    return waitForRun({
      store: this.store,
      runId: 'r1',
      now: () => this.nowMs,
      sleep: async (ms) => {
        this.nowMs += ms;
        // Far beyond every deadline here: a wait that does not end is a failure, not a hang.
        if (this.nowMs > START + 100_000 * SECOND) throw new Error('the wait never ended');
        await event((this.nowMs - START) / SECOND);
      },
      ...options,
    });
  }
}

describe('waiting for a run', () => {
  it('ends with the terminal state, before any row is looked at (L-05)', async () => {
    const scene = await Scene.of(['a_1']);
    await scene.beat({ terminal_state: 'done' });
    expect(await scene.wait({})).toMatchObject({ kind: 'done', rows: 0 });
    await scene.beat({ terminal_state: 'error', error: 'no dataset' });
    expect(await scene.wait({})).toMatchObject({ kind: 'error', error: 'no dataset' });
  });

  it('ends as done when every id has a row, though nobody said so (L-05)', async () => {
    const scene = await Scene.of(['a_1', 'a_2']);
    await putRow(scene.store, row('a_1'));
    const seen: number[] = [];
    const end = await scene.wait({ onProgress: ({ rows }) => void seen.push(rows) }, async (second) => {
      if (second === 20) await putRow(scene.store, row('a_2', { error: 'boom' }));
    });
    expect(end).toMatchObject({ kind: 'done', rows: 2, total: 2 });
    expect(seen).toEqual([1, 1, 2]);
  });

  it('does not take a lost attempt that will be run again for an end, nor a row that cannot be read', async () => {
    const lost = row('a_1', { error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'exit 1' } });
    const scene = await Scene.of(['a_1', 'a_2']);
    await putRow(scene.store, lost);
    await scene.store.create('runs/r1/rows/a_2/attempt-1.json', Buffer.from('{"torn'));
    const seen: number[] = [];
    const end = await scene.wait({ onProgress: ({ rows }) => void seen.push(rows) }, async (second) => {
      if (second === 10) await putRow(scene.store, row('a_2'), 2);
      // The second loss of an id is its end.
      if (second === 20) await putRow(scene.store, lost, 2);
    });
    expect(end).toMatchObject({ kind: 'done', rows: 2 });
    expect(seen).toEqual([0, 1, 2]);
  });

  it('believes the head that an id is being retried, before it has to read', async () => {
    const scene = await Scene.of(['a_1', 'a_2']);
    await putRow(scene.store, row('a_1', { error: 'actor-lost', synthetic: { reason: 'actor-lost', cause: 'x' } }));
    await scene.beat({ retrying: ['a_1'] });
    expect(await scene.wait({ pollMs: 0 })).toMatchObject({ kind: 'poll-once-exit', rows: 0 });
    expect(await runDetail(scene.store, 'r1', {}, scene.nowMs)).toMatchObject({ done: 0, state: 'live' });
    await putRow(scene.store, row('a_2'));
    expect(await scene.wait({ pollMs: 0 })).toMatchObject({ kind: 'poll-once-exit', rows: 1 });
    expect(await runDetail(scene.store, 'r1', {}, scene.nowMs)).toMatchObject({ done: 1, state: 'live' });
    const counts = await readCounts(scene.store, manifestOf(['a_1', 'a_2']));
    expect(counts).toMatchObject({ done: 1, ok: 1, errors: 0, missing: 1 });
    await scene.beat({ stopped: true });
    expect(await runDetail(scene.store, 'r1', {}, scene.nowMs)).toMatchObject({ state: 'stopped' });
  });

  it('gives a run with all its rows a moment to ship the rest, while its heart beats', async () => {
    const scene = await Scene.of(['a_1']);
    await putRow(scene.store, row('a_1'));
    await scene.beat();
    const shipped = await scene.wait({}, (second) => scene.beat(second >= 40 ? { terminal_state: 'done' } : {}));
    expect(shipped).toMatchObject({ kind: 'done', status: { terminal_state: 'done' } });
    await scene.beat();
    const began = scene.nowMs;
    expect(await scene.wait({}, () => scene.beat())).toMatchObject({ kind: 'done', status: { terminal_state: null } });
    expect(scene.nowMs - began).toBe(60 * SECOND);
    expect((await scene.wait({})).kind).toBe('done');
    expect(scene.nowMs - began).toBe(80 * SECOND);
    expect((await scene.wait({ pollMs: 0 })).kind).toBe('done');
    // One that died long ago is not waited for.
    expect((await scene.wait({})).kind).toBe('done');
    expect(scene.nowMs - began).toBe(80 * SECOND);
  });

  it('is stalled when the heartbeat stopped for more than 300 s (L-05, N-01)', async () => {
    const scene = await Scene.of(['a_1']);
    await scene.beat();
    expect(await scene.wait({})).toMatchObject({ kind: 'stalled', hint: expect.stringContaining('skein resume r1') });
    expect(scene.nowMs).toBe(START + 310 * SECOND);
  });

  it('is stalled too when the run never had a heartbeat (L-05)', async () => {
    const scene = await Scene.of(['a_1']);
    expect((await scene.wait({})).kind).toBe('stalled');
    expect(scene.nowMs).toBe(START + 310 * SECOND);
  });

  it('is headless when the head is known to be gone, stalled before that when it is known to live (L-05)', async () => {
    const scene = await Scene.of(['a_1']);
    await scene.beat();
    expect((await scene.wait({ lookAtHead: () => Promise.resolve('gone') })).kind).toBe('headless');
    scene.nowMs += 400 * SECOND;
    expect((await scene.wait({ lookAtHead: () => Promise.resolve('alive') })).kind).toBe('stalled');
  });

  it('gives a head daemon that is away the time of a stall to come back (L-05)', async () => {
    const scene = await Scene.of(['a_1', 'a_2']);
    await scene.beat();
    let isBack = false;
    const lookAtHead = () => Promise.resolve(isBack ? ('alive' as const) : ('away' as const));
    const end = await scene.wait({ lookAtHead, noProgressMs: 0 }, async (second) => {
      isBack = second >= 290 && second < 400;
      if (isBack) await scene.beat();
    });
    expect(end).toMatchObject({ kind: 'headless', hint: expect.stringContaining('go on with: skein resume r1') });
    expect(scene.nowMs).toBe(START + 700 * SECOND);
  });

  it('says with every end that is none which command comes next, with the flags it takes (L-05, V-15)', async () => {
    const scene = await Scene.of(['a_1']);
    await scene.beat();
    const flags = ' --store file:///s';
    const hintOf = async (options: Partial<WaitOptions>): Promise<string> => {
      const end = await scene.wait({ flags, pollMs: 0, ...options });
      return end.kind === 'done' ? '' : end.hint;
    };
    expect(await hintOf({})).toContain('skein wait r1 --store file:///s');
    expect(await hintOf({ lookAtHead: () => Promise.resolve('gone') })).toContain('skein resume r1 --store file:///s');
    expect(await hintOf({ pollMs: 1000, noProgressMs: 2000 })).toContain('skein kill r1 --store file:///s');
    scene.nowMs += 400 * SECOND;
    expect(await hintOf({})).toContain('skein resume r1 --store file:///s');
    expect(await hintOf({ lookAtHead: () => Promise.resolve('alive') })).toContain('skein kill r1 --store file:///s');
    await scene.beat({ terminal_state: 'error', error: 'no dataset' });
    expect(await hintOf({})).toContain('no dataset; 0 of 1 ids have a row; go on with: skein resume r1');
  });

  it('times out after an hour without progress, counted from the last new row (L-05, N-02)', async () => {
    const scene = await Scene.of(['a_1', 'a_2']);
    const end = await scene.wait({}, async (second) => {
      await scene.beat();
      if (second === 3000) await putRow(scene.store, row('a_1'));
    });
    expect(end).toMatchObject({ kind: 'timed-out', rows: 1 });
    expect(scene.nowMs).toBe(START + 6600 * SECOND);
  });

  it('a task that starts or a transcript that grows is progress (V-01, V-03, P-03)', async () => {
    const scene = await Scene.of(['a_1', 'a_2']);
    const transcript = 'runs/r1/rows/a_1/partial_transcript.jsonl';
    const end = await scene.wait({ noProgressMs: 100 * SECOND }, async (second) => {
      const isStarted = second >= 80;
      await scene.beat({ in_flight: isStarted ? [{ instance_id: 'a_1', elapsed_s: second - 80 }] : [] });
      if (second !== 160) return;
      // The memory store stamps with the real clock: any later write is a new time.
      await scene.store.create(transcript, Buffer.from('{}\n'));
    });
    expect(end.kind).toBe('timed-out');
    expect(scene.nowMs).toBe(START + 260 * SECOND);
  });

  it('looks once when it is asked to, and tells a dead run from a living one all the same (L-05)', async () => {
    const scene = await Scene.of(['a_1']);
    await scene.beat();
    expect(await scene.wait({ pollMs: 0 })).toMatchObject({ kind: 'poll-once-exit', rows: 0, total: 1 });
    scene.nowMs += 301 * SECOND;
    expect((await scene.wait({ pollMs: 0 })).kind).toBe('stalled');
  });

  it('does not call a run stalled whose clock is behind ours, as long as its heart beats', async () => {
    const scene = await Scene.of(['a_1']);
    const behind = 1000;
    const end = await scene.wait({ noProgressMs: 200 * SECOND }, async () => {
      await scene.beat({ last_heartbeat_ts: scene.nowMs / 1000 - behind });
    });
    expect(end.kind).toBe('timed-out');
  });

  it('a resubmitted run is not done by its old rows or its old end (L-12, V-14)', async () => {
    const scene = await Scene.of(['a_1', 'a_2']);
    await putRow(scene.store, row('a_1'));
    await putRow(scene.store, row('a_2', { error: 'boom' }));
    await scene.beat({ terminal_state: 'done', attempt: 1 });
    const narrowed = { minAttempt: 2, instanceIds: ['a_2'] };
    expect(await scene.wait({ pollMs: 0, ...narrowed })).toMatchObject({ kind: 'poll-once-exit', rows: 0, total: 1 });
    await putRow(scene.store, row('a_2'), 2);
    expect(await scene.wait({ pollMs: 0, ...narrowed })).toMatchObject({ kind: 'done' });
  });

  it('of a run that does not exist is an error that names it; a wait can be cancelled', async () => {
    const scene = await Scene.of(['a_1']);
    await expect(scene.wait({ runId: 'r2' })).rejects.toThrow('run r2: no such run');
    const stop = new AbortController();
    const waiting = waitForRun({ store: scene.store, runId: 'r1', signal: stop.signal, now: () => START });
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('the counts of a run', () => {
  it('come from the rows themselves (P-35)', async () => {
    const store = createMemoryStore();
    const manifest = manifestOf(['a_1', 'a_2', 'a_3', 'a_4']);
    await putRun(store, manifest, [row('a_1'), row('a_2', { error: 'boom' }), row('zzz_1')]);
    await store.create('runs/r1/rows/a_3/attempt-1.json', Buffer.from('{"cut'));
    expect(await readCounts(store, manifest)).toEqual({ expected: 4, done: 2, ok: 1, errors: 1, missing: 2 });
  });
});
