/** Holds the rows against the tests: which tests show which row, and everything that does not fit. */
import { needsTest, type Row, type Section } from './row.ts';
import type { NamedTest, Titles } from './test-titles.ts';

export interface ProvenRow {
  readonly row: Row;
  readonly tests: readonly NamedTest[];
}

export interface Proof {
  readonly sections: readonly { readonly title: string; readonly rows: readonly ProvenRow[] }[];
  /** One line each, for people; empty when every row has what it needs. */
  readonly faults: readonly string[];
}

/** Puts each test beside the rows that it cites. */
export function prove(sections: readonly Section[], { tests, citingSuites }: Titles): Proof {
  const faults: string[] = [];
  const byId = new Map<string, { row: Row; tests: NamedTest[] }>();
  const rows = sections.flatMap((section) => section.rows);
  for (const row of rows) {
    const entry = { row, tests: [] };
    for (const id of row.ids) {
      if (byId.has(id)) faults.push(`${id}: two rows have this id`);
      byId.set(id, entry);
    }
    if (row.answer !== 'holds' && row.why === '') faults.push(`${row.ids[0]}: "${row.answer}" needs a reason`);
  }

  for (const test of tests) {
    for (const id of test.cites) {
      const entry = byId.get(id);
      if (entry === undefined) faults.push(`${test.file}: "${test.name}" cites ${id}, and there is no such row`);
      else if (!entry.tests.includes(test)) entry.tests.push(test);
    }
  }
  for (const { file, name } of citingSuites) {
    faults.push(`${file}: the suite "${name}" cites rows; each test that shows one should`);
  }
  for (const row of rows) {
    if (needsTest(row) && byId.get(row.ids[0])?.tests.length === 0) {
      faults.push(`${row.ids[0]}: "${row.answer}", and no test cites it: ${row.asks}`);
    }
  }
  const proven = sections.map(({ title, rows: its }) => ({
    title,
    rows: its.map((row) => ({ row, tests: byId.get(row.ids[0])?.tests ?? [] })),
  }));
  return { sections: proven, faults };
}
