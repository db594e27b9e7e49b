/**
 * A copy of the sources in which one file is changed at a time, and the tests that run there. The checkout itself is never
 * touched: `src`, `tests` and what they need are copied, `node_modules` is linked.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { z } from 'zod';

import type { Detectors } from './defence.ts';

const COPIED = ['src', 'tests', 'examples', 'proto', 'bin', 'dist'];
const FILES = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'vitest.config.ts'];
/** Files of tests that helpers define, and the suite that runs them. */
const SUITE_OF: Readonly<Record<string, string>> = { 'helpers/object-store-contract.ts': 'contract/store.test.ts' };

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      message: z.string().optional(),
      assertionResults: z.array(z.object({ title: z.string(), fullName: z.string(), status: z.string() })),
    }),
  ),
});

export interface TestRun {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  /** Why a whole file did not run: a defence that was switched off badly proves nothing. */
  readonly broken: readonly string[];
}

export class CopyOfTree implements AsyncDisposable {
  readonly #root: string;
  readonly #dir: string;

  private constructor(root: string, dir: string) {
    this.#root = root;
    this.#dir = dir;
  }

  /** @param root the checkout, built */
  static async make(root: string): Promise<CopyOfTree> {
    const dir = await mkdtemp(join(tmpdir(), 'skein-defences-'));
    folders.add(dir);
    for (const name of [...COPIED, ...FILES]) await cp(join(root, name), join(dir, name), { recursive: true });
    await symlink(join(root, 'node_modules'), join(dir, 'node_modules'));
    return new CopyOfTree(root, dir);
  }

  /** Changes `src/<file>` while `work` runs; `change` may throw. With `needsBuild` the compiled code changes with it. */
  async changed<T>(
    file: string,
    change: (source: string) => string,
    needsBuild: boolean,
    work: () => Promise<T>,
  ): Promise<T> {
    const path = join(this.#dir, 'src', file);
    const source = await readFile(path, 'utf8');
    await writeFile(path, change(source));
    try {
      // Types may be wrong now; what counts is what runs.
      if (needsBuild) await this.#run('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.build.json'], 120_000);
      return await work();
    } finally {
      await writeFile(path, source);
      if (needsBuild) await cp(join(this.#root, 'dist'), join(this.#dir, 'dist'), { recursive: true, force: true });
    }
  }

  /** Runs the tests whose titles are named, and no others. @throws Error when they do not end or leave no report */
  async test(
    detectors: readonly Detectors[],
    { workers, testMs, limitMs }: { workers: number; testMs: number; limitMs: number },
  ): Promise<TestRun> {
    const files = [...new Set(detectors.map(({ file }) => `tests/${SUITE_OF[file] ?? file}`))];
    const projects = [...new Set(files.map((file) => file.split('/')[1] ?? ''))];
    const pattern = detectors.flatMap(({ titles }) => titles.map(patternOf)).join('|');
    const report = join(this.#dir, `report-${Math.random().toString(36).slice(2)}.json`);
    await this.#run(
      'node_modules/vitest/vitest.mjs',
      [
        ...['run', '--reporter=json', `--outputFile=${report}`, `--maxWorkers=${workers}`, '--no-fsModuleCache'],
        // What hangs without its defence need not hang for long.
        `--testTimeout=${testMs}`,
        ...projects.map((project) => `--project=${project}`),
        ...['-t', pattern, ...files],
      ],
      limitMs,
    );
    const { testResults } = reportSchema.parse(JSON.parse(await readFile(report, 'utf8')));
    await rm(report);
    const all = testResults.flatMap(({ assertionResults }) => assertionResults);
    const named = (status: string): string[] => all.filter((one) => one.status === status).map((one) => one.fullName);
    return {
      passed: named('passed'),
      failed: named('failed'),
      broken: testResults.flatMap(({ assertionResults, message }) =>
        assertionResults.length === 0 ? [message ?? 'a file without tests'] : [],
      ),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
    folders.delete(this.#dir);
  }

  /** Runs a script of node_modules to its end, whatever its exit code. */
  async #run(script: string, args: readonly string[], limitMs: number): Promise<void> {
    const child = spawn(process.execPath, [script, ...args], { cwd: this.#dir, stdio: 'ignore', detached: true });
    live.add(child);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      end(child);
    }, limitMs);
    try {
      await once(child, 'exit');
    } finally {
      clearTimeout(timer);
      live.delete(child);
    }
    if (isLate) throw new Error(`${script} did not end within ${limitMs / 1000} s`);
  }
}

/** Programs that run. In groups of their own, so that those which they start end with them; nobody else would end them. */
const live = new Set<ChildProcess>();
const folders = new Set<string>();

function end({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

/** A test that lost its defence may run, and grow, for ever: nothing of it may outlive the runner. */
export function endWithRunner(): void {
  const endAll = (): void => {
    live.forEach(end);
    for (const dir of folders) rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', endAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
}

/** A pattern for `-t`: the title as it stands in the source, with anything in place of what a table fills in. */
export function patternOf(title: string): string {
  return title
    .split(/%[sdijo]|\$\w+/u)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/gu, '\\$&'))
    .join('.*');
}
