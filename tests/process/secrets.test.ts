/** The secrets of a run inside one command: what is refused, and that nothing that it leaves shows them (W-13, W-14). */
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { Flags } from '../../src/cli/flags.ts';
import type { LiveHead } from '../../src/cli/run-place.ts';
import { neededKeys, refuseOpenWire } from '../../src/cli/run-secrets.ts';
import { sha256 } from '../../src/kernel/digest.ts';
import { Secrets } from '../../src/kernel/secrets.ts';
import { canary, CanaryHunt } from '../helpers/canary.ts';
import { runCli, startCli } from '../helpers/cli.ts';
import { makeNoopDataset, type NoopDataset } from '../helpers/cluster/noop-dataset.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const CONTENT = 'sk-content-of-the-file';
const RUN = ['--all', '--framework', 'noop', '--query-mode', 'raw', '--run-id', 'r1'];
const submitOf = ({ dir }: NoopDataset): string[] => ['submit', '--dataset', dir, ...RUN];

describe('which keys a run needs', () => {
  const run = { framework: 'noop', mode: 'a-interact', queryMode: 'raw', agentModel: '', userSimModel: '' } as const;
  const keysOf = (more: Partial<Parameters<typeof neededKeys>[0]>): string[] => [
    ...neededKeys({ ...run, ...more }).keys(),
  ];

  it.each([
    ['anthropic/claude', ['ANTHROPIC_API_KEY']],
    ['cerebras/llama', ['CEREBRAS_API_KEY']],
    ['openai/gpt-5', ['OPENAI_API_KEY']],
    ['gpt-5-mini', ['OPENAI_API_KEY']],
    ['gemini/pro', ['GEMINI_API_KEY']],
    ['google/gemini', ['GEMINI_API_KEY']],
    ['ollama/local', []],
  ])('%s: %j (W-14)', (agentModel, keys) => expect(keysOf({ agentModel })).toEqual(keys));

  it('are those of both models, and of embeddings in slayer mode; none where nothing calls a model (W-14)', () => {
    const both = { agentModel: 'anthropic/a', userSimModel: 'gemini/b' };
    expect(keysOf(both)).toEqual(['ANTHROPIC_API_KEY', 'GEMINI_API_KEY']);
    expect(keysOf({ ...both, queryMode: 'slayer' })).toEqual(['ANTHROPIC_API_KEY', 'GEMINI_API_KEY', 'OPENAI_API_KEY']);
    for (const more of [{ mode: 'oracle' } as const, { framework: 'encode' }])
      expect(keysOf({ ...both, ...more })).toEqual([]);
    expect(keysOf({ queryMode: 'slayer' })).toEqual([]);
  });
});

describe('the way of secrets to a head', () => {
  const secrets = new Secrets({ A_KEY: CONTENT });
  const none = new Flags(new Map(), new Set());
  const headAt = (address: string, more: { isTls?: boolean; isPlainNetwork?: boolean } = {}): LiveHead =>
    ({ address, isTls: more.isTls ?? false, facts: { isPlainNetwork: more.isPlainNetwork ?? false } }) as LiveHead;

  it.each([
    ['in plain text beyond this machine', headAt('10.0.0.5:6380'), /between here and there/],
    ['in plain text from there to its nodes', headAt('127.0.0.1:6380', { isPlainNetwork: true }), /it and its nodes/],
  ])('is refused %s, unless --insecure is typed (W-13)', (_what, head, says) => {
    const refused = expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(says) as string });
    expect(() => refuseOpenWire(secrets, head, none)).toThrow(refused);
    refuseOpenWire(secrets, head, new Flags(new Map(), new Set(['insecure'])));
    refuseOpenWire(Secrets.NONE, head, none);
  });

  it('is open on this machine, over TLS, and inside one command', () => {
    refuseOpenWire(secrets, headAt('127.0.0.1:6380'), none);
    refuseOpenWire(secrets, headAt('[::1]:6380'), none);
    refuseOpenWire(secrets, headAt('10.0.0.5:6380', { isTls: true, isPlainNetwork: false }), none);
    refuseOpenWire(secrets, undefined, none);
  });
});

describe('secrets that cannot be used', () => {
  it.each<[what: string, text: string | undefined, mode: number, says: string]>([
    ['is not there', undefined, 0o600, 'is not there'],
    [
      'others can read',
      `{"A_KEY":"${CONTENT}"}`,
      0o640,
      'can be read by others (mode 0640); make it yours alone: chmod 600',
    ],
    ['is no JSON', `A_KEY=${CONTENT}`, 0o600, 'holds no JSON object'],
    ['is broken JSON', `{"A_KEY": "${CONTENT}`, 0o600, 'holds no JSON object'],
    ['is a list', `["${CONTENT}"]`, 0o600, 'holds no JSON object'],
    ['is empty', '', 0o600, 'holds no JSON object'],
    ['has a value that is no text', `{"A_KEY": {"deep": "${CONTENT}"}}`, 0o600, 'A_KEY is no text'],
    ['has an empty value', '{"A_KEY": ""}', 0o600, 'A_KEY is empty'],
    ['has a name that is none', `{"${CONTENT}": "x"}`, 0o600, 'is no name of an environment variable'],
    ['sets what steers the process', '{"NODE_OPTIONS": "--inspect"}', 0o600, 'steers the process itself'],
  ])(
    'a file that %s: one line, exit 2, nothing made, nothing of it shown (W-13, Q-41)',
    async (_what, text, mode, says) => {
      const cwd = await temporaryFolder();
      const file = join(await temporaryFolder(), 'secrets');
      if (text !== undefined) await writeFile(file, text, { mode });
      if (text !== undefined) await chmod(file, mode);
      const args = ['submit', '--dataset', 'nowhere', ...RUN, '--secrets-file', file, '--json'];
      const end = await runCliHere(args, { cwd });
      expect(end.code).toBe(2);
      expect(end.stderr).toMatch(/^skein: --secrets-file: [^\n]+\n$/);
      expect(end.stderr).toContain(says);
      for (const shown of [end.stderr, end.stdout]) expect(shown).not.toContain(CONTENT.slice(0, 8));
      expect(await readdir(cwd)).toEqual([]);
    },
  );

  it('a value on the command line is refused without being shown again, as is a name that cannot be one (W-13)', async () => {
    const cwd = await temporaryFolder();
    for (const [typed, says] of [
      [`A_KEY=${CONTENT}`, 'a value does not belong on a command line'],
      ['A KEY', '"A KEY" is no name'],
      ['PATH', '"PATH" steers the process itself'],
      ['A_KEY,,', '"" is no name'],
    ] as const) {
      const end = await runCliHere(['submit', '--dataset', 'nowhere', ...RUN, '--secret', typed], { cwd });
      expect(end.code).toBe(2);
      expect(end.stderr).toMatch(/^skein: --secret: [^\n]+\n$/);
      expect(end.stderr).toContain(says);
      expect(end.stderr).not.toContain(CONTENT);
    }
  });

  it('a missing key: what it is for, and a line to copy for each, before anything is made (W-14, P-27)', async () => {
    const cwd = await temporaryFolder();
    const models = ['--agent-model', 'anthropic/a', '--user-sim-model', 'gpt-5'];
    const end = await runCliHere(['submit', '--dataset', 'nowhere', ...RUN, ...models], {
      cwd,
      env: { OPENAI_API_KEY: '' },
    });
    expect(end.code).toBe(2);
    expect(end.stderr).toMatch(
      /^skein: [^\n]*ANTHROPIC_API_KEY \(--agent-model anthropic\/a\), OPENAI_API_KEY \(--user-sim-model gpt-5\)/,
    );
    expect(end.stderr.split('\n').slice(1)).toEqual([
      ...['export ANTHROPIC_API_KEY=<your-key>', 'export OPENAI_API_KEY=<your-key>', ''],
    ]);
    expect(await readdir(cwd)).toEqual([]);
  });
});

describe('a command with head and node inside', () => {
  it('gives the secrets to its own run’s actors, is killed, and goes on only with them; nothing keeps them (W-13, P-27)', async () => {
    const [key, inFile, token] = [canary(), canary(), canary()];
    const hunt = new CanaryHunt([key, inFile, token]);
    const cwd = await temporaryFolder();
    await mkdir(join(cwd, 'tmp'));
    const names = ['A_KEY', 'FILE_KEY', 'ANTHROPIC_API_KEY', 'SKEIN_TOKEN'];
    const dataset = await makeNoopDataset(join(cwd, 'data'), {
      ...{ tasks: 3, databases: 1, ms: (index: number) => (index === 2 ? 60_000 : 0) },
      fields: (index) => ({ noop_env: names, noop_leaks: names, ...(index === 1 && { noop_throws: 'no:' }) }),
    });
    const home = await temporaryFolder();
    const file = join(home, 'secrets');
    await writeFile(join(home, 'real'), JSON.stringify({ FILE_KEY: inFile }), { mode: 0o600 });
    await symlink('real', file);
    // The submitter has another key too, which this run does not name.
    const others = { ANTHROPIC_API_KEY: 'sk-of-somebody-else', SKEIN_TOKEN: token };
    const env = { A_KEY: key, ...others, TMPDIR: join(cwd, 'tmp') };
    const secrets = ['--secret', 'A_KEY', '--secrets-file', file];
    using running = startCli([...submitOf(dataset), ...secrets, '--actors', '1'], { cwd, env });
    const ended = async () => (await dataset.records()).filter(({ what }) => what === 'end').length;
    await waitUntil('two have ended', async () => (await ended()) === 2, 30_000, 50);
    const rows = join(cwd, 'skein-data', 'store', 'runs', 'r1', 'rows');
    const stored = async (): Promise<number> =>
      (await readdir(rows, { recursive: true }).catch(() => [])).filter((path) => path.endsWith('/attempt-1.json'))
        .length;
    await waitUntil('and are stored', async () => (await stored()) === 2, 10_000, 20);
    running.child.kill('SIGKILL');
    const killed = await running.end;
    expect(hunt.below(cwd)).toMatchObject({ found: [] });

    const { A_KEY: _, ...without } = env;
    const refused = await runCli(['resume', 'r1', '--secrets-file', file], { cwd, env: without });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^skein: [^\n]*A_KEY \(run r1\)[^\n]*\nexport A_KEY=<your-key>\n$/);
    expect(await stored()).toBe(2);
    await setShort(dataset);
    const resumed = await runCli(['resume', 'r1', '--secrets-file', file], { cwd, env });
    expect(resumed.code, resumed.stderr).toBe(1);

    // What has an error may run again, and that needs them too.
    const again = await runCli(['resubmit', 'r1', '--secrets-file', file], { cwd, env: without });
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/^skein: [^\n]*A_KEY \(run r1\)[^\n]*\nexport A_KEY=<your-key>\n$/);

    const digests = { A_KEY: sha256(key), FILE_KEY: sha256(inFile), ANTHROPIC_API_KEY: null, SKEIN_TOKEN: null };
    for (const id of ['d0_0', 'd0_2']) {
      const row = JSON.parse(await readFile(join(rows, id, 'attempt-1.json'), 'utf8')) as Record<string, unknown>;
      expect(row['noop_env']).toEqual(digests);
    }
    expect(await readFile(join(rows, 'd0_1', 'attempt-1.json'), 'utf8')).toContain(
      'no: [secret A_KEY] [secret FILE_KEY]',
    );
    const { found, files } = hunt.below(cwd);
    expect(found).toEqual([]);
    expect(files).toBeGreaterThan(20);
    for (const end of [killed, refused, resumed, again]) expect(hunt.isIn(end.stdout + end.stderr)).toBe(false);
  }, 60_000);
});

describe('a framework of one’s own', () => {
  it('finds the secrets of its run in its environment, and what was asked for in its settings (L-18, W-13)', async () => {
    const value = canary();
    const cwd = await temporaryFolder();
    const { dir } = await makeNoopDataset(join(cwd, 'data'), { tasks: 1, databases: 1 });
    const text = `import { createHash } from 'node:crypto';
      export default class {
        constructor(settings) { this.settings = settings; }
        runTask() {
          const digest = createHash('sha256').update(process.env.A_KEY ?? '').digest('hex');
          throw new Error(\`\${process.env.A_KEY} is refused; \${digest} \${JSON.stringify(this.settings)}\`);
        }
      }`;
    await writeFile(join(cwd, 'mine.mjs'), text);
    const run = [
      'submit',
      '--dataset',
      dir,
      '--all',
      '--framework',
      './mine.mjs',
      '--query-mode',
      'raw',
      '--run-id',
      'r1',
    ];
    const models = ['--agent-model', 'local/x', '--user-sim-model', 'none', '--patience', '7'];
    const end = await runCliHere([...run, ...models, '--secret', 'A_KEY', '--quiet'], { cwd, env: { A_KEY: value } });
    expect(end.code, end.stderr).toBe(1);
    const path = join(cwd, 'skein-data', 'store', 'runs', 'r1', 'rows', 'd0_0', 'attempt-1.json');
    const { error } = JSON.parse(await readFile(path, 'utf8')) as { error: string };
    expect(error).toContain(`[secret A_KEY] is refused; ${sha256(value)} {`);
    expect(error).toMatch(/"agentModel":"local\/x","userSimModel":"","patience":7/);
    expect(new CanaryHunt([value]).below(join(cwd, 'skein-data')).found).toEqual([]);
  });
});

/** The task that took a minute takes no time any more. */
async function setShort({ dir }: NoopDataset): Promise<void> {
  const path = join(dir, 'mini_interact.jsonl');
  await writeFile(path, (await readFile(path, 'utf8')).replaceAll('60000', '0'));
}
