/**
 * Judges the prose after a formula. Remarks ("where higher values indicate …", "where X is the …") change nothing; a
 * phrase that changes what is calculated and that no rule has read makes the item one to ask about.
 */
import { type Expr } from './ast.ts';

/** Phrases that only explain what is calculated already. */
const HARMLESS = [
  /\(?\bundefined if [^),.;]*\)?/gi,
  /\(?\bhandle \w+ ?= ?0\)?/gi,
  /\(?\b(?:adding|adjusted|add|adds)\b[^,.;()]*\b(?:avoid|prevent)\w* division by zero\)?/gi,
  /\bnormaliz(?:es|ing|e) (?:energy|tool|temperatures?|consumption|the|[A-Z])[^.;]*/gi,
  /\bused to (?:normalize|characterize|weight)[^,.;]*/gi,
  /\bare weighted against[^,.;]*/gi,
  /\bis weighted by[^,.;]*/gi,
];
/** Phrases that change it, or may. */
const CHANGES =
  /\b(?:capped|clamped|bounded|limited to|truncated|rounded|floored|default(?:s|ing)?|assum\w+|exclud\w+|ignor\w+|unless|except|otherwise|else|last \d+|past \d+|over the (?:last|past|season)|min-?max\w*|maptonumeric|is derived from|are derived from|determined by|depends? on|assigned|mapped|mapping|maps|converted|numeric scale|proportion of|normali[sz]ed on|normalized (?:to|by)|adjusts? for|equally|constant|estimated|cumulative|best|fastest|if applicable|depending|only|filtered|restricted to|limited to|per (?:day|week|month|year)|in (?:thousands|millions)|squared|multiplied|divided|subtracted|truncated|clipped|inverted)\b/i;

/** `each component is capped at 1.0` out of the prose: the cap and the rest. */
export function readCap(prose: string): { cap?: number; rest: string } {
  const match =
    /\bwhere (?:each|every|all) (?:component|term)s? (?:is|are) (?:capped|limited) (?:at|to) (\d+(?:\.\d+)?)/i.exec(
      prose,
    );
  return match ? { cap: Number(match[1]), rest: prose.replace(match[0], ' ') } : { rest: prose };
}

/** What in the prose changes the calculation though nobody read it; undefined when nothing does. */
export function unreadChange(prose: string, understood: readonly string[]): string | undefined {
  let rest = prose;
  for (const piece of understood) rest = rest.replace(piece, ' ');
  for (const harmless of HARMLESS) rest = rest.replaceAll(harmless, ' ');
  const found = CHANGES.exec(rest);
  return found === null ? undefined : rest.slice(Math.max(0, found.index - 40), found.index + 60).trim();
}

/**
 * A weighted sum with each component capped: `0.4 × a + 0.6 × b` becomes `0.4 × min(a, cap) + …`. The component is what
 * the weight multiplies. Undefined when the expression is no such sum.
 */
export function capComponents(expr: Expr, cap: number): Expr | undefined {
  if (expr.kind === 'arithmetic' && expr.op === '+') {
    const [left, right] = [capComponents(expr.left, cap), capComponents(expr.right, cap)];
    return left && right ? { ...expr, left, right } : undefined;
  }
  if (expr.kind !== 'arithmetic' || expr.op !== '*' || expr.left.kind !== 'number') return undefined;
  const limit: Expr = { kind: 'number', value: cap };
  return { ...expr, right: { kind: 'call', fn: 'min', args: [expr.right, limit] } };
}
