/** Reads items that state a condition or a classification, and value lists: a yes/no column, a label column, a score. */
import type { KbRow } from '../dataset/task.ts';
import type { SetupResult } from '../reference/model.ts';
import type { Expr } from './ast.ts';
import { findCategories } from './categories.ts';
import { findCondition } from './conditions.ts';
import { draftOutcome } from './draft.ts';
import { Lookup } from './lookup.ts';
import { deferred, openTerms, type Outcome } from './outcome.ts';
import { ParseFailure } from './parser.ts';
import { Resolver } from './resolve.ts';
import type { Workbench } from './workbench.ts';

export function encodeCondition(row: KbRow, results: ReadonlyMap<number, SetupResult>, bench: Workbench): Outcome {
  const dependencies = [...results.keys()].flatMap((id) => bench.workspace.kb.get(id) ?? []);
  let stated: Expr;
  let isLabels = false;
  try {
    const restriction = (word: string): string | undefined => bench.index.codeWords.get(word);
    const categories = findCategories(row, dependencies, restriction);
    isLabels = categories !== undefined;
    stated = categories ?? findCondition(row, dependencies, restriction);
  } catch (error) {
    if (!(error instanceof ParseFailure)) throw error;
    return deferred(`the definition is no condition that can be read: ${error.message}`);
  }
  const lookup = lookupFor(row, results, bench);
  const resolver = new Resolver(lookup);
  const expr = isLabels && stated.kind === 'cases' ? labels(stated, resolver) : resolver.condition(stated);
  if (lookup.issues.length > 0) return openTerms(lookup.issues, [...lookup.readings.values()]);
  return draftOutcome(expr, isLabels ? 'text' : 'boolean', lookup, bench);
}

/** A list that gives the values of one column numbers: that score. */
export function encodeValueList(row: KbRow, results: ReadonlyMap<number, SetupResult>, bench: Workbench): Outcome {
  const lists = bench.knowledge.maps.filter(({ kbId }) => kbId === row.id);
  if (lists.length !== 1)
    return deferred('it explains values and defines none to calculate', ['Which value is to be calculated from it?']);
  const lookup = lookupFor(row, results, bench);
  const expr = new Resolver(lookup).listed(lists[0]!);
  lookup.usedItems.delete(row.id);
  if (lookup.issues.length > 0 || expr === undefined) return openTerms(lookup.issues, [...lookup.readings.values()]);
  return draftOutcome(expr, 'number', lookup, bench);
}

function labels(cases: Expr & { kind: 'cases' }, resolver: Resolver): Expr {
  return { ...cases, branches: cases.branches.map(({ when, value }) => ({ when: resolver.condition(when), value })) };
}

function lookupFor(row: KbRow, results: ReadonlyMap<number, SetupResult>, bench: Workbench): Lookup {
  return new Lookup({
    row,
    results,
    prose: row.definition,
    locals: new Map(),
    names: [],
    index: bench.index,
    knowledge: bench.knowledge,
  });
}
