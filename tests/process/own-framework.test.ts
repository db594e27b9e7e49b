/** `--framework ./mine.ts` as a person types it, in one command: the whole way from a file to rows. */
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { EXAMPLE, runCli, startCli, type CliEnd } from '../helpers/cli.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const AGENT = fileURLToPath(new URL('../../examples/frameworks/keyword-agent.ts', import.meta.url));
type Row = Record<string, unknown>;

const submit = (framework: string, ids: string, ...more: string[]): string[] => [
  ...['submit', '--dataset', EXAMPLE, '--framework', framework, '--run-id', 'r1'],
  ...(ids === 'all' ? ['--all'] : ['--instance-ids', ids, '--actors', '1']),
  ...more,
];

const storeOf = (cwd: string, ...path: string[]): string => join(cwd, 'skein-data', 'store', ...path);
const rowOf = async (cwd: string, id: string): Promise<Row> =>
  JSON.parse(await readFile(storeOf(cwd, 'runs', 'r1', 'rows', id, 'attempt-1.json'), 'utf8')) as Row;
const logOf = (cwd: string, id: string): Promise<string> =>
  readFile(storeOf(cwd, 'runs', 'r1', 'logs', id, 'attempt-1.log'), 'utf8');
const diary = ({ code, stdout, stderr }: CliEnd): string => `${code}\n${stdout}\n${stderr}`;

async function folderWith(file: string, text: string): Promise<string> {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, file), text);
  return cwd;
}

describe('a framework of one’s own', () => {
  it('solves twelve of the example’s tasks without a model, by the reference alone (V-28, 3B-06)', async () => {
    const cwd = await temporaryFolder();
    const end = await runCli(submit(AGENT, 'all', '--actors', '2'), { cwd });
    expect(end.code, diary(end)).toBe(0);
    expect(end.stdout).toContain('score: 12 of 22 passed (54.5 %)');
    const row = await rowOf(cwd, 'beehives_4');
    expect(row).toMatchObject({ framework: 'keyword-agent', submission_status: 'passed_phase1', error: null });
    expect(row['submitted_query']).toContain('"about":"harvests.dhw"');
    // What a task masks is nowhere in what the agent saw.
    expect((await rowOf(cwd, 'beehives_2'))['submitted_query']).not.toContain('heavily_infested');
    expect(await readdir(storeOf(cwd, 'frameworks'))).toEqual([`${row['framework_digest'] as string}.mjs`]);
  });

  it('keeps what it knows from task to task of one actor, and is given its options (W-02)', async () => {
    const cwd = await folderWith(
      'counting.ts',
      `import type { AgentContext, AgentSettings, AgentTask, Framework, SetupContext } from 'skein/framework';
      let setups = 0;
      export default class Counting implements Framework {
        readonly #step: number;
        #sum = 0;
        constructor(settings: AgentSettings) { this.#step = settings.options['step'] as number; }
        setup(context: SetupContext) { setups += 1; context.log('set up'); }
        runTask(task: AgentTask, { usage, scratchDir }: AgentContext) {
          this.#sum += this.#step;
          usage.add({ prompt_tokens: 5, cost_usd: 0.5 });
          usage.add({ prompt_tokens: 6 });
          return { fields: { sum: this.#sum, setups, keys: Object.keys(task).sort(), has_scratch: scratchDir !== '' } };
        }
        close() { console.log('closed after ' + this.#sum); }
      }`,
    );
    const ids = ['ferries_1', 'ferries_2', 'ferries_3'];
    const end = await runCli(
      submit('./counting.ts', ids.join(), '--query-mode', 'raw', '--framework-options', '{"step": 7}'),
      { cwd },
    );
    // It submits nothing, and that is no error.
    expect(end.code, diary(end)).toBe(0);
    const rows = await Promise.all(ids.map((id) => rowOf(cwd, id)));
    expect(rows.map((row) => row['sum'])).toEqual([7, 14, 21]);
    expect(rows.map((row) => row['setups'])).toEqual([1, 1, 1]);
    expect(rows[0]).toMatchObject({
      framework: 'counting',
      query_mode: 'raw',
      submission_status: 'never_submitted',
      keys: ['amb_user_query', 'category', 'instance_id', 'selected_database'],
      has_scratch: true,
      usage: { prompt_tokens: 11, n_calls: 2, cost_usd: 0.5 },
    });
    expect(await logOf(cwd, 'ferries_1')).toContain('set up');
    // Raw: nothing was built.
    await expect(readdir(join(cwd, 'skein-data', 'slayer_models_otf'))).rejects.toThrow('ENOENT');
  });

  it('that throws leaves error rows in its author’s lines, and goes on with the next task (W-04)', async () => {
    const cwd = await folderWith(
      'throwing.ts',
      `import type { AgentContext, AgentTask } from 'skein/framework';
import { deep } from './deep.ts';

interface Nothing { readonly a?: string }

export default (): { runTask(task: AgentTask, context: AgentContext): Promise<unknown> } => ({
  async runTask(task, context) {
    context.usage.add({ cost_usd: 1 });
    switch (task.instance_id) {
      case 'ferries_1':
        return deep({} satisfies Nothing);
      case 'ferries_2':
        return 42;
      case 'ferries_3':
        return { sql: 'SELECT 1', sqll: 'SELECT 2' };
      case 'ferries_4':
        return { fields: { error: 'mine' } };
      case 'ferries_5':
        return { sql: 'SELECT 1', trajectory: [1n] };
      case 'ferries_6':
        return context.store();
      default:
        return { sql: 'SELECT 1', error: 'gave up' };
    }
  },
});
`,
    );
    await writeFile(
      join(cwd, 'deep.ts'),
      `\n\nexport function deep(value: object): never {\n  throw new RangeError('too deep ' + Object.keys(value).length);\n}\n`,
    );
    const ids = [1, 2, 3, 4, 5, 6, 7].map((n) => `ferries_${n}`);
    const end = await runCli(submit('./throwing.ts', ids.join(), '--query-mode', 'raw'), { cwd });
    expect(end.code, diary(end)).toBe(1);
    const rows = await Promise.all(ids.map((id) => rowOf(cwd, id)));
    expect(rows.map((row) => row['error'])).toEqual([
      'throwing.ts: runTask threw: RangeError: too deep 0 (deep.ts:4:9)',
      expect.stringMatching(
        /throwing\.ts: what runTask returned is no answer and no row: .*expected object, received number/,
      ),
      expect.stringMatching(/no answer and no row: .*sqll/),
      expect.stringMatching(/fields\.error: a row has a field of that name already/),
      expect.stringMatching(/it cannot be written as JSON/),
      expect.stringMatching(/runTask threw: .*store\(\): a run under --query-mode raw has no reference/),
      'gave up',
    ]);
    expect(rows[0]).toMatchObject({
      error_stack: 'RangeError: too deep 0\n    at deep (deep.ts:4:9)\n    at Object.runTask (throwing.ts:11:16)',
      usage: { cost_usd: 1 },
      submission_status: 'never_submitted',
    });
    expect(rows[6]).toMatchObject({ submitted_sql: 'SELECT 1', submission_status: 'wrong_result' });
    expect(await logOf(cwd, 'ferries_1')).toContain('at deep (deep.ts:4:9)');
  });

  it('that cannot be set up gives each task an error row and a new actor', async () => {
    const cwd = await folderWith(
      'unready.ts',
      `import { existsSync, writeFileSync } from 'node:fs';
let tries = 0;
export default class Unready {
  async setup(): Promise<void> {
    tries += 1;
    if (existsSync(process.env['PWD'] + '/ready')) return;
    if (tries > 1) throw new Error('the same thread again');
    throw new Error('no key for the model');
  }
  runTask() { return { fields: { tries } }; }
}
`,
    );
    const ids = ['ferries_1', 'ferries_2', 'ferries_3'];
    const end = await runCli(submit('./unready.ts', ids.join(), '--query-mode', 'raw'), { cwd, env: { PWD: cwd } });
    expect(end.code, diary(end)).toBe(1);
    for (const id of ids) {
      const row = await rowOf(cwd, id);
      expect(row['error'], id).toMatch(/^unready\.ts: setup\(\) threw: no key for the model \(unready\.ts:8:11\)/);
      expect(row['error_stack'], id).toContain('at Unready.setup (unready.ts:8:11)');
    }
  });

  it('goes on as it was submitted when its file has changed since, and says so', async () => {
    const text = (version: number): string =>
      `import { existsSync } from 'node:fs';
      import { setTimeout as sleep } from 'node:timers/promises';
      export default class {
        async runTask(task) {
          while (task.instance_id === 'ferries_2' && !existsSync(process.env.PWD + '/go')) await sleep(20);
          return { fields: { version: ${version} } };
        }
      }`;
    const cwd = await folderWith('mine.mjs', text(1));
    const env = { PWD: cwd };
    using first = startCli(submit('./mine.mjs', 'ferries_1,ferries_2', '--query-mode', 'raw'), { cwd, env });
    const isStored = (id: string): Promise<boolean> =>
      rowOf(cwd, id).then(
        () => true,
        () => false,
      );
    await waitUntil('the first row is stored', () => isStored('ferries_1'), 30_000);
    first.child.kill('SIGKILL');
    await first.end;
    await writeFile(join(cwd, 'mine.mjs'), text(2));
    await writeFile(join(cwd, 'go'), '');
    const end = await runCli(['resume', 'r1'], { cwd, env });
    expect(end.code, diary(end)).toBe(0);
    expect(end.stderr).toMatch(
      /mine\.mjs has changed since the submit; the run goes on with the framework as it was submitted, [0-9a-f]{12}/,
    );
    expect([await rowOf(cwd, 'ferries_1'), await rowOf(cwd, 'ferries_2')]).toMatchObject([
      { version: 1 },
      { version: 1 },
    ]);
    // Another framework under the same id is another run.
    const other = await runCli(submit('./mine.mjs', 'ferries_1,ferries_2', '--query-mode', 'raw'), { cwd, env });
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/^skein: --run-id: "r1" is another run: framework_bundle is [^\n]*\n$/);
  });

  it('is not run when its bytes in the store are not what the manifest says', async () => {
    const cwd = await folderWith('mine.mjs', 'export default class { runTask() { return { fields: { ran: 1 } }; } }');
    const args = submit('./mine.mjs', 'ferries_1', '--query-mode', 'raw');
    expect((await runCli(args, { cwd })).code).toBe(0);
    const { framework_digest: digest } = await rowOf(cwd, 'ferries_1');
    await rm(storeOf(cwd, 'runs', 'r1', 'rows'), { recursive: true });
    const object = storeOf(cwd, 'frameworks', `${String(digest)}.mjs`);
    await copyFile(join(cwd, 'mine.mjs'), object);
    const resumed = await runCli(['resume', 'r1'], { cwd });
    expect(resumed.code, diary(resumed)).toBe(3);
    expect(resumed.stderr).toMatch(/has other bytes than its name says; it is not run/);
    const submitted = await runCli(args, { cwd });
    expect(submitted.code, diary(submitted)).toBe(2);
  });

  it('that is none ends the command before anything is made, in one line with file, line and column', async () => {
    const cwd = await folderWith('mine.ts', 'export default class {\n  runTask( {\n}\n');
    const end = await runCli(submit('./mine.ts', 'all'), { cwd });
    expect(end.code).toBe(2);
    expect(end.stderr).toMatch(/^skein: --framework: \/[^\n]*mine\.ts:\d+:\d+: [^\n]+\n$/);
    expect(await readdir(cwd)).toEqual(['mine.ts']);
    const options = await runCli(submit(AGENT, 'all', '--framework-options', './none.json'), { cwd });
    expect(options).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^skein: --framework-options: "\.\/none\.json" is neither[^\n]*\n$/),
    });
    expect(await readdir(cwd)).toEqual(['mine.ts']);
  });
});
