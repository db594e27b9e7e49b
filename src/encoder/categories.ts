/**
 * Reads classifications: labels, each with its condition, in the forms in which people write them. Every label of the text
 * must be read, and nothing that looks like a condition may be left over.
 */
import type { KbRow } from '../dataset/task.ts';
import type { Branch, Expr } from './ast.ts';
import { parseConditionText, type Restriction } from './conditions.ts';
import { ParseFailure } from './parser.ts';
import { repairText } from './tokenizer.ts';
import { wordsOf } from './words.ts';

interface Entry {
  readonly label: string;
  /** Undefined: everything else. */
  readonly condition?: string;
}

const DEFAULT = /^(?:all|any|every)?\s*(?:the\s+)?(?:others?|other\b.*|otherwise|else|all other cases)\.?$/i;
const COMPARISON = /[<>≤≥]|\b(?:exceeds?|below|above|between|greater than|less than)\b/i;
const NESTED = String.raw`[^()]*(?:\([^()]*\)[^()]*)*`;

/** `'A' (x > 1), 'B' (x > 0), and 'C' (all others)`. */
const LABEL_BRACKET = new RegExp(String.raw`'([^']+)'\s*\((${NESTED})\)`, 'g');
/** `'A' if x > 1, 'B' if x > 0, and 'C' otherwise`. */
const LABEL_IF =
  /'([^']+)'\s+(?:(?:if|when)\s+(.+?)|(otherwise))(?=\s*(?:[,;]\s*(?:and\s+|or\s+)?(?=')|\b(?:and|or)\s+(?='[^']+'\s+(?:if|when|otherwise))|\n|\.?\s*$|\.\s))/g;
/** `If x < 1, 'A'; else if x < 2, 'B'; else 'C'`. */
const IF_LABEL = /(?:\belse\s+)?\bif\s+([^;]+?),\s*'([^']+)'|\belse\s+'([^']+)'/gi;
/** `'A': x > 7 (…); 'B': 4 < x ≤ 7 (…)`. */
const LABEL_COLON = new RegExp(String.raw`'([^']+)':\s*([^;()]+?)(?:\s*\(${NESTED}\))?\s*(?=;|\.|$)`, 'g');
/** `High Use (x > 5) indicates …; Low Use (x < 2) indicates …`. */
const BARE_BRACKET = new RegExp(
  String.raw`(?:^|;\s*)([A-Z][\w-]*(?: [A-Z][\w-]*)*)\s*\((${NESTED})\)\s+(?:indicates?|represents?|means?)[^;]*`,
  'g',
);
/** `High Risk if x < 2, Low Risk if x ≥ 3`. */
const BARE_IF =
  /(?:^|[:,;]\s*(?:and\s+)?)([A-Z][\w-]*(?: [A-Z][\w-]*)*)\s+if\s+(.+?)(?=,\s*(?:and\s+)?[A-Z][\w-]*(?: [A-Z][\w-]*)*\s+if\b|\.?\s*$)/g;
/** `Low readability: x < 50, High readability: x > 100`. */
const BARE_COLON = /(?:^|[,;]\s*)([A-Z][\w-]*(?: [A-Za-z][\w-]*)*):\s*([^,;:]+?)(?=[,;]|\.?\s*$)/g;

const FORMS: readonly { pattern: RegExp; entry: (match: RegExpMatchArray) => Entry; isQuoted: boolean }[] = [
  { pattern: LABEL_BRACKET, isQuoted: true, entry: ([, label, condition]) => entryOf(label!, condition!) },
  {
    pattern: LABEL_IF,
    isQuoted: true,
    entry: ([, label, condition]) => (condition === undefined ? { label: label! } : entryOf(label!, condition)),
  },
  {
    pattern: IF_LABEL,
    isQuoted: true,
    entry: ([, condition, label, last]) => (last === undefined ? entryOf(label!, condition!) : { label: last }),
  },
  { pattern: LABEL_COLON, isQuoted: true, entry: ([, label, condition]) => entryOf(label!, condition!) },
  { pattern: BARE_BRACKET, isQuoted: false, entry: ([, label, condition]) => entryOf(label!, condition!) },
  { pattern: BARE_IF, isQuoted: false, entry: ([, label, condition]) => entryOf(label!, condition!) },
  { pattern: BARE_COLON, isQuoted: false, entry: ([, label, condition]) => entryOf(label!, condition!) },
];

const entryOf = (label: string, condition: string): Entry =>
  DEFAULT.test(condition.trim()) ? { label } : { label, condition };

/** The classification that a definition states, or undefined when it has none of the forms. @throws ParseFailure */
export function findCategories(
  row: KbRow,
  dependencies: readonly KbRow[],
  restriction: Restriction,
): (Expr & { kind: 'cases' }) | undefined {
  const text = repairText(row.definition)
    .trim()
    .replaceAll(/^\s*[-•*]\s*/gm, '');
  for (const { pattern, entry, isQuoted } of FORMS) {
    const matches = [...text.matchAll(pattern)];
    const entries = matches.map(entry);
    if (entries.length < 2 || !entries.some(({ condition }) => condition !== undefined)) continue;
    if (entries.some(({ condition }) => condition !== undefined && !COMPARISON.test(condition))) continue;
    checkRest(text, matches, isQuoted, restriction);
    return toCases(entries, dependencies);
  }
  return undefined;
}

/** What the entries leave over must be talk: no further label, no further condition. */
function checkRest(
  text: string,
  matches: readonly RegExpMatchArray[],
  isQuoted: boolean,
  restriction: Restriction,
): void {
  for (const word of wordsOf(text.slice(0, matches[0]!.index))) {
    const value = restriction(word) ?? restriction(word.replace(/s$/, ''));
    if (value !== undefined) throw new ParseFailure(`whether "${word}" restricts it to ${value} is not said`, 0);
  }
  let rest = text;
  for (const [whole] of matches) rest = rest.replace(whole, ' ');
  if (isQuoted && /'[^']+'/.test(rest)) throw new ParseFailure('a label without a condition', 0);
  if (/[<>≤≥=]/.test(rest)) throw new ParseFailure(`"${rest.trim().slice(0, 60)}" is not understood`, 0);
  if (/\b(?:except|unless|only|over the past|per (?:day|month|year)|average)\b/i.test(rest)) {
    throw new ParseFailure(`"${rest.trim().slice(0, 60)}" may restrict it`, 0);
  }
}

function toCases(entries: readonly Entry[], dependencies: readonly KbRow[]): Expr & { kind: 'cases' } {
  const branches: Branch[] = [];
  let otherwise: Expr | undefined;
  const labels = new Set<string>();
  for (const { label, condition } of entries) {
    if (labels.has(label)) throw new ParseFailure(`the label "${label}" has two conditions`, 0);
    labels.add(label);
    const value: Expr = { kind: 'text', value: label.trim() };
    if (condition === undefined) {
      if (otherwise !== undefined) throw new ParseFailure('two labels for everything else', 0);
      otherwise = value;
    } else if (otherwise === undefined) branches.push({ when: parseConditionText(condition, dependencies), value });
    else throw new ParseFailure('a condition after "otherwise"', 0);
  }
  return { kind: 'cases', branches, ...(otherwise !== undefined && { otherwise }) };
}
