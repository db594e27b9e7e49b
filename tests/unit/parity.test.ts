/** The page that says what became of each row of the original, and the program that makes it. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { describe, expect, test } from 'vitest';

import { seedParity } from '../parity/document.ts';
import { prove } from '../parity/proof.ts';
import { better, holds, later } from '../parity/row.ts';
import { SECTIONS } from '../parity/rows/index.ts';
import { readTitles, splitCitation, titlesOf } from '../parity/test-titles.ts';

const ROOT = resolve(import.meta.dirname, '../..');

describe('docs/seed-parity.md', () => {
  test('is what rows and titles say; every row has its test, and every title cites rows that exist (P-32)', async () => {
    const proof = prove(SECTIONS, readTitles(ROOT));
    expect(proof.faults).toEqual([]);
    expect(await readFile(join(ROOT, 'docs/seed-parity.md'), 'utf8'), 'run: npm run parity').toBe(seedParity(proof));
  });
});

describe('a title', () => {
  // Not a table of tests: what its texts cite would count.
  test('is taken apart', () => {
    for (const [text, title, cites] of [
      ['holds (M-02, M-10)', 'holds', ['M-02', 'M-10']],
      ['holds (H1)', 'holds', ['H1']],
      ['holds (Codex r6 minor, Cdx2-1, 3C-04)', 'holds', ['Codex r6 minor', 'Cdx2-1', '3C-04']],
      ['runs on six (any graph)', 'runs on six (any graph)', []],
      ['goes on (%s)', 'goes on (%s)', []],
      ['(M-02) comes first', '(M-02) comes first', []],
    ] as const) {
      expect(splitCitation(text)).toEqual({ title, cites });
    }
  });

  test('is read with those around it, of tables too, and not of what is skipped for good', () => {
    const { tests, citingSuites } = titlesOf(
      'tests/x.test.ts',
      `const POINTS = ['before (R-05)', 'after'];
      describe('a build', () => {
        it.concurrent.for(POINTS)('at %s is whole (X-12)', async () => {});
        it.each([{ name: 'a link (M-11)' }])('refuses $name', () => {});
        test(\`says \${kind} (U-04)\`, () => {});
        it.skip('never (Q-01)', () => {});
        test.skipIf(!root)('as root (S-09)', () => {});
      });
      describe('a merge (M-06)', () => {});`,
    );
    expect(tests.map(({ name, cites }) => [name, cites])).toEqual([
      ['a build › at %s is whole', ['X-12', 'R-05']],
      ['a build › refuses $name', ['M-11']],
      ['a build › says …', ['U-04']],
      ['a build › as root', ['S-09']],
    ]);
    expect(citingSuites).toEqual([{ file: 'tests/x.test.ts', name: 'a merge (M-06)' }]);
  });
});

describe('the proof', () => {
  const one = (cites: readonly string[]) => ({
    tests: [{ file: 'tests/x.test.ts', name: 'a', cites }],
    citingSuites: [],
  });
  const rows = [
    holds(['H2', 'M6'], 'both'),
    better('L-06', 'exit codes', 'everywhere'),
    later('I-01', 'tags', 'image'),
  ];

  test('names rows without a test, ids without a row, ids of two rows, answers without a reason', () => {
    const faulty = [...rows, holds('L-06', 'again'), better('L-07', 'fetch', '')];
    expect(prove([{ title: 'all', rows: faulty }], one(['M6', 'M-99'])).faults).toEqual([
      'L-06: two rows have this id',
      'L-07: "better" needs a reason',
      'tests/x.test.ts: "a" cites M-99, and there is no such row',
      'L-06: "better", and no test cites it: exit codes',
      'L-06: "holds", and no test cites it: again',
      'L-07: "better", and no test cites it: fetch',
    ]);
  });

  test('is a page with totals and one line per row', () => {
    const proof = prove([{ title: 'All', rows }], one(['M6', 'L-06']));
    expect(proof.faults).toEqual([]);
    const page = seedParity(proof);
    expect(page).toContain('3 rows, shown by 1 tests.');
    expect(page).toContain('| All | 3 | 1 | 1 | 0 | 0 | 1 |');
    expect(page).toContain('| H2 = M6 | both | **holds** |  | a — `x.test.ts` |');
    expect(page).toContain('| I-01 | tags | **later** | image |  |');
  });
});
