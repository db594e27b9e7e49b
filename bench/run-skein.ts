/** Runs the product's own command for a bench: wall seconds and the peak resident memory of its main process. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const BIN = fileURLToPath(new URL('../bin/skein.js', import.meta.url));

/** @throws when the command ends with another code than those of `expected` */
export async function runSkein(
  args: readonly string[],
  {
    expected = [0],
    env = {},
  }: { readonly expected?: readonly number[]; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{ seconds: number; peakRssMb: number; stdout: string }> {
  const begin = performance.now();
  const child = spawn(process.execPath, [BIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  let peakKb = 0;
  const look = (): void => {
    try {
      const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
      peakKb = Math.max(peakKb, Number(line?.[1] ?? 0));
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, 20);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(timer);
  const seconds = (performance.now() - begin) / 1000;
  if (!expected.includes(code ?? -1))
    throw new Error(`skein ${args.join(' ')} ended with ${code}:\n${stderr.slice(-2000)}`);
  return { seconds, peakRssMb: peakKb / 1024, stdout };
}
