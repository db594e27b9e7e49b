/** Every way in which `wait` ends, as a person types it, on a store in a folder: what it says, and its exit code. */
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { jsonBytes } from '../../src/kernel/json.ts';
import { makeStatus, writeStatus, type RunStatusInput } from '../../src/run/status.ts';
import { HEAD_LEASE_NAME, runLeaseName } from '../../src/store/layout.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { manifestOf, putRow, putRun, row } from '../helpers/rows.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const NOW_S = Date.now() / 1000;
const daemon = { epoch: 1, head_id: 'h', boot_id: 'b', kind: 'daemon', renewed_at_ms: Date.now(), process: '' };

interface Case {
  readonly end: string;
  readonly code: number;
  readonly args?: readonly string[];
  readonly status?: RunStatusInput;
  /** Of the run and of the bucket: a head daemon that renews its lease. */
  readonly isHeadThere?: boolean;
  readonly rows?: readonly Record<string, unknown>[];
  /** The command that it ends by naming, the store's flag behind it. */
  readonly next?: string;
}

const ROWS = [row('a_1'), row('a_2')];
const CASES: readonly Case[] = [
  { end: 'done', code: 0, rows: ROWS, status: { terminal_state: 'done' } },
  { end: 'done', code: 0, rows: ROWS },
  { end: 'done', code: 1, rows: [row('a_1'), row('a_2', { error: 'boom' })], next: 'skein resubmit r1' },
  // The head says so, but a row is not there any more: what is asked for is what counts.
  { end: 'done', code: 3, rows: [row('a_1')], status: { terminal_state: 'done' } },
  { end: 'error', code: 3, status: { terminal_state: 'error', error: 'no dataset' }, next: 'skein resume r1' },
  { end: 'stalled', code: 3, status: { last_heartbeat_ts: NOW_S - 301 }, isHeadThere: true, next: 'skein kill r1' },
  { end: 'headless', code: 3, status: { last_heartbeat_ts: NOW_S, stopped: true }, next: 'skein resume r1' },
  {
    end: 'timed-out',
    code: 3,
    args: ['--poll', '0.05', '--no-progress', '0.1'],
    status: { last_heartbeat_ts: NOW_S },
    next: 'skein wait r1',
  },
  { end: 'poll-once-exit', code: 3, status: { last_heartbeat_ts: NOW_S }, next: 'skein wait r1' },
];

async function put(store: ObjectStore, { status, rows = [], isHeadThere = false }: Case): Promise<void> {
  await putRun(store, manifestOf(['a_1', 'a_2'], { created_at_ms: Date.now() }));
  for (const each of rows) await putRow(store, each);
  if (status) await writeStatus(store, 'r1', makeStatus(status));
  if (!isHeadThere) return;
  await store.create(runLeaseName('r1'), jsonBytes(daemon));
  await store.create(HEAD_LEASE_NAME, jsonBytes(daemon));
}

it.for(CASES)('ends as $end with $code (L-05, L-06, P-02)', async (wanted) => {
  const cwd = await temporaryFolder();
  const url = `file://${join(cwd, 'store')}`;
  await using store = await openStore(url);
  await put(store, wanted);
  const { args = ['--poll', '0'], end, code, next } = wanted;
  const waited = await runCliHere(['wait', 'r1', '--store', url, ...args, '--json'], { cwd });
  expect([waited.code, JSON.parse(waited.stdout)]).toMatchObject([
    code,
    { run_id: 'r1', exit_reason: end, exit_code: code },
  ]);
  if (next === undefined) return expect(waited.stderr.includes('skein: run r1')).toBe(false);
  expect(waited.stderr).toContain(`${next} --store ${url}`);
});

it('refuses an attempt that is no number, in one line', async () => {
  const cwd = await temporaryFolder();
  for (const attempt of ['0', '1e3', '-1', '01x']) {
    const end = await runCliHere(['wait', 'r1', '--min-attempt', attempt], { cwd });
    expect([attempt, end.code]).toEqual([attempt, 2]);
    expect(end.stderr).toMatch(/^skein: --min-attempt[^\n]*\n$/);
  }
});
