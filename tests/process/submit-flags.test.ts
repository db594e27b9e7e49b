/** What `submit` was asked for: refused in one line before anything is made, or written down and told to the framework. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { EXAMPLE } from '../helpers/cli.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { makeNoopDataset, type NoopDatasetOptions } from '../helpers/cluster/noop-dataset.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const ALL = ['submit', '--dataset', EXAMPLE, '--all'];
const NOOP = ['--all', '--framework', 'noop', '--query-mode', 'raw', '--run-id', 'r1', '--json'];
const json = async (...path: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(...path), 'utf8')) as Record<string, unknown>;

async function noop(options: NoopDatasetOptions): Promise<{ cwd: string; runDir: string; args: string[] }> {
  const cwd = await temporaryFolder();
  const { dir } = await makeNoopDataset(join(cwd, 'data'), options);
  return { cwd, runDir: join(cwd, 'skein-data', 'store', 'runs', 'r1'), args: ['submit', '--dataset', dir, ...NOOP] };
}

describe('flags of submit', () => {
  it.each([
    ['--detach --allow-dirty', '--detach and --allow-dirty do not go together'],
    ['--allow-dirty', '--allow-dirty has no meaning here'],
    ['--worker-type e2-standard-4', '--worker-type chooses machines of a cloud'],
    ['--workers 4', 'skein start --address'],
    ['--workers none', '--workers: "none" is no whole number'],
    ['--actors 2 --actors-per-worker 2', '--actors and --actors-per-worker'],
    ['--actors-per-worker 0', '--actors-per-worker: "0"'],
    ['--prompt-cache --no-prompt-cache', '--prompt-cache and --no-prompt-cache'],
    ['--use-audited-gold-sql', '--use-audited-gold-sql works only with --audited-gold DIR'],
    ['--user-sim-model openai/x', '--user-sim-model works only with --agent-model'],
    ['--agent-model two//slashes', '--agent-model: "two//slashes" is no name of a model'],
    ['--agent-model a/b --user-sim-model ~', '--user-sim-model: "~" is no name of a model'],
    ['--patience=-1', '--patience: "-1"'],
    ['--max-depth 1e3', '--max-depth: "1e3"'],
    ['--max-runtime-hours 0', '--max-runtime-hours: "0" is no number of hours above 0'],
    ['--max-runtime-hours 597', '--max-runtime-hours: "597"'],
    ['--mode one-shot', '--mode: one-shot is for benchmarks without a user'],
    [
      '--framework noop --slayer-setup pre-encoded --slayer-storage-root rel',
      '--slayer-storage-root: "rel" is not absolute',
    ],
    ['--slayer-storage-root /data/slayer_models', '--slayer-storage-root works only with --slayer-setup pre-encoded'],
  ])('%s: one line, exit 2, nothing made (L-02, L-04)', async (flags, says) => {
    const cwd = await temporaryFolder();
    const end = await runCliHere([...ALL, ...flags.split(' ')], { cwd });
    expect(end).toMatchObject({ code: 2, stdout: '' });
    expect(end.stderr).toMatch(/^skein: [^\n]+\n$/);
    expect(end.stderr).toContain(says);
    expect(await readdir(cwd)).toEqual([]);
  });

  it('stand in the manifest under the original’s names, and the framework is told them (L-02, L-16, L-18)', async () => {
    const { cwd, runDir, args } = await noop({ tasks: 1, databases: 1, fields: () => ({ noop_settings: true }) });
    const asked = ['--agent-model', 'local/x', '--user-sim-model', 'none', '--patience', '5', '--max-depth', '2'];
    const more = ['--strict', '--no-prompt-cache', '--actors-per-worker', '1'];
    const end = await runCliHere([...args, ...asked, ...more, '--max-runtime-hours', '1.5', '--workers', '1'], { cwd });
    expect(end.code, end.stderr).toBe(0);
    expect(await json(runDir, 'manifest.json')).toMatchObject({
      ...{ agent_model: 'local/x', user_sim_model: '', patience: 5, max_depth: 2, strict: true },
      ...{ use_audited_gold_sql: false, prompt_cache: false, slayer_storage_root: '' },
      render_inputs: { workers: 1, actors_per_worker: 1, max_runtime_hours: 1.5 },
    });
    expect((await json(runDir, 'rows', 'd0_0', 'attempt-1.json'))['noop_settings']).toMatchObject({
      ...{ agentModel: 'local/x', userSimModel: '', patience: 5, maxDepth: 2, strict: true, framework: 'noop' },
      ...{ useAuditedGoldSql: false, promptCache: false, slayerStorageRoot: '', queryMode: 'raw' },
    });
  });

  it('have the original’s defaults where nobody types them, and no model and no end of time (L-02)', async () => {
    const { cwd, runDir, args } = await noop({ tasks: 1, databases: 1 });
    expect((await runCliHere(args, { cwd })).code).toBe(0);
    expect(await json(runDir, 'manifest.json')).toMatchObject({
      ...{ agent_model: '', user_sim_model: '', patience: 3, max_depth: 3, strict: false },
      ...{ use_audited_gold_sql: false, prompt_cache: true },
      render_inputs: { workers: 1, max_runtime_hours: 0 },
    });
  });

  it('--max-runtime-hours stops the run with exit 3 and says how to go on; what has ended keeps its row (L-02)', async () => {
    const { cwd, runDir, args } = await noop({ tasks: 2, databases: 1, ms: (index) => (index === 0 ? 0 : 600_000) });
    const end = await runCliHere([...args, '--max-runtime-hours', '0.0003', '--grace', '0', '--actors', '1'], { cwd });
    expect(end.code).toBe(3);
    expect(JSON.parse(end.stdout)).toMatchObject({ run_id: 'r1', exit_code: 3, exit_reason: 'not-finished' });
    expect(end.stderr).toContain('its time is over (--max-runtime-hours 0.0003)');
    expect(end.stderr).toContain('go on with: skein resume r1');
    expect(await readdir(join(runDir, 'rows'))).toEqual(['d0_0']);
    expect(await json(runDir, 'status.json')).toMatchObject({ stopped: true, terminal_state: null, rows_done: 1 });
  });
});

describe('every command', () => {
  it('answers its help, and refuses what is not there in one line: none is only found out in use (P-31, P-32)', async () => {
    const cwd = await temporaryFolder();
    const help = await runCliHere(['--help'], { cwd });
    const names = [...help.stdout.matchAll(/^ {2}skein (\S+)/gm)].map(([, name]) => name as string);
    const lines: Readonly<Record<string, string[]>> = { encode: ['--dataset', 'nowhere', '--all'] };
    expect(names).toEqual(
      expect.arrayContaining(['submit', 'resume', 'wait', 'fetch', 'list', 'logs', 'kill', 'start']),
    );
    for (const name of names) {
      const own = await runCliHere([name, '--help'], { cwd });
      expect(own, name).toMatchObject({ code: 0, stderr: '' });
      expect(own.stdout, name).toContain(`skein ${name}`);
      const slots = [...own.stdout.split('\n', 1)[0]!.matchAll(/<(\w+)>/g)];
      const args = lines[name] ?? slots.map(() => 'no-such-run');
      const end = await runCliHere([name, ...args, ...(name === 'list' ? ['--store', 'nowhere'] : [])], {
        cwd,
      });
      expect(end.code, `${name}: ${end.stderr}`).toBe(2);
      expect(end.stderr, name).toMatch(/^skein: [^\n]+\n$/);
    }
  });

  it('takes the environment as it is when it is typed, not as it was when anything was loaded (P-14, W-16)', async () => {
    const cwd = await temporaryFolder();
    for (const name of ['one', 'two']) {
      const url = `file://${join(cwd, name)}`;
      const end = await runCliHere(['list', '--json'], { cwd, env: { SKEIN_STORE: url } });
      expect(JSON.parse(end.stdout)).toMatchObject({ store: url, runs: [] });
    }
  });
});
