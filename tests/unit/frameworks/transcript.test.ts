import { appendFile, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { Transcript, TRANSCRIPT_FILE } from '../../../src/frameworks/transcript.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

interface Scene {
  readonly path: string;
  readonly transcript: Transcript;
  readonly firsts: () => number;
  readonly troubles: string[];
}

async function scene(dirOf = (dir: string): string => dir): Promise<Scene> {
  const dir = await temporaryFolder();
  let firsts = 0;
  const troubles: string[] = [];
  const transcript = new Transcript({
    dir: () => dirOf(dir),
    onFirst: () => void (firsts += 1),
    onTrouble: (line) => void troubles.push(line),
  });
  return { path: join(dir, TRANSCRIPT_FILE), transcript, firsts: () => firsts, troubles };
}

test('every message of a transcript is a line on the disk before the next one comes (V-08)', async () => {
  const { path, transcript, firsts } = await scene();
  transcript.add({ role: 'user', text: 'two\nlines' });
  expect(await readFile(path, 'utf8')).toBe('{"role":"user","text":"two\\nlines"}\n');
  transcript.add(['second']);
  expect(await readFile(path, 'utf8')).toBe('{"role":"user","text":"two\\nlines"}\n["second"]\n');
  expect(firsts()).toBe(1);
  transcript.close();
  transcript.close();
});

test('a task without messages has no transcript (V-02)', async () => {
  const { path, transcript, firsts } = await scene();
  transcript.close();
  await expect(stat(path)).rejects.toThrow(/ENOENT/);
  expect(firsts()).toBe(0);
});

test('what cannot be written costs the message and one line in the log, never the task (V-02)', async () => {
  const { path, transcript, troubles, firsts } = await scene();
  const round: Record<string, unknown> = {};
  round['self'] = round;
  for (const message of [round, undefined, 10n, () => {}]) transcript.add(message);
  expect(troubles).toHaveLength(1);
  expect(troubles[0]).toMatch(/^\[transcript\] a message is not in it: /);
  expect(firsts()).toBe(0);
  transcript.add('goes on');
  expect(await readFile(path, 'utf8')).toBe('"goes on"\n');
  expect(firsts()).toBe(1);
  transcript.close();

  const nowhere = await scene((dir) => join(dir, 'gone'));
  nowhere.transcript.add('lost');
  expect(nowhere.troubles).toEqual([expect.stringContaining('ENOENT')]);
});

test('a transcript that another start of the attempt left is gone on with', async () => {
  const { path, transcript } = await scene();
  await mkdir(join(path, '..'), { recursive: true });
  await appendFile(path, '"before"\n');
  transcript.add('after');
  expect(await readFile(path, 'utf8')).toBe('"before"\n"after"\n');
  transcript.close();
});
