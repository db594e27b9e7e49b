/** `skein diagnose` on daemons that run, hang, and are dead. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { copyExample, countingSql, runCli, setGoldSql, startCli, type RunningCli } from '../helpers/cli.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { waitUntil } from '../helpers/wait-until.ts';

let home: string;
const daemons: RunningCli[] = [];
let address: string;
const dir = (name: string): string => join(home, name);

async function daemon(name: string, args: readonly string[]): Promise<RunningCli> {
  const running = startCli(['start', '--data-dir', dir(name), ...args], { cwd: home });
  daemons.push(running);
  await waitUntil(
    `${name} is ready: ${running.stderr()}`,
    async () => (await readFile(join(dir(name), 'ready.json'), 'utf8').catch(() => '')) !== '',
    20_000,
  );
  return running;
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'skein-test-'));
  await daemon('head', ['--head', '--port', '0', '--store', `file://${dir('store')}`]);
  address = (JSON.parse(await readFile(dir('head/ready.json'), 'utf8')) as { address: string }).address;
  const at = ['--address', address, '--token-file', dir('head/token'), '--actors', '1'];
  await Promise.all([daemon('n1', [...at, '--node-name', 'n1']), daemon('n2', [...at, '--node-name', 'n2'])]);
});
afterAll(async () => {
  for (const { child } of daemons) child.kill('SIGKILL');
  await Promise.all(daemons.map(({ end }) => end));
  await rm(home, { recursive: true, force: true });
});

async function diagnose(...more: string[]): Promise<{ stdout: string; stderr: string; report: string }> {
  const args = ['diagnose', 'r1', '--out', dir('report.txt'), '--timeout', '4', ...more];
  const end = await runCliHere(args, { cwd: home });
  expect([end.code, end.stderr.includes('bug')]).toEqual([0, false]);
  return { ...end, report: await readFile(dir('report.txt'), 'utf8') };
}

describe('a diagnosis of a cluster', () => {
  it('shows what each actor runs, then names the node that hangs, then the one that is dead, then the dead head (V-04, P-04, V-25)', async () => {
    const dataset = await copyExample(dir('data'));
    await setGoldSql(dataset, countingSql(1_000_000_000), 4);
    const submit = ['submit', '--dataset', dataset, '--all', '--mode', 'oracle', '--run-id', 'r1', '--detach'];
    const settings = ['--sql-timeout-ms', '600000', '--data-dir', dir('head')];
    expect((await runCli([...submit, ...settings], { cwd: home })).code).toBe(0);
    const atHead = ['--data-dir', dir('head')];
    let seen = await diagnose(...atHead);
    await waitUntil(
      'both nodes run a task',
      async () => {
        seen = await diagnose(...atHead);
        // In the words of the tasks themselves, which are not in the store yet.
        return (
          (
            seen.report.match(/running \S+, attempt 1[^\n]*\n(?: {4}\|[^\n]*\n)* {4}\| \[timing\] sql\.open done/g) ??
            []
          ).length === 2
        );
      },
      20_000,
      100,
    );
    const { report } = seen;
    expect(report).toMatch(/^n1: connected, boot \S+, data dir \S+$/m);
    expect(report).toMatch(/=== queue: ok\n0 waiting, 2 handed out and not begun, 2 running; open at n\d, n\d/);
    expect(report).toMatch(/=== spools: ok\nn\d: 0 rows/);
    expect(report).toContain('"msg":"head ready"');
    expect(report).toMatch(/--- n1\n.*"msg":"node ready"/s);
    expect(report).toMatch(/=== data dir: ok\n/);
    const token = (await readFile(dir('head/token'), 'utf8')).trim();
    expect(report).not.toContain(token);

    const [head, , second] = daemons as [RunningCli, RunningCli, RunningCli];
    second.child.kill('SIGSTOP');
    const hanging = await diagnose(...atHead);
    expect(hanging.report).toMatch(/^n2: [^\n]*\n[^\n]*\n {2}FAILED: (?:no answer within 2 s|silent for)/m);
    expect(hanging.report).toMatch(/=== actors: ok\n/);
    second.child.kill('SIGKILL');
    await waitUntil(
      'the node is known to be silent',
      async () => {
        seen = await diagnose(...atHead);
        return seen.stdout.includes('node n2 is silent for');
      },
      20_000,
    );
    expect(seen.report).toMatch(/--- n2: FAILED: silent for [\d.]+ s: not asked/);

    // What a heartbeat has told outlives the head.
    await waitUntil(
      'a beat names what runs',
      async () => {
        const text = await readFile(join(dir('store'), 'runs', 'r1', 'status.json'), 'utf8');
        return (JSON.parse(text) as { in_flight: unknown[] }).in_flight.length > 0;
      },
      15_000,
    );
    head.child.kill('SIGKILL');
    await head.end;
    const dead = await diagnose(...atHead);
    expect(dead.stdout).toContain(`the head of ${dir('head')} is dead`);
    expect(dead.stdout).toContain('the head of the store is dead: its process on this machine is gone');
    expect(dead.report).toMatch(/=== head: FAILED: --data-dir: head /);
    expect(dead.report).toMatch(/=== nodes: ok\nas the last heartbeat named them:\nn\d, boot/);
    expect(dead.report).toMatch(/=== running tasks: ok\n\S+_\d+, attempt 1: for /);
    expect(dead.report).toMatch(/=== data dir log: ok\n.*"msg":"node silent"/s);
    // Of a node, dead or alive, its own machine tells the same.
    const atNode = await diagnose('--data-dir', dir('n2'), '--store', `file://${dir('store')}`);
    expect(atNode.stdout).toContain(`the node of ${dir('n2')} is dead`);
    expect(atNode.report).toMatch(/=== data dir log: ok\n.*"node":"n2"/s);
  });
});
