/**
 * The commands that look at what a run left, on stores that the test fills by hand: logs, also as they grow, one task with
 * all that it left, and every part of it that is broken.
 */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { beforeEach, describe, expect, it } from 'vitest';

import { jsonBytes } from '../../src/kernel/json.ts';
import { makeStatus, writeStatus, type RunStatusInput } from '../../src/run/status.ts';
import { overwrite } from '../../src/store/create-or-confirm.ts';
import { openDirectoryStore } from '../../src/store/directory.ts';
import {
  lateRowName,
  logName,
  manifestName,
  partialLogName,
  partialTranscriptName,
  rowName,
  sessionPrefix,
} from '../../src/store/layout.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import type { CliEnd } from '../helpers/cli.ts';
import { runCliHere, startCliHere } from '../helpers/command-line.ts';
import { manifestOf, putRow, putRun, row } from '../helpers/rows.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

let cwd: string;
let store: ObjectStore;
let url: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
  url = pathToFileURL(join(cwd, 'store')).href;
  await mkdir(join(cwd, 'store'));
  store = await openDirectoryStore(url);
});

const put = (name: string, value: unknown): Promise<unknown> =>
  overwrite(
    store,
    name,
    Buffer.isBuffer(value) ? value : typeof value === 'string' ? Buffer.from(value) : jsonBytes(value),
  );
const say = (status: Omit<RunStatusInput, 'last_heartbeat_ts'>): Promise<void> =>
  writeStatus(store, 'r1', makeStatus({ last_heartbeat_ts: Date.now() / 1000, ...status }));
const skein = (line: string): Promise<CliEnd> => runCliHere([...line.split(' '), '--store', url], { cwd });
const SYNTHETIC = { reason: 'actor-lost', cause: 'node n1: silent for 300 s' };

describe('logs', () => {
  it('shows the latest attempt of each task, or the one that is asked for, byte for byte', async () => {
    await putRun(store, manifestOf(['beehives_1', 'ferries_1']));
    await put(logName('r1', 'beehives_1', 1), 'first\n');
    await put(logName('r1', 'beehives_1', 10), 'tenth, without an end');
    await put(logName('r1', 'ferries_1', 1), Buffer.from([0x66, 0xff, 0x00, 0x0a]));
    const all = await skein('logs r1');
    expect(all.stdout).toMatch(/^==> beehives_1, attempt 10\ntenth, without an end\n==> ferries_1, attempt 1\nf/);
    expect((await skein('logs r1 beehives_1 --attempt 1')).stdout).toBe('first\n');
    expect([all.code, all.stderr]).toEqual([0, '']);
  });

  it('follows a task that runs, its log and its transcript, and goes over to the whole log without a word twice', async () => {
    await putRun(store, manifestOf(['beehives_1', 'ferries_1']));
    await say({ in_flight: [{ instance_id: 'beehives_1', elapsed_s: 1, attempt: 2, node: 'n1' }] });
    await put(partialLogName('r1', 'beehives_1', 2), 'one\ntwo\nthr');
    using following = startCliHere(['logs', 'r1', 'beehives_1', '-f', '--store', url], { cwd });
    await waitUntil('two lines', () => following.stdout() === 'one\ntwo\n');
    await put(partialTranscriptName('r1', 'beehives_1'), '{"role":"assistant","content":"I look at\\nthe schema"}\n');
    await waitUntil('the message', () =>
      following.stdout().includes('transcript: assistant: I look at ⏎ the schema\n'),
    );
    await put(partialLogName('r1', 'beehives_1', 2), 'one\ntwo\nthree\n');
    await waitUntil('the third line', () => following.stdout().endsWith('three\n'));
    await put(logName('r1', 'beehives_1', 2), 'one\ntwo\nthree\nfour\n');
    await putRow(store, row('beehives_1'), 2);
    await say({ in_flight: [] });
    const end = await following.end;
    expect(end.code).toBe(0);
    expect(end.stdout.replace(/transcript: .*\n/, '')).toBe('one\ntwo\nthree\nfour\n');
    expect(end.stderr).toBe('');
  });

  it('says so when a growing log was replaced, and shows the new one from its begin', async () => {
    await putRun(store, manifestOf(['beehives_1']));
    await say({ in_flight: [{ instance_id: 'beehives_1', elapsed_s: 1 }] });
    await put(partialLogName('r1', 'beehives_1', 1), 'of the first life\n');
    using following = startCliHere(['logs', 'r1', '-f', '--store', url], { cwd });
    await waitUntil('the first', () => following.stdout().includes('of the first life'));
    await put(partialLogName('r1', 'beehives_1', 1), 'of another life, which is longer\n');
    await waitUntil('the second', () => following.stdout().includes('of another life'));
    await say({ in_flight: [], terminal_state: 'done' });
    const end = await following.end;
    expect(end.stdout).toBe('==> beehives_1, attempt 1\nof the first life\nof another life, which is longer\n');
    expect(end.stderr).toContain('beehives_1, attempt 1: its log was replaced');
  });

  it('goes on behind the cut of a log that has grown too long', async () => {
    const cut = (bytes: number): string => `begin\n[skein: ${bytes} bytes of this log are left out here]\n`;
    await putRun(store, manifestOf(['beehives_1']));
    await say({ in_flight: [{ instance_id: 'beehives_1', elapsed_s: 1 }] });
    await put(partialLogName('r1', 'beehives_1', 1), 'begin\nmiddle\n');
    using following = startCliHere(['logs', 'r1', 'beehives_1', '-f', '--store', url], { cwd });
    await waitUntil('the begin', () => following.stdout().includes('middle'));
    await put(partialLogName('r1', 'beehives_1', 1), `${cut(700)}later\n`);
    await waitUntil('the end', () => following.stdout().includes('later'));
    await say({ in_flight: [], terminal_state: 'done' });
    const end = await following.end;
    expect(end.stdout).toBe(`begin\nmiddle\n${cut(700).slice(6)}later\n`);
    expect(end.stderr).toBe('');
  });

  it('ends for a task that printed nothing, and for a run whose heart has stopped', async () => {
    await putRun(store, manifestOf(['beehives_1']), [row('beehives_1')]);
    await say({});
    const silent = await skein('logs r1 beehives_1 -f');
    expect(silent.stderr).toContain('beehives_1 of run r1 has no log yet');
    await writeStatus(store, 'r1', makeStatus({ last_heartbeat_ts: Date.now() / 1000 - 3600 }));
    expect((await skein('logs r1 -f')).code).toBe(0);
  });
});

describe('show', () => {
  it('shows a task that ended: which row counts and why, verdict, SQL, time by phase, files, transcript, log (V-24, L-01)', async () => {
    await putRun(store, manifestOf(['beehives_1']));
    await putRow(store, row('beehives_1', { error: 'actor-lost', synthetic: SYNTHETIC }), 1);
    await put(
      lateRowName('r1', 'beehives_1', 1),
      row('beehives_1', {
        submitted_sql: 'SELECT count(*)\nFROM hives',
        trajectory: [
          { role: 'user', content: 'how many?' },
          { role: 'assistant', content: [{ text: 'let me see' }] },
        ],
        timings_ms: { task: 1500, sql: 40 },
        node: 'n1',
        truncated_fields: { trajectory: 9_000_000 },
      }),
    );
    await putRow(store, row('beehives_1', { error: 'actor-lost', synthetic: SYNTHETIC }), 2);
    await put(logName('r1', 'beehives_1', 1), '[timing] task start\nhello \u001b[2J\n[timing] task done (1.500 s)\n');
    await put(`${sessionPrefix('r1', 'beehives_1', 1)}state.json`, '{}');
    await say({ terminal_state: 'done' });
    const { code, stdout, stderr } = await skein('show r1 beehives_1');
    expect([code, stderr]).toEqual([0, '']);
    for (const text of [
      'beehives_1 of run r1, database beehives\nended: passed_phase1',
      /^ +1 +row +error: actor-lost \(synthetic\) .*Z?\n +1 +late +passed_phase1 +\S+ +counts$/m,
      'it counts as attempt 2 has a synthetic row only, and a real one wins over it; it came late',
      'object      runs/r1/rows/beehives_1/attempt-1.late.json',
      /started +2023-\S+ UTC at node n1/,
      'cut         trajectory (9.0 MB)',
      'submitted SQL\nSELECT count(*)\nFROM hives\n',
      /^task +1\.500\nsql +0\.040 +in all$/m,
      /^ *2 B +state\.json$/m,
      /transcript \(the last 2 of more than 2 messages\)\nuser: how many\?\nassistant: let me see/,
      'log (the last 3 lines of',
      'hello \\x1b[2J',
    ]) {
      if (typeof text === 'string') expect(stdout).toContain(text);
      else expect(stdout).toMatch(text);
    }
    const json = JSON.parse((await skein('show r1 beehives_1 --json')).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({
      state: 'done',
      canonical: { attempt: 1, object: lateRowName('r1', 'beehives_1', 1) },
      attempts: [1, 2],
      attempt: 1,
      node: 'n1',
      timings_ms: { task: 1500 },
      row: { submitted_sql: 'SELECT count(*)\nFROM hives' },
      transcript: { source: 'row', is_partial: false },
      problems: [],
    });
    expect((await skein('show r1 beehives_1 --attempt 2')).stdout).toContain('synthetic   actor-lost: node n1: silent');
  });

  it('shows a task that runs as far as the store has it, and one that nobody has begun', async () => {
    await putRun(store, manifestOf(['beehives_1', 'ferries_1']));
    await say({ in_flight: [{ instance_id: 'beehives_1', elapsed_s: 75, attempt: 1, node: 'n7' }] });
    await put(partialTranscriptName('r1', 'beehives_1'), '{"role":"assistant","content":"thinking"}\n');
    await put(partialLogName('r1', 'beehives_1', 1), '[timing] task start\n[timing] reference start\n');
    const running = await skein('show r1 beehives_1');
    expect(running.stdout).toContain('running for 1 min 15 s at node n7, by the last heartbeat');
    expect(running.stdout).toContain(
      'transcript (as far as it is stored, the last 1 of 1 message)\nassistant: thinking',
    );
    expect(running.stdout).toMatch(/^reference +running$/m);
    const waiting = await skein('show r1 ferries_1');
    expect(waiting.stdout).toContain('open: it has no row yet');
    await put('runs/r1/attempts/2.json', {
      attempt: 2,
      ids: ['ferries_1'],
      reason: 'the model was down',
      by: 'ann@lab',
    });
    await putRow(store, row('ferries_1', { error: 'timeout' }));
    const again = await skein('show r1 ferries_1');
    expect(again.stdout).toContain('open: it was resubmitted as attempt 2, which has no row yet');
    expect(again.stdout).toContain('attempt 2 was asked for by ann@lab: the model was down');
    expect([running.code, waiting.code]).toEqual([0, 0]);
  });

  it('names every part that is broken, and shows the others', async () => {
    await putRun(store, manifestOf(['beehives_1']));
    await put(rowName('r1', 'beehives_1', 1), '{"instance_id": "bee');
    await put(logName('r1', 'beehives_1', 1), Buffer.from([0, 1, 2, 3]));
    await put(
      `${sessionPrefix('r1', 'beehives_1', 1)}partial_transcript.jsonl`,
      '{"role":"user","content":"hi"}\n{{{\n',
    );
    await put(`${sessionPrefix('r1', 'beehives_1', 1)}notes.txt`, 'x');
    const { code, stdout, stderr } = await skein('show r1 beehives_1');
    expect(code).toBe(0);
    expect(stdout).toContain('the row of attempt 1 cannot be read');
    expect(stdout).toContain('user: hi');
    expect(stdout).toContain('notes.txt');
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^skein: runs\/r1\/rows\/beehives_1\/attempt-1\.json: .*no JSON/),
      expect.stringMatching(/^skein: runs\/r1\/logs\/beehives_1\/attempt-1\.log: it is binary, 4 bytes/),
      expect.stringMatching(/^skein: .*partial_transcript\.jsonl: line 2: no JSON/),
    ]);
  });
});

describe('a mistake is one line, exit 2, and nothing is made', () => {
  const CASES: readonly [line: string, says: RegExp][] = [
    ['logs r1 beehives_2', /ID: "beehives_2" is no task of run r1; did you mean beehives_1\?/],
    ['logs r1 beehives_1 --attempt 3', /--attempt: beehives_1 of run r1 has no attempt 3; there are 1, 2/],
    ['logs r1 --attempt 9', /--attempt: run r1 has no attempt 9; there are 1, 2/],
    ['logs r1 beehives_1 --attempt 1e3', /--attempt: "1e3" is no whole number/],
    ['logs r1 ../x', /ID: "\.\.\/x" is no legal name/],
    ['show r1', /ID is missing: skein show RUN ID/],
    ['show r1 beehive', /ID: "beehive" is no task of run r1; did you mean beehives_1\?/],
    ['show r1 beehives_1 --attempt -1', /--attempt: "-1" is no whole number/],
    ['show r1 beehives_1 --attempt 01', /--attempt: "01" is no attempt/],
    ['show r1 beehives_1 --attempt 7', /--attempt: beehives_1 of run r1 has no attempt 7; there are 1, 2/],
    ['show r1 ferries_1 --attempt 1', /ferries_1 of run r1 has no attempt 1; it has none yet/],
    ['show nowhere beehives_1', /run nowhere: no such run/],
    ['show broken beehives_1', /runs\/broken\/manifest\.json/],
    ['diagnose nowhere', /run nowhere: no such run/],
    ['diagnose R1', /RUN: "R1" is no legal run id/],
    ['diagnose r1 --lines 1001', /--lines: "1001" is no whole number from 0 to 1000/],
    ['diagnose r1 --timeout 0', /--timeout: "0" is no number of seconds/],
    ['diagnose r1 --out no/such/folder/f', /--out: .*no\/such\/folder is no folder/],
    ['diagnose r1 --out store', /--out: .* is a folder; name a file/],
  ];

  it.each(CASES)('skein %s', async (line, says) => {
    await putRun(store, manifestOf(['beehives_1', 'ferries_1']), [row('beehives_1')]);
    await putRow(store, row('beehives_1'), 2);
    await put(logName('r1', 'beehives_1', 1), 'x\n');
    await put(manifestName('broken'), '{"run_id": 7');
    const before = await readdir(cwd, { recursive: true });
    const end = await skein(line);
    expect([end.code, end.stdout]).toEqual([2, '']);
    expect(end.stderr).toMatch(/^skein: [^\n]+\n$/);
    expect(end.stderr).toMatch(says);
    expect(await readdir(cwd, { recursive: true })).toEqual(before);
  });
});

describe('diagnose, from the store alone', () => {
  it('says what stands out, keeps every part that failed or was skipped with its reason, in one file of the user alone (V-04, P-05)', async () => {
    await putRun(store, manifestOf(['beehives_1', 'ferries_1', 'ferries_2']), [
      row('beehives_1', { error: 'no such table: hives' }),
    ]);
    await put(rowName('r1', 'ferries_1', 1), '{');
    await writeStatus(
      store,
      'r1',
      makeStatus({
        last_heartbeat_ts: Date.now() / 1000 - 4000,
        rows_total: 3,
        actors: { live: 0, pending: 2 },
        nodes: [{ node: 'n1', boot_id: 'b-1', tasks_out: 2 }],
        in_flight: [{ instance_id: 'ferries_2', elapsed_s: 900, attempt: 1, node: 'n1' }],
        helper_failures: { 'debug-bundle': 3 },
      }),
    );
    await mkdir(join(cwd, 'skein-data', 'out'), { recursive: true });
    const logLine = {
      level: 50,
      time: '2026-01-01T00:00:00.000Z',
      part: 'node',
      msg: 'actor did not start',
      error: 'OOM',
    };
    await writeFile(join(cwd, 'skein-data', 'out', 'r1.log'), `${JSON.stringify(logLine)}\n`);
    const secret = 'sk-canary-0123456789';
    await put(rowName('r1', 'ferries_2', 1), row('ferries_2', { error: `call failed with ${secret}` }));

    const env = { OPENAI_API_KEY: secret };
    const end = await runCliHere(['diagnose', 'r1', '--store', url], { cwd, env });
    expect([end.code, end.stderr]).toEqual([0, '']);
    const path = join(cwd, 'r1-diagnose.txt');
    expect(end.stdout.trimEnd().split('\n').at(-1)).toBe(path);
    for (const text of [
      'no heartbeat for 1 h 6 min',
      'no actor lives, and 2 are pending',
      'ferries_2 runs for 15 min 0 s, and no sign of it came',
      '1 row cannot be read',
      'debug-bundle: 3 uploads failed',
      'last error of the command: 2026-01-01T00:00:00.000Z actor did not start (error OOM)',
    ]) {
      expect(end.stdout).toContain(text);
    }
    const report = await readFile(path, 'utf8');
    expect((await stat(path)).mode & 0o077).toBe(0);
    expect(report).toContain('=== head: SKIPPED: no head was named');
    expect(report).toMatch(/=== nodes: ok\nas the last heartbeat named them:\nn1, boot b-1: 2 tasks/);
    expect(report).toContain('1 × no such table: hives: beehives_1');
    expect(report).toContain('1 × call failed with ***: ferries_2');
    expect(report).not.toContain(secret);
    const json = await runCliHere(['diagnose', 'r1', '--store', url, '--json', '--out', 'x.txt'], { cwd });
    expect(JSON.parse(json.stdout)).toMatchObject({ run_id: 'r1', report: join(cwd, 'x.txt'), exit_code: 0 });
  });

  it('goes on when the head is dead and only its data dir tells of it, and when nothing answers at all (V-04)', async () => {
    await putRun(store, manifestOf(['beehives_1']), [row('beehives_1')]);
    const dataDir = join(cwd, 'head');
    await mkdir(join(dataDir, 'log'), { recursive: true });
    const ready = {
      pid: 2 ** 22 - 1,
      address: '127.0.0.1:9',
      version: '0.1.0',
      boot_id: 'b',
      kind: 'head',
      store_url: url,
    };
    await writeFile(join(dataDir, 'ready.json'), JSON.stringify(ready));
    await writeFile(join(dataDir, 'token'), 'a-token-that-nobody-may-see');
    const fatal = { level: 60, time: '2026-01-01T00:00:00.000Z', msg: 'out of memory, a-token-that-nobody-may-see' };
    await writeFile(join(dataDir, 'log', 'daemon.log'), `${JSON.stringify(fatal)}\n`);
    const dead = await runCliHere(['diagnose', 'r1', '--data-dir', 'head', '--timeout', '2'], { cwd });
    expect(dead.code).toBe(0);
    expect(dead.stdout).toContain(`the head of ${dataDir} is dead: process ${2 ** 22 - 1} is gone`);
    expect(dead.stdout).toContain('out of memory, ***');
    expect(dead.stderr).toMatch(/^skein: head: FAILED: --data-dir: head 127\.0\.0\.1:9/m);
    const report = await readFile(join(cwd, 'r1-diagnose.txt'), 'utf8');
    expect(report).toContain('=== rows: ok\n1 without error');
    expect(report).not.toContain('a-token-that-nobody-may-see');

    const env = { SKEIN_ADDRESS: '127.0.0.1:9' };
    const nothing = await runCliHere(['diagnose', 'r1', '--timeout', '2', '--out', 'n.txt'], { cwd, env });
    expect(nothing.code).toBe(0);
    expect(nothing.stdout).toMatch(/^what stands out:\n {2}the store: [^\n]*\n {2}the head: /m);
    expect(await readFile(join(cwd, 'n.txt'), 'utf8')).toMatch(
      /=== run: FAILED: the head does not say where its store is/,
    );
  });
});
