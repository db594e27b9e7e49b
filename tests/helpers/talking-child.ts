/** A child process that is spoken to line by line. It goes with the scope. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface TalkingChild extends AsyncDisposable {
  readonly process: ChildProcess;
  tell(line: string): void;
  /** The next line that begins with `start`; those before it are passed over. */
  hear(start: string, deadlineMs?: number): Promise<string>;
  kill(): Promise<void>;
}

export function startChild(script: string, ...args: string[]): TalkingChild {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  return {
    process: child,
    tell: (line) => void child.stdin.write(`${line}\n`),
    hear: async (start, deadlineMs = 10_000) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
      try {
        for (;;) {
          const { value, done } = (await lines.next()) as { value: string; done?: boolean };
          if (done) throw new Error(`the child ended (or was killed after ${deadlineMs} ms) before it said ${start}`);
          if (value.startsWith(start)) return value;
        }
      } finally {
        clearTimeout(timer);
      }
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
