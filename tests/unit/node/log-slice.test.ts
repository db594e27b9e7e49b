import { appendFileSync, closeSync, openSync, statSync, writeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from 'vitest';

import { LogSlice } from '../../../src/node/log-slice.ts';
import { LogTrimmer } from '../../../src/node/log-trimmer.ts';
import { tailLines } from '../../../src/node/log-tail.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const LIMITS = { headBytes: 1000, tailBytes: 1000, slackBytes: 4000 };
const CUT = /^\[skein: (\d+) bytes of this log are left out here\]$/m;

let path: string;
beforeEach(async () => {
  path = join(await temporaryFolder(), 'actor.log');
});

/** Lines of 20 bytes, `from` up to `to`. */
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, n) => `line ${String(from + n).padStart(14, '0')}\n`).join('');

/** What a log says of itself: both ends, and that nothing is counted twice or forgotten. */
function checkCut(log: string, printed: string): void {
  const [mark = '', missing] = CUT.exec(log) ?? [];
  const [head = '', tail = ''] = log.split(`${mark}\n`);
  expect(printed.startsWith(head)).toBe(true);
  expect(printed.endsWith(tail)).toBe(true);
  expect(head.length + tail.length + Number(missing)).toBe(printed.length);
  expect(head.length).toBeGreaterThan(900);
  expect(tail.length).toBeGreaterThan(900);
  expect(head).toMatch(/\n$/);
  expect(tail).toMatch(/^line/);
}

describe("a task's log", () => {
  it('is what came since the task began, whole while it is short (W-12)', () => {
    appendFileSync(path, 'of the task before\n');
    const slice = new LogSlice(path, LIMITS);
    appendFileSync(path, lines(0, 100));
    slice.trim();
    expect(slice.read().toString()).toBe(lines(0, 100));
    expect(new LogSlice(join(path, 'nowhere')).read()).toHaveLength(0);
  });

  it('keeps its first and its last bytes when it is long, with the number of those left out (W-12)', () => {
    appendFileSync(path, 'of the task before\n');
    const slice = new LogSlice(path, LIMITS);
    appendFileSync(path, lines(0, 250));
    checkCut(slice.read().toString(), lines(0, 250));
  });

  it('does the same when it was cut back again and again, and what children append lands behind (W-12)', async () => {
    appendFileSync(path, lines(0, 3));
    const slice = new LogSlice(path, LIMITS);
    // As a child process holds it: opened once, to append.
    const child = openSync(path, 'a');
    let longest = 0;
    for (let n = 0; n < 10_000; n += 100) {
      if (n % 200 === 0) appendFileSync(path, lines(n, n + 100));
      else writeSync(child, lines(n, n + 100));
      slice.trim();
      longest = Math.max(longest, statSync(path).size);
    }
    closeSync(child);
    expect(longest).toBeLessThan(60 + 6000 + 2000);
    checkCut(slice.read().toString(), lines(0, 10_000));
    expect(await readdir(join(path, '..'))).toEqual(['actor.log']);
  });

  it('keeps the whole end also when it was cut back a moment before', () => {
    const slice = new LogSlice(path, LIMITS);
    appendFileSync(path, lines(0, 400));
    slice.trim();
    appendFileSync(path, lines(400, 402));
    checkCut(slice.read().toString(), lines(0, 402));
  });

  it('that is one line without an end is cut in the middle of it, and is no reason to fail when it is binary', () => {
    const slice = new LogSlice(path, LIMITS);
    appendFileSync(path, Buffer.alloc(5000, 0xff));
    const log = slice.read();
    expect(log.byteLength).toBeLessThan(2100);
    expect(log.toString('latin1')).toMatch(/ÿ\n\[skein: 3000 bytes of this log are left out here\]\nÿ/);

    const text = join(path, '..', 'text.log');
    const emoji = new LogSlice(text, LIMITS);
    appendFileSync(text, `a${'😀'.repeat(1000)}`);
    expect(emoji.read().toString()).toMatch(/^a😀+\n\[skein: \d+ bytes of this log are left out here\]\n😀+$/u);
  });

  it('begins a file anew that earlier tasks made long, and a death still finds the last lines', () => {
    appendFileSync(path, Buffer.alloc(17 * 1024 * 1024, 'x'));
    const from = statSync(path).size;
    const slice = new LogSlice(path);
    appendFileSync(path, 'last words\n');
    expect(statSync(path).size).toBe(11);
    expect(slice.read().toString()).toBe('last words\n');
    expect(tailLines(path, from)).toEqual(['last words']);
  });

  it('is looked after while it is watched, and not longer', async () => {
    using trimmer = new LogTrimmer();
    let looks = 0;
    const unwatch = trimmer.watch({ trim: () => void (looks += 1) });
    await waitUntil('two looks', () => looks >= 2);
    unwatch();
    const before = looks;
    let others = 0;
    trimmer.watch({ trim: () => void (others += 1) });
    await waitUntil('a look at another', () => others > 0);
    expect(looks).toBe(before);
  });
});
