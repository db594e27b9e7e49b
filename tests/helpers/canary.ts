/** Values that must be nowhere: made at random, and looked for in folders, texts and processes, also in base64 and hex. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A value that no other text holds. */
export const canary = (): string => `sk-${randomBytes(18).toString('base64')}`;

export class CanaryHunt {
  readonly #needles: readonly string[];

  constructor(values: readonly string[]) {
    this.#needles = values.flatMap((value) => {
      const bytes = Buffer.from(value);
      // Of a longer text in base64 two characters at each end may be others.
      const shifted = [0, 1, 2].map((pad) =>
        Buffer.concat([Buffer.alloc(pad), bytes])
          .toString('base64')
          .slice(4, -4),
      );
      return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), bytes.toString('hex'), ...shifted];
    });
  }

  /** Whether `text` holds any of them. */
  isIn(text: string): boolean {
    return this.#needles.some((needle) => text.includes(needle));
  }

  /** Files and folders below `dir` whose name or content holds one, as paths; and how many files were read. */
  below(dir: string): { readonly found: string[]; readonly files: number } {
    const found: string[] = [];
    let files = 0;
    for (const name of readdirSync(dir, { recursive: true }) as string[]) {
      const path = join(dir, name);
      if (this.isIn(name)) found.push(path);
      if (!statSync(path).isFile()) continue;
      files += 1;
      if (this.isIn(readFileSync(path, 'latin1'))) found.push(path);
    }
    return { found, files };
  }

  /** What the kernel shows of the command line and first environment of `pid` and of all processes below it. */
  inProcesses(pid: number): { readonly found: string[]; readonly processes: number } {
    const pids = [pid, ...descendantsOf(pid)];
    const found = pids.flatMap((each) =>
      ['cmdline', 'environ', 'comm'].flatMap((file) => {
        const path = `/proc/${each}/${file}`;
        return this.isIn(readOr(path)) ? [path] : [];
      }),
    );
    return { found, processes: pids.length };
  }
}

function descendantsOf(pid: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter(
      (name) => / \([^)]*\) \S (\d+)/.exec(` ${readOr(`/proc/${name}/stat`).replace(/^\d+/, '')}`)?.[1] === String(pid),
    )
    .map(Number);
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
