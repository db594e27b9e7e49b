/** Runs the product's own command, `bin/skein.js`, as a person would. */
import { spawn, type ChildProcess } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const BIN = fileURLToPath(new URL('../../bin/skein.js', import.meta.url));
/** The dataset that the repository ships: beehives, ferries, glassworks. */
export const EXAMPLE = fileURLToPath(new URL('../../examples/mini-interact', import.meta.url));

export interface CliOptions {
  /** Where the command is typed. */
  readonly cwd: string;
  /** Beside the test's own environment, without any `SKEIN_…` of it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another Node than the test's. */
  readonly node?: string;
}

export interface CliEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli extends Disposable {
  readonly child: ChildProcess;
  readonly end: Promise<CliEnd>;
  /** What it has written to stderr so far. */
  readonly stderr: () => string;
}

export function startCli(args: readonly string[], { cwd, env = {}, node = process.execPath }: CliOptions): RunningCli {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('SKEIN_') && name !== 'NODE_OPTIONS');
  const child = spawn(node, [BIN, ...args], {
    cwd,
    env: { ...Object.fromEntries(own), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const end = new Promise<CliEnd>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  // A test that fails half-way leaves nothing running.
  return { child, end, stderr: () => stderr, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

export async function runCli(args: readonly string[], options: CliOptions): Promise<CliEnd> {
  using running = startCli(args, options);
  return await running.end;
}

/** A copy of the example dataset at `dir`, to be broken. */
export async function copyExample(dir: string): Promise<string> {
  await cp(EXAMPLE, dir, { recursive: true });
  return dir;
}

/** Every task of `dataset` submits `sql`, which takes as long as the test wants. */
export async function setGoldSql(dataset: string, sql: string, take: number): Promise<void> {
  const path = join(dataset, 'mini_interact.jsonl');
  const lines = (await readFile(path, 'utf8')).trim().split('\n').slice(0, take);
  const tasks = lines.map((line) => ({ ...(JSON.parse(line) as object), sol_sql: [sql] }));
  await writeFile(path, tasks.map((task) => `${JSON.stringify(task)}\n`).join(''));
}

/** SQL that counts up to `n`: a few seconds for 50 million. */
export const countingSql = (n: number): string =>
  `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ${n}) SELECT count(*) FROM c`;
