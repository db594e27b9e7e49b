/** Reads an item whose definition is a formula: `NAME = formula = formula, where …`. */
import type { KbRow } from '../dataset/task.ts';
import type { SetupResult } from '../reference/model.ts';
import { walk, type Expr } from './ast.ts';
import { draftOutcome } from './draft.ts';
import { hostOf } from './hosting.ts';
import { Lookup } from './lookup.ts';
import { deferred, openTerms, type Outcome } from './outcome.ts';
import { ParseFailure } from './parser.ts';
import { Resolver } from './resolve.ts';
import { findStatement, type Statement } from './statement.ts';
import { capComponents, readCap, unreadChange } from './tail.ts';
import { agreeEverywhere } from './validation.ts';
import { readVerbal } from './verbal.ts';
import type { Workbench } from './workbench.ts';

interface Attempt {
  readonly expr: Expr;
  readonly lookup: Lookup;
}

export function encodeFormula(row: KbRow, results: ReadonlyMap<number, SetupResult>, bench: Workbench): Outcome {
  let statement: Statement;
  try {
    statement = findStatement(row.knowledge, row.definition);
  } catch (error) {
    if (!(error instanceof ParseFailure)) throw error;
    const verbal = /[=\\]/.test(row.definition) ? undefined : readVerbal(row.definition);
    if (verbal === undefined) return deferred(`the definition is no formula that can be read: ${error.message}`);
    statement = { members: [verbal.expr], locals: new Map(), prose: verbal.prose };
  }
  const { cap, rest } = readCap(statement.prose);
  const attempts: Attempt[] = [];
  const names = statement.members.flatMap((member) =>
    [...walk(member)].flatMap((node) => (node.kind === 'name' ? [node.name] : [])),
  );
  for (const member of statement.members) {
    const capped = cap === undefined ? member : capComponents(member, cap);
    if (capped === undefined)
      return deferred(`what the cap of ${cap} applies to is not clear: the formula is no weighted sum`);
    const lookup = new Lookup({
      row,
      results,
      prose: rest,
      locals: statement.locals,
      names,
      index: bench.index,
      knowledge: bench.knowledge,
    });
    attempts.push({ expr: new Resolver(lookup).number(capped), lookup });
  }
  const good = attempts.filter(({ lookup }) => lookup.issues.length === 0);
  const [chosen] = good;
  if (chosen === undefined) {
    const closest = attempts.reduce((a, b) => (b.lookup.issues.length < a.lookup.issues.length ? b : a));
    return openTerms(closest.lookup.issues, [...closest.lookup.readings.values()]);
  }
  // A side that needs an item which is itself open may say something else than the side that was read.
  const open = attempts.find((attempt) => attempt.lookup.needsOpenItem);
  if (open !== undefined) return openTerms(open.lookup.issues, [...open.lookup.readings.values()]);
  const { expr, lookup } = chosen;
  const readings = [...lookup.readings.values()];
  const change = unreadChange(rest, lookup.understood);
  if (change !== undefined)
    return deferred(`the remark "…${change}…" may change the calculation and is not understood`, [], readings);
  for (const other of good.slice(1)) {
    const host = hostOf({ kind: 'arithmetic', op: '-', left: expr, right: other.expr }, bench);
    if (host.kind !== 'column' || !agreeEverywhere(bench.database, expr, other.expr, host.host, bench)) {
      return deferred(
        'the sides of its equation have different values in the data',
        ['Which side of the equation counts?'],
        readings,
      );
    }
  }
  return draftOutcome(expr, 'number', lookup, bench);
}
