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

/** Its setup throws as long as there is no file `ready`. */
const UNREADY = `import { appendFileSync, existsSync } from 'node:fs';
let tries = 0;
export default class Unready {
  async setup(): Promise<void> {
    tries += 1, appendFileSync(process.env['PWD'] + '/setups', '.');
    if (existsSync(process.env['PWD'] + '/ready')) return;
    if (tries > 1) throw new Error('the same thread again');
    throw new Error('no key for the model');
  }
  runTask() { return { fields: { tries } }; }
}
`;

describe('a framework of one’s own', () => {
  it('solves twelve of the example’s tasks without a model, by the reference alone (V-28)', async () => {
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

  it('keeps what it knows from task to task of one actor, is given its options, and is judged by its SQL as it is (W-02, 3B-06)', async () => {
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
          const sql = task.instance_id === 'ferries_2' ? 'SELECT fareclass, sum(ticketcount * unitprice) FROM fares GROUP BY 1' : null;
          return { sql, fields: { sum: this.#sum, setups, keys: Object.keys(task).sort(), has_scratch: scratchDir !== '' } };
        }
        close() { console.log('closed after ' + this.#sum); }
      }`,
    );
    const ids = ['ferries_1', 'ferries_2', 'ferries_3'];
    const end = await runCli(
      submit('./counting.ts', ids.join(), '--query-mode', 'raw', '--framework-options', '{"step": 7}'),
      { cwd },
    );
    // It submits nothing for two of them, and that is no error.
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
    expect(rows[1]).toMatchObject({ query_mode: 'raw', submission_status: 'passed_phase1' });
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
    const cwd = await folderWith('unready.ts', UNREADY);
    const ids = ['ferries_1', 'ferries_2', 'ferries_3'];
    const end = await runCli(submit('./unready.ts', ids.join(), '--query-mode', 'raw'), { cwd, env: { PWD: cwd } });
    expect(end.code, diary(end)).toBe(1);
    for (const id of ids) {
      const row = await rowOf(cwd, id);
      expect(row['error'], id).toMatch(/^unready\.ts: setup\(\) threw: no key for the model \(unready\.ts:8:11\)/);
      expect(row['error_stack'], id).toContain('at Unready.setup (unready.ts:8:11)');
    }
    // One of an actor of its own for each task.
    expect(await readFile(join(cwd, 'setups'), 'utf8')).toBe('...');
  });

  it('is resubmitted as it was submitted, whatever became of its file', async () => {
    const cwd = await folderWith('unready.ts', UNREADY);
    const env = { PWD: cwd };
    expect((await runCli(submit('./unready.ts', 'ferries_3', '--query-mode', 'raw'), { cwd, env })).code).toBe(1);
    await writeFile(join(cwd, 'ready'), '');
    await writeFile(join(cwd, 'unready.ts'), 'export default class {');
    const again = await runCli(['resubmit', 'r1'], { cwd, env });
    expect(again.code, diary(again)).toBe(0);
    expect(again.stderr).toMatch(
      /unready\.ts cannot be bundled any more; the run goes on with the framework as it was/,
    );
    const second = await readFile(storeOf(cwd, 'runs', 'r1', 'rows', 'ferries_3', 'attempt-2.json'), 'utf8');
    expect(JSON.parse(second)).toMatchObject({ error: null, framework: 'unready', tries: 1 });
  });

  it('sees the reference without what its task masks, and a copy of it on the disk that is its own (T-03, T-04)', async () => {
    const cwd = await folderWith(
      'looking.ts',
      `import { appendFileSync, readFileSync } from 'node:fs';
      import { join } from 'node:path';
      import type { AgentContext, AgentTask } from 'skein/framework';
      export default class {
        async runTask(task: AgentTask, context: AgentContext) {
          const store = await context.store();
          const dir = await store.directory();
          const file = join(dir, 'models', store.database, 'inspections.yaml');
          const onDisk = readFileSync(file, 'utf8');
          appendFileSync(file, '# changed by a task');
          context.transcript({ role: 'agent', content: 'looked' });
          return {
            fields: {
              kb: store.kb.map(({ id }) => id),
              results: store.results.map(({ kb_id }) => kb_id),
              columns: store.models.get('inspections')?.columns.map(({ name }) => name),
              memories: store.memories.map(({ id }) => id),
              refers: store.memories.some(({ entities }) => entities.includes('memory:beehives_kb_9')),
              is_on_disk: onDisk.includes('heavily_infested'),
              is_fresh: !onDisk.includes('# changed'),
            },
          };
        }
      }`,
    );
    const end = await runCli(submit('./looking.ts', 'beehives_1,beehives_2,beehives_3'), { cwd });
    expect(end.code, diary(end)).toBe(0);
    const open = await rowOf(cwd, 'beehives_1');
    const masked = await rowOf(cwd, 'beehives_2');
    for (const field of ['kb', 'results']) {
      expect(open[field], field).toContain(9);
      expect(masked[field], field).toEqual((open[field] as number[]).filter((id) => id !== 9));
    }
    expect(open['columns']).toContain('heavily_infested_colony');
    expect(masked['columns']).toEqual(
      (open['columns'] as string[]).filter((name) => name !== 'heavily_infested_colony'),
    );
    expect(open['memories']).toContain('beehives_kb_9');
    expect(masked['memories']).not.toContain('beehives_kb_9');
    expect(masked).toMatchObject({ refers: false, is_on_disk: false, is_fresh: true });
    // The next task that masks nothing has all of it again, and a copy that no other wrote to.
    expect(await rowOf(cwd, 'beehives_3')).toMatchObject({ kb: open['kb'], is_on_disk: true, is_fresh: true });
    const bundle = await readdir(storeOf(cwd, 'runs', 'r1', 'sessions', 'beehives_2', 'attempt-1'));
    expect(bundle).toContain('slayer_storage');
    const rows = storeOf(cwd, 'runs', 'r1', 'rows', 'beehives_2');
    expect(await readFile(join(rows, 'partial_transcript.jsonl'), 'utf8')).toBe(
      '{"role":"agent","content":"looked"}\n',
    );
    const reference = await readFile(
      join(cwd, 'skein-data', 'slayer_models_otf', 'beehives', 'models', 'beehives', 'inspections.yaml'),
      'utf8',
    );
    expect(reference).not.toContain('# changed');
  });

  it('that ends its process, blocks its thread or never closes costs its own task and nothing else', async () => {
    const cwd = await folderWith(
      'rude.mjs',
      `export default class {
        async runTask(task) {
          if (task.instance_id === 'ferries_1') process.exit(7);
          if (task.instance_id === 'ferries_2') for (;;);
          if (task.instance_id === 'ferries_3') setImmediate(() => { throw new Error('too late'); });
          if (task.instance_id === 'ferries_3') await new Promise(() => {});
          return {};
        }
        close() { return new Promise(() => {}); }
      }`,
    );
    const ids = ['ferries_1', 'ferries_2', 'ferries_3', 'ferries_4'];
    const patience = ['--query-mode', 'raw', '--retry-lost', '0', '--actor-block-timeout', '1'];
    const end = await runCli(submit('./rude.mjs', ids.join(), ...patience), { cwd });
    expect(end.code, diary(end)).toBe(1);
    const rows = await Promise.all(ids.map((id) => rowOf(cwd, id)));
    expect(rows.map((row) => row['error'])).toEqual(['actor-lost', 'actor-lost', 'actor-lost', null]);
    expect(rows.map((row) => JSON.stringify(row['synthetic'] ?? ''))).toEqual([
      expect.stringContaining('7'),
      expect.stringContaining('stood still'),
      expect.stringContaining('too late'),
      '""',
    ]);
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
