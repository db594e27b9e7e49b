/**
 * Calculations said in words: "the number of residents divided by the number of rooms", "twice the rooms plus the baths",
 * "dividing A (a) by B (b) and multiplying by 100". One sentence; what follows it is a remark.
 */
import type { ArithmeticOp, Expr } from './ast.ts';

const LEAD =
  /^(?:(?:it )?(?:is )?(?:calculated|computed|measured|defined|obtained) (?:as|by) |the (?:percentage|ratio|share|value|rate) (?:calculated|computed|obtained) by )(?:the )?/i;
const FACTORS: Readonly<Record<string, number>> = { twice: 2, double: 2, 'three times': 3, triple: 3, half: 0.5 };
/** Words that make a phrase more than a name. */
const NO_NAME =
  /\b(?:average|mean|weighted|mapping|individual|percentage|per|each|of the individual|and|or|by|than|over)\b|[,;:]|\d/i;

export interface Verbal {
  readonly expr: Expr;
  /** The sentences after it. */
  readonly prose: string;
}

/** The calculation that a definition says in words, or undefined. */
export function readVerbal(definition: string): Verbal | undefined {
  const [sentence = '', ...rest] = definition.trim().split(/(?<=[a-z)])\.\s+/);
  const said = sentence.replace(/\.$/, '').replaceAll(/\s+/g, ' ');
  const lead = LEAD.exec(said);
  if (lead === null) return undefined;
  const expr = readSentence(said.slice(lead[0].length));
  return expr === undefined ? undefined : { expr, prose: rest.join('. ') };
}

function readSentence(text: string): Expr | undefined {
  const division =
    /^dividing (.+?) by (.+?)(?:,? and (?:then )?multiplying (?:it |the result )?by (\d+(?:\.\d+)?))?$/i.exec(text);
  if (division !== null) {
    const ratio = arithmetic('/', nameOf(division[1]!), nameOf(division[2]!));
    return division[3] === undefined ? ratio : arithmetic('*', ratio, { kind: 'number', value: Number(division[3]) });
  }
  const product = /^product of (.+?) and (.+)$/i.exec(text);
  if (product !== null) return arithmetic('*', nameOf(product[1]!), nameOf(product[2]!));
  const sum = /^sum of (.+)$/i.exec(text);
  if (sum !== null) return sumOf(sum[1]!.split(/,? and |, /).map(nameOf));
  return joined(text, [' plus ', '+'], [' minus ', '-'], (term) =>
    joined(term, [' multiplied by ', '*'], [' divided by ', '/'], factor),
  );
}

const sumOf = (parts: readonly (Expr | undefined)[]): Expr | undefined =>
  parts.reduce((left, right) => arithmetic('+', left, right));

/** Parts between two kinds of connectives, left to right. */
function joined(
  text: string,
  one: readonly [string, ArithmeticOp],
  other: readonly [string, ArithmeticOp],
  read: (part: string) => Expr | undefined,
): Expr | undefined {
  const parts = text.split(new RegExp(`(${one[0]}|${other[0]})`));
  let left = read(parts[0]!);
  for (let at = 1; at < parts.length; at += 2) {
    left = arithmetic(parts[at] === one[0] ? one[1] : other[1], left, read(parts[at + 1]!));
  }
  return left;
}

function factor(text: string): Expr | undefined {
  const times = new RegExp(`^(?:the )?(${Object.keys(FACTORS).join('|')}) (.+)$`, 'i').exec(text.trim());
  if (times === null) return nameOf(text);
  return arithmetic('*', { kind: 'number', value: FACTORS[times[1]!.toLowerCase()]! }, nameOf(times[2]!));
}

/** `total capacity (capm3)` is `capm3`; else the phrase itself, if it is no more than a name. */
function nameOf(phrase: string): Expr | undefined {
  const given = /\(([A-Za-z_][\w.]*)\)$/.exec(phrase.trim());
  const name = given === null ? phrase.trim().replace(/^the /i, '') : given[1]!;
  if (name === '' || (given === null && (NO_NAME.test(name) || name.split(' ').length > 6))) return undefined;
  return { kind: 'name', name };
}

function arithmetic(op: ArithmeticOp, left: Expr | undefined, right: Expr | undefined): Expr | undefined {
  return left === undefined || right === undefined ? undefined : { kind: 'arithmetic', op, left, right };
}
