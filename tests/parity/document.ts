/** Writes docs/seed-parity.md: totals, then one line per row. Only what rows and titles say; the same bytes every time. */
import type { Proof, ProvenRow } from './proof.ts';
import { ANSWERS } from './row.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;');

function line({ row, tests }: ProvenRow): string {
  const shown = tests.map(({ name, file }) => `${cell(name)} — \`${file.replace(/^tests\//u, '')}\``);
  return `| ${[row.ids.join(' = '), cell(row.asks), `**${row.answer}**`, cell(row.why), shown.join('<br>')].join(' | ')} |`;
}

function totals(proof: Proof): string[] {
  const head = ['section', 'rows', ...ANSWERS];
  const rows = proof.sections.map(({ title, rows: its }) => [
    title,
    its.length,
    ...ANSWERS.map((answer) => its.filter(({ row }) => row.answer === answer).length),
  ]);
  const sum = head.slice(1).map((_, column) => rows.reduce((total, row) => total + Number(row[column + 1]), 0));
  return [head, head.map(() => '---'), ...rows, ['**all**', ...sum.map((n) => `**${n}**`)]].map(
    (row) => `| ${row.join(' | ')} |`,
  );
}

/** The whole page, with its last newline. */
export function seedParity(proof: Proof): string {
  const all = proof.sections.flatMap(({ rows }) => rows);
  const tests = new Set(all.flatMap((row) => row.tests));
  return `${[
    '# Parity with the original',
    '',
    'Made by `npm run parity` from `tests/parity/rows/` and the titles of the tests; not to be edited. What the answers mean, and how',
    'a test cites a row, is in [testing.md](testing.md). `…` stands for what only the run of a test knows.',
    '',
    `${all.length} rows, shown by ${tests.size} tests.`,
    '',
    ...totals(proof),
    ...proof.sections.flatMap(({ title, rows }) => [
      '',
      `## ${title}`,
      '',
      '| row | asks | answer | how, or why not | shown by |',
      '| --- | --- | --- | --- | --- |',
      ...rows.map(line),
    ]),
  ].join('\n')}\n`;
}
