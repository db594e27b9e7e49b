/** The list of defences, as far as it can be looked at without switching one off (`npm run defences` does that). */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { expect, test } from 'vitest';

import { patternOf } from '../defences/copy-of-tree.ts';
import { instead, switchOff, without } from '../defences/defence.ts';
import { DEFENCES } from '../defences/list/index.ts';
import { readTitles } from '../parity/test-titles.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('every defence is a text that its file has once, and names tests that there are', () => {
  const titles = Map.groupBy(readTitles(ROOT).tests, ({ file }) => file);
  for (const defence of DEFENCES) {
    const source = readFileSync(join(ROOT, 'src', defence.file), 'utf8');
    expect(switchOff(defence, source), defence.name).not.toBe(source);
    for (const { file, titles: wanted } of defence.noticedBy) {
      const names = titles.get(`tests/${file}`)?.map(({ name }) => name) ?? [];
      for (const title of wanted)
        expect(
          names.filter((name) => name.includes(title)),
          defence.name,
        ).toHaveLength(1);
    }
  }
  expect(new Set(DEFENCES.map(({ name }) => name)).size).toBe(DEFENCES.length);
});

test('a text that is not there exactly once is refused, not guessed at', () => {
  const off = (...edits: [ReturnType<typeof instead>]) =>
    switchOff({ name: 'a lock', file: 'x.ts', edits }, 'lock(); work(); work();');
  expect(off(without('lock(); '))).toBe('work(); work();');
  expect(() => off(instead('work();', ''))).toThrow('"a lock": src/x.ts has this text 2 times, not once: work();');
  expect(() => off(without('unlock();'))).toThrow('0 times');
});

test('a title of a table becomes a pattern', () => {
  const pattern = new RegExp(patternOf('at %s (again) of $name'), 'u');
  expect('a merge at merge.before (again) of shop').toMatch(pattern);
  expect('a merge at merge.before again of shop').not.toMatch(pattern);
});
