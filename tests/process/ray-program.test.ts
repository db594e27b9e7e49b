import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, test } from 'vitest';

/** Runs a program of `tests/fixtures/programs` to its end. @throws when it fails or does not end */
async function run(name: string): Promise<string> {
  const path = fileURLToPath(new URL(`../fixtures/programs/${name}.ts`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path], { timeout: 20_000 });
  return stdout;
}

describe("a user's program", () => {
  test('may define its actor class in its main module, under a top-level await, and ends by itself', async () => {
    expect(JSON.parse(await run('counter'))).toEqual({
      sums: [1, 3],
      isOurs: true,
      message: 'RayTaskError(TooMuch): Counter.add failed: 23 is too much',
    });
  });

  test('that starts a session in the thread of its own actor is told what to do', async () => {
    expect(await run('unguarded')).toMatch(
      /LOAD_FAILED.*move the actor class to a module of its own, or call init only/,
    );
  });
});
