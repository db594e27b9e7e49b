/**
 * A row: one thing that the system which Skein re-creates does, promised, suffered from or named, and what becomes of it here.
 * The ids are those of its description; `asks` is our own short wording. A row is no test and no plan: it is the answer that
 * docs/seed-parity.md gives, and tests/parity/check.ts holds it against the titles of the real tests.
 */

/**
 * - `holds`: as there.
 * - `better`: what was asked for, and more, or without its hole; `why` says what.
 * - `differs`: the need is met in another way; `why` says which and for what reason.
 * - `not offered`: on purpose; `why` says the reason.
 * - `later`: in a later version; `why` says which part brings it.
 */
export type Answer = 'holds' | 'better' | 'differs' | 'not offered' | 'later';

export const ANSWERS: readonly Answer[] = ['holds', 'better', 'differs', 'not offered', 'later'];

export interface Row {
  /** The first id is printed; the others name the same row, where one finding had several reviewers. */
  readonly ids: readonly [string, ...string[]];
  readonly asks: string;
  readonly answer: Answer;
  /** Empty for `holds` only. */
  readonly why: string;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

type Ids = string | readonly [string, ...string[]];

const row = (ids: Ids, asks: string, answer: Answer, why: string): Row => ({
  ids: typeof ids === 'string' ? [ids] : ids,
  asks,
  answer,
  why,
});

export const holds = (ids: Ids, asks: string): Row => row(ids, asks, 'holds', '');
export const better = (ids: Ids, asks: string, why: string): Row => row(ids, asks, 'better', why);
export const differs = (ids: Ids, asks: string, why: string): Row => row(ids, asks, 'differs', why);
export const notOffered = (ids: Ids, asks: string, why: string): Row => row(ids, asks, 'not offered', why);
export const later = (ids: Ids, asks: string, why: string): Row => row(ids, asks, 'later', why);

/** Whether a row says that the product does something, which a test then has to show. */
export function needsTest({ answer }: Row): boolean {
  switch (answer) {
    case 'holds':
    case 'better':
    case 'differs':
      return true;
    case 'not offered':
    case 'later':
      return false;
  }
}
