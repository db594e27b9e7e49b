/**
 * One process of a test cluster: the product's own command in a process group of its own, and the verbs that a fault is made
 * of. What it wrote is kept, for the text of a failure.
 *
 * Invariants: P1 a signal goes to the whole group, as a machine's end would. P2 disposal ends the group, frozen or not, and
 * waits for it. P3 no `SKEIN_…` variable of the test's own environment reaches it.
 */
import { spawn, type ChildProcess } from 'node:child_process';

import { BIN } from '../cli.ts';

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProcessOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs ours in another place: `ip netns exec NAME`. It must not fork. */
  readonly prefix?: readonly string[];
}

export class ClusterProcess implements AsyncDisposable {
  /** What it is called in the texts of failures: `head`, `node n1`, `submit r1`. */
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  #end: ProcessEnd | undefined;
  #stdout = '';
  #stderr = '';

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.pid = child.pid as number;
    child.stdout?.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve((this.#end = { code, signal })));
    });
  }

  /** `skein ARGS`. */
  static start(name: string, args: readonly string[], { cwd, env = {}, prefix = [] }: ProcessOptions): ClusterProcess {
    const own = Object.entries(process.env).filter(([key]) => !key.startsWith('SKEIN_') && key !== 'NODE_OPTIONS');
    const [command = process.execPath, ...rest] = [...prefix, process.execPath, BIN, ...args];
    const child = spawn(command, rest, {
      cwd,
      env: { ...Object.fromEntries(own), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    return new ClusterProcess(name, child);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Undefined while it runs. */
  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  /** SIGKILL for all of it, and its end. */
  async kill(): Promise<ProcessEnd> {
    this.signal('SIGKILL');
    return await this.ended;
  }

  /** SIGTERM, and its end. */
  async stop(): Promise<ProcessEnd> {
    this.signal('SIGTERM');
    return await this.ended;
  }

  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      // The group is gone already.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** @throws Error with all that it wrote, unless it ends with `code` */
  async mustEnd(code = 0): Promise<this> {
    const end = await this.ended;
    if (end.code !== code)
      throw new Error(`${this.name} ended with ${end.code ?? end.signal}, not ${code}\n${this.diary()}`);
    return this;
  }

  /** The last of what it wrote. */
  diary(): string {
    return `--- stdout of ${this.name}\n${this.#stdout.slice(-2000)}\n--- stderr of ${this.name}\n${this.#stderr.slice(-4000)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end) return;
    await this.kill();
  }
}
