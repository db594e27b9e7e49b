/** How `skein` is started: by npx in the clone, and under an older Node, where it goes on under the package's own. */
import { execFileSync, type ExecFileSyncOptionsWithStringEncoding } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { VERSION } from '../../src/kernel/version.ts';
import { copyExample, countingSql, runCli, setGoldSql, startCli } from '../helpers/cli.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A Node older than 24 on this machine, outside of any `node_modules`. */
function olderNode(): string | undefined {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  for (const place of places.filter((folder) => !folder.includes('node_modules'))) {
    const node = join(place, 'node');
    if (!existsSync(node)) continue;
    const [, major = '99'] = /^v(\d+)/.exec(execFileSync(node, ['--version'], { encoding: 'utf8' })) ?? [];
    if (Number(major) >= 14 && Number(major) < 24) return node;
  }
  return undefined;
}

const npx = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'npx'))
  .find((path) => existsSync(path));
if (npx === undefined) console.log('skipped: npx in the clone: this machine has no npm');

describe.skipIf(npx === undefined)('npx', () => {
  it('finds skein in the clone, without network and without building it again', async () => {
    const dir = await temporaryFolder();
    const env = { ...process.env, npm_config_cache: join(dir, 'cache'), npm_config_offline: 'true' };
    const built = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    const { mtimeMs } = await stat(built);
    const options: ExecFileSyncOptionsWithStringEncoding = {
      cwd: ROOT,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    };
    expect(execFileSync(npx ?? '', ['--no-install', 'skein', '--version'], options)).toBe(`${VERSION}\n`);
    expect((await stat(built)).mtimeMs).toBe(mtimeMs);
  });
});

const node = olderNode();
if (node === undefined) console.log('skipped: the launcher under an older Node: this machine has none older than 24');

/** Processes whose command line holds `text`. */
async function processesWith(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_, at) => lines[at]?.includes(text));
}

describe.skipIf(node === undefined)('under an older Node', () => {
  const older = { node: node ?? '' };

  it('answers as under a new one, with the same exit codes', async () => {
    const cwd = await temporaryFolder();
    expect(await runCli(['--version'], { cwd, ...older })).toMatchObject({ code: 0, stderr: '' });
    const refused = await runCli(['submit', '--dataset', join(cwd, 'nowhere'), '--all'], { cwd, ...older });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^skein: [^\n]+\n$/);
  });

  it('hands a Ctrl-C on once, and dies with a SIGKILL of the launcher', async () => {
    const cwd = await temporaryFolder();
    const dataset = await copyExample(join(cwd, 'data'));
    await setGoldSql(dataset, countingSql(1_000_000_000), 2);
    const args = ['submit', '--dataset', dataset, '--all', '--mode', 'oracle', '--sql-timeout-ms', '600000'];

    using drained = startCli([...args, '--run-id', 'drained', '--grace', '0.2'], { cwd, ...older });
    await waitUntil('a started task', () => /[1-9]\d* in flight/.test(drained.stderr()), 20_000);
    drained.child.kill('SIGINT');
    const end = await drained.end;
    expect(end.code).toBe(130);
    // Drained, not left at once: it came once.
    expect(end.stderr).toContain('go on with: skein resume drained');

    using killed = startCli([...args, '--run-id', 'killed-with-launcher'], { cwd, ...older });
    await waitUntil('a started task', () => /[1-9]\d* in flight/.test(killed.stderr()), 20_000);
    expect((await processesWith(join(cwd, 'data'))).length).toBe(2);
    killed.child.kill('SIGKILL');
    expect((await killed.end).signal).toBe('SIGKILL');
    await waitUntil('the end of the command itself', async () => (await processesWith(join(cwd, 'data'))).length === 0);
  });
});
