/** Daemons and their clients as a person types them: a head, nodes, and runs on them, all on this machine. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  copyExample,
  countingSql,
  EXAMPLE,
  runCli,
  setGoldSql,
  startCli,
  type CliEnd,
  type RunningCli,
} from '../helpers/cli.ts';
import { makeNoopDataset } from '../helpers/cluster/noop-dataset.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const FEW = ['--dataset', EXAMPLE, '--mode', 'oracle', '--instance-ids', 'beehives_1,ferries_1'];

interface Ready {
  readonly pid: number;
  readonly address: string;
  readonly boot_id: string;
}

async function readyIn(dataDir: string): Promise<Ready | undefined> {
  const text = await readFile(join(dataDir, 'ready.json'), 'utf8').catch(() => '');
  return text === '' ? undefined : (JSON.parse(text) as Ready);
}

async function untilReady({ stderr }: RunningCli, dataDir: string): Promise<Ready> {
  let ready: Ready | undefined;
  await waitUntil(
    `a daemon on ${dataDir}: ${stderr()}`,
    async () => (ready = await readyIn(dataDir)) !== undefined,
    20_000,
  );
  return ready!;
}

function jsonOf({ stdout, stderr }: CliEnd): Record<string, unknown> {
  expect(stdout.trimEnd(), stderr).not.toBe('');
  expect(stdout.trimEnd()).not.toContain('\n');
  return JSON.parse(stdout) as Record<string, unknown>;
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

describe('a cluster of daemons', () => {
  let home: string;
  let head: RunningCli;
  let node: RunningCli;
  let ready: Ready;
  const dir = (name: string): string => join(home, name);
  const atHead = (): string[] => ['--data-dir', dir('head')];

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'skein-test-'));
    const store = `file://${dir('store')}`;
    head = startCli(['start', '--head', '--port', '0', '--store', store, ...atHead()], { cwd: home });
    ready = await untilReady(head, dir('head'));
    const join_ = ['--address', ready.address, '--token-file', dir('head/token'), '--data-dir', dir('node')];
    node = startCli(['start', ...join_, '--actors', '2', '--node-name', 'n1', '--block'], { cwd: home });
    await untilReady(node, dir('node'));
  });
  afterAll(async () => {
    node[Symbol.dispose]();
    head[Symbol.dispose]();
    await Promise.all([node.end, head.end]);
    await rm(home, { recursive: true, force: true });
  });

  it('keeps its token and ready file readable by its owner alone, and shows nobody the token (P-26)', async () => {
    const token = (await readFile(dir('head/token'), 'utf8')).trim();
    for (const name of ['head/token', 'head/ready.json', 'head/id', 'head/log/daemon.log', 'node/ready.json']) {
      expect((await stat(dir(name))).mode & 0o077, name).toBe(0);
    }
    const log = await readFile(dir('head/log/daemon.log'), 'utf8');
    const command = await readFile(`/proc/${ready.pid}/cmdline`, 'utf8');
    for (const text of [log, command, await readFile(dir('head/ready.json'), 'utf8')])
      expect(text).not.toContain(token);
  });

  it('a head takes the token that it is given, and lets in who has it', async () => {
    const cwd = await temporaryFolder();
    const env = { SKEIN_TOKEN: 'a-token-that-somebody-chose' };
    const args = [
      'start',
      '--head',
      '--port',
      '0',
      '--store',
      `file://${join(cwd, 'store')}`,
      '--data-dir',
      join(cwd, 'h'),
    ];
    const own = startCli(args, { cwd, env });
    try {
      const { address } = await untilReady(own, join(cwd, 'h'));
      expect(await readFile(join(cwd, 'h', 'token'), 'utf8')).toBe('a-token-that-somebody-chose\n');
      expect((await runCli(['status', '--address', address], { cwd, env })).code).toBe(0);
      expect((await runCli(['status', '--address', address], { cwd })).code).toBe(2);
    } finally {
      own[Symbol.dispose]();
      await own.end;
    }
  });

  it('shows head, nodes and store (P-04, P-05)', async () => {
    const shown = await runCli(['status', ...atHead()], { cwd: home });
    expect([shown.code, shown.stderr]).toEqual([0, '']);
    expect(shown.stdout).toMatch(/^n1 +connected +\d\/2/m);
    expect(shown.stdout).toContain('healthy');
    const json = jsonOf(await runCli(['status', ...atHead(), '--json'], { cwd: home }));
    expect(json).toMatchObject({
      address: ready.address,
      boot_id: ready.boot_id,
      has_lease: true,
      store: { url: `file://${dir('store')}`, trouble: null },
      nodes: [{ node: 'n1', state: 'connected', actors: 2, trouble: null }],
    });
  });

  it('runs what is submitted to it and brings the results home; the dataset goes up once (V-05)', async () => {
    const cwd = await temporaryFolder();
    const first = await runCli(['submit', ...FEW, ...atHead(), '--run-id', 'r1', '--json'], { cwd });
    expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('uploaded 2 databases')]);
    expect(jsonOf(first)).toMatchObject({
      run_id: 'r1',
      counts: { expected: 2, ok: 2, missing: 0 },
      score: { phase1: 2 },
      paths: { store: dir('store'), out: join(cwd, 'skein-data', 'out'), log: null },
      exit_reason: 'done',
    });
    expect(await isThere(join(cwd, 'skein-data', 'out', 'results.db'))).toBe(true);
    expect(await isThere(join(cwd, 'skein-data', 'store'))).toBe(false);
    const again = await runCli(['submit', ...FEW, ...atHead(), '--run-id', 'r1'], { cwd });
    expect([again.code, again.stderr]).toEqual([0, expect.not.stringContaining('uploaded')]);
  });

  it('builds references there, and they come home', async () => {
    const cwd = await temporaryFolder();
    const ids = ['--instance-ids', 'beehives_1,ferries_1'];
    const end = await runCli(['submit', '--dataset', EXAMPLE, ...ids, ...atHead(), '--json'], { cwd });
    expect([end.code, end.stderr]).toEqual([0, expect.any(String)]);
    expect(jsonOf(end)).toMatchObject({
      databases: [
        { database: 'beehives', done: 1, reused: false },
        { database: 'ferries', done: 1, reused: false },
      ],
    });
    expect(await isThere(join(cwd, 'skein-data', 'slayer_models_otf', 'ferries', '_reference_fp.txt'))).toBe(true);
  });

  it('goes on with a detached run; wait, fetch, list and logs find it by the address alone (L-04, X-09, W-16)', async () => {
    const cwd = await temporaryFolder();
    const env = { SKEIN_ADDRESS: ready.address, SKEIN_TOKEN_FILE: dir('head/token') };
    const end = await runCli(['submit', ...FEW, '--run-id', 'r2', '--detach'], { cwd, env });
    expect([end.code, end.stdout]).toEqual([0, 'r2\n']);
    expect(end.stderr).toContain('skein wait r2');
    const waited = await runCli(['wait', 'r2', '--poll', '0.1', '--json'], { cwd, env });
    expect(jsonOf(waited)).toMatchObject({ run_id: 'r2', exit_reason: 'done', counts: { ok: 2 } });
    const fetched = await runCli(['fetch', 'r2', '--json'], { cwd, env });
    expect(jsonOf(fetched)).toMatchObject({ run_id: 'r2', exit_reason: 'done' });
    expect((await runCli(['list'], { cwd, env })).stdout).toMatch(/^r2 +oracle\/raw\/oracle +done +2\/2/m);
    expect((await runCli(['logs', 'r2'], { cwd, env })).stdout).toContain('==> ferries_1, attempt 1');
    const token = (await readFile(dir('head/token'), 'utf8')).trim();
    const byToken = await runCli(['status', '--json'], {
      cwd,
      env: { ...env, SKEIN_TOKEN_FILE: '', SKEIN_TOKEN: token },
    });
    expect(jsonOf(byToken)).toMatchObject({ nodes: [{ node: 'n1' }] });
  });

  it('refuses another store, a wrong token and a second daemon on a data dir, each in one line', async () => {
    const cwd = await temporaryFolder();
    const refused = async (args: string[], says: RegExp, env = {}): Promise<void> => {
      const end = await runCliHere(args, { cwd, env });
      expect(end.stderr).toMatch(says);
      expect(end.stderr).toMatch(/^skein: [^\n]+\n$/);
      expect([end.code, end.stdout]).toEqual([2, '']);
    };
    const other = `file://${join(cwd, 'other')}`;
    await refused(
      ['submit', ...FEW, ...atHead(), '--store', other],
      /--store: .*other.* is not the store of the head .*\/store/,
    );
    await refused(['list', ...atHead()], /SKEIN_STORE: .*other/, { SKEIN_STORE: other });
    const wrong = { SKEIN_TOKEN: 'no-such-token-at-all' };
    await refused(['submit', ...FEW, '--address', ready.address], /--address: .*token/, wrong);
    await refused(['start', '--address', ready.address, '--data-dir', 'n'], /--address: .*token/, wrong);
    await refused(['list', '--address', ready.address], /--address: .*wants a token/);
    const otherHead = ['start', '--head', '--port', '0', ...['--store', `file://${join(cwd, 's')}`, '--data-dir', 't']];
    await mkdir(join(cwd, 't'));
    await writeFile(join(cwd, 't', 'token'), 'the-token-that-was-there\n');
    await refused(otherHead, /the token that was given is not the one in .*\/t\/token/, wrong);
    await refused(['start', '--head', '--port', '0', ...atHead()], /--data-dir: .*a head \(pid \d+\) runs on it/);
    const port = ready.address.split(':')[1] ?? '';
    const store = ['--store', `file://${join(cwd, 's')}`];
    await refused(
      ['start', '--head', '--port', port, ...store, '--data-dir', 'h'],
      /--port: .*127\.0\.0\.1:\d+.*in use/,
    );
    await refused(['start', '--head', '--port', '0', '--store', `file://${dir('store')}`, '--data-dir', 'h'], /head/);
    expect(await isThere(join(cwd, 'h'))).toBe(false);
  });

  it('kill stops a run, as often as it is told to, and resume at the head completes it (L-08)', async () => {
    const cwd = await temporaryFolder();
    const noop = ['--dataset', EXAMPLE, '--all', '--framework', 'noop', '--query-mode', 'raw', '--max-in-flight', '1'];
    const env = { SKEIN_ADDRESS: ready.address, SKEIN_TOKEN_FILE: dir('head/token') };
    await runCli(['submit', ...noop, '--run-id', 'r3', '--detach'], { cwd, env });
    const killed = await runCli(['kill', 'r3', '--grace', '0', '--json'], { cwd, env });
    expect(killed.code).toBe(0);
    expect(jsonOf(killed)).toMatchObject({ run_id: 'r3' });
    // The second time, and by who has the store alone: the same (L-08).
    expect((await runCli(['kill', 'r3'], { cwd, env })).code).toBe(0);
    expect((await runCliHere(['kill', 'r3', '--store', `file://${dir('store')}`], { cwd })).code).toBe(0);
    const resumed = await runCli(['resume', 'r3', '--json'], { cwd, env });
    expect(jsonOf(resumed)).toMatchObject({ run_id: 'r3', counts: { expected: 22, missing: 0 }, exit_code: 0 });
  });

  it('resubmit runs what was lost once more, detached, and wait waits for that attempt (L-11, L-12, X-09)', async () => {
    const cwd = await temporaryFolder();
    const env = { SKEIN_ADDRESS: ready.address, SKEIN_TOKEN_FILE: dir('head/token') };
    // Two attempts of it end their actor, which is more than a run tries by itself.
    const fields = (index: number) => (index === 0 ? { noop_dies: 2 } : {});
    const { dir: dataset, ids } = await makeNoopDataset(join(cwd, 'data'), { tasks: 3, fields, hasJournal: false });
    const noop = ['--dataset', dataset, '--all', '--framework', 'noop', '--query-mode', 'raw'];
    const first = await runCli(['submit', ...noop, '--run-id', 'r5', '--json'], { cwd, env });
    expect(jsonOf(first)).toMatchObject({ counts: { ok: 2, errors: 1 }, exit_code: 1 });
    await rm(dataset, { recursive: true });
    // From another folder, as from another machine.
    const elsewhere = await temporaryFolder();
    const again = await runCli(['resubmit', 'r5', '--detach', '--json'], { cwd: elsewhere, env });
    expect([again.code, jsonOf(again)]).toMatchObject([0, { run_id: 'r5', exit_reason: 'submitted' }]);
    const waited = await runCliHere(['wait', 'r5', '--min-attempt', '3', '--poll', '0.1', '--json'], {
      cwd: elsewhere,
      env,
    });
    expect(jsonOf(waited)).toMatchObject({ exit_reason: 'done', counts: { expected: 3, ok: 3 }, exit_code: 0 });
    const shown = jsonOf(await runCliHere(['list', 'r5', '--json'], { cwd: elsewhere, env }));
    expect(shown).toMatchObject({ state: 'done', attempt: 3, attempts: [{ attempt: 3, ids: [ids[0]] }] });
    for (const times of [1, 2]) {
      const killed = await runCliHere(['kill', 'r5', '--json'], { cwd: elsewhere, env });
      expect([times, killed.code, jsonOf(killed)['exit_reason']]).toEqual([times, 0, 'done']);
    }
    const good = await runCliHere(['resubmit', 'r5'], { cwd: elsewhere, env });
    expect([good.code, good.stdout]).toEqual([0, expect.stringContaining('nothing is run again')]);
  });

  it('Ctrl-C leaves an attached run to the cluster, and says how to wait for it and how to kill it (L-13, X-07)', async () => {
    const cwd = await temporaryFolder();
    const env = { SKEIN_ADDRESS: ready.address, SKEIN_TOKEN_FILE: dir('head/token') };
    const dataset = await copyExample(join(cwd, 'data'));
    // Seconds each, also on a fast machine: the run must outlive this command and the two that ask after it.
    await setGoldSql(dataset, countingSql(25_000_000), 2);
    const slow = ['--dataset', dataset, '--all', '--mode', 'oracle', '--sql-timeout-ms', '60000'];
    using running = startCli(['submit', ...slow, '--run-id', 'r4', '--json'], { cwd, env });
    await waitUntil('a task in flight', () => /[1-9] in flight/.test(running.stderr()), 20_000);
    running.child.kill('SIGINT');
    const end = await running.end;
    expect(end.code).toBe(130);
    // Whoever has the store alone is told whose it is.
    const store = ['--store', `file://${dir('store')}`];
    for (const command of ['resume', 'kill']) {
      const refused = await runCli([command, 'r4', ...store], { cwd });
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(`--address ${ready.address}`)]);
    }
    expect(end.stderr).toMatch(/the run goes on without this command; wait for it with: skein wait r4.*skein kill r4/);
    expect(jsonOf(end)).toMatchObject({ run_id: 'r4', exit_reason: 'detached', exit_code: 130 });
    expect((await runCli(['wait', 'r4', '--poll', '0.1'], { cwd, env })).code).toBe(0);
  }, 180_000);
});

describe('TLS', () => {
  it('lets in who has a certificate of the CA and the token, and nobody in plain text', async () => {
    const cwd = await temporaryFolder();
    await makeCertificates(cwd);
    const tls = ['--tls-ca', 'ca.pem', '--tls-cert', 'own.pem', '--tls-key', 'own.key'];
    const store = ['--store', `file://${join(cwd, 'store')}`];
    const start = ['start', '--head', '--host', '0.0.0.0', '--port', '0', ...store, '--data-dir', 'h', ...tls];
    using head = startCli(start, { cwd });
    const { address } = await untilReady(head, join(cwd, 'h'));
    const access = ['--address', address.replace('127.0.0.1', 'localhost'), '--token-file', 'h/token'];
    using node = startCli(['start', ...access, ...tls, '--data-dir', 'n', '--actors', '1', '--node-name', 'n1'], {
      cwd,
    });
    await untilReady(node, join(cwd, 'n'));
    const quick = ['--connect-timeout', '0.5'];
    const seen = await runCliHere(['status', ...access, ...tls, '--json'], { cwd });
    expect(jsonOf(seen)).toMatchObject({ nodes: [{ node: 'n1', state: 'connected' }] });
    for (const flags of [[], ['--tls-ca', 'ca.pem']]) {
      const refused = await runCliHere(['status', ...access, ...flags, ...quick], { cwd });
      expect([refused.code, refused.stderr]).toEqual([
        2,
        expect.stringMatching(/^skein: --address: [^\n]*--tls-c[^\n]*\n$/),
      ]);
    }
    node.child.kill('SIGTERM');
    expect((await node.end).code).toBe(0);
    head.child.kill('SIGTERM');
    expect((await head.end).code).toBe(0);
  });
});

/** A CA and one certificate of it for localhost, good for head, nodes and clients. */
async function makeCertificates(dir: string): Promise<void> {
  const run = (args: string): Promise<unknown> => promisify(execFile)('openssl', args.split(' '), { cwd: dir });
  await run(
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2',
  );
  await run('req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr -subj /CN=localhost');
  await writeFile(join(dir, 'san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  await run('x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out own.pem -days 2 -extfile san');
}

describe('stopping daemons', () => {
  it('a node by its data dir, a head by its address; both in good order, and nothing is left but the data', async () => {
    const cwd = await temporaryFolder();
    const dir = (name: string): string => join(cwd, name);
    using head = startCli(['start', '--head', '--port', '0', '--store', `file://${dir('store')}`, '--data-dir', 'h'], {
      cwd,
    });
    const { address } = await untilReady(head, dir('h'));
    const access = ['--address', address, '--token-file', dir('h/token')];
    using node = startCli(['start', ...access, '--data-dir', 'n', '--actors', '1'], { cwd });
    await untilReady(node, dir('n'));

    const stopped = await runCli(['stop', '--data-dir', 'n'], { cwd });
    expect([stopped.code, stopped.stderr]).toEqual([0, '']);
    expect((await node.end).code).toBe(0);
    expect(await readyIn(dir('n'))).toBeUndefined();
    expect((await runCli(['stop', '--data-dir', 'n'], { cwd })).stdout).toContain('nothing runs on');

    const asked = await runCli(['stop', ...access], { cwd });
    expect([asked.code, asked.stderr]).toEqual([0, '']);
    expect((await head.end).code).toBe(0);
    expect(await readyIn(dir('h'))).toBeUndefined();
    const dead = await runCli(['status', ...access, '--connect-timeout', '0.2'], { cwd });
    expect([dead.code, dead.stderr]).toEqual([
      2,
      expect.stringMatching(/^skein: --address: [^\n]*nothing listens[^\n]*\n$/),
    ]);
    // The bucket alone is enough for the rest.
    const listed = await runCli(['list', ...access, '--connect-timeout', '0.2', '--store', `file://${dir('store')}`], {
      cwd,
    });
    expect([listed.code, listed.stderr]).toEqual([0, expect.stringContaining('going on with the store alone')]);
  });

  it('a killed head leaves its ready file, and its successor on the same data dir takes over at once', async () => {
    const cwd = await temporaryFolder();
    const start = ['start', '--head', '--port', '0', '--store', `file://${join(cwd, 'store')}`, '--data-dir', 'h'];
    const first = startCli(start, { cwd });
    const { pid, boot_id: boot } = await untilReady(first, join(cwd, 'h'));
    process.kill(pid, 'SIGKILL');
    await first.end;
    expect(await readyIn(join(cwd, 'h'))).toMatchObject({ boot_id: boot });
    const startedMs = performance.now();
    using second = startCli(start, { cwd });
    await waitUntil(
      'another boot',
      async () => {
        const ready = await readyIn(join(cwd, 'h'));
        return ready !== undefined && ready.boot_id !== boot;
      },
      20_000,
    );
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    second.child.kill('SIGTERM');
    expect((await second.end).code).toBe(0);
  });
});
