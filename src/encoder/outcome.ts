/** What reading one item came to: an entity to write, or why it is put off and what to ask. */
import type { ColumnType } from '../reference/model.ts';
import type { Expr } from './ast.ts';
import type { Derived, ValueKind } from './knowledge-index.ts';
import type { Issue, Reading } from './lookup.ts';
import type { Verdict } from './validation.ts';

export interface EntityDraft {
  readonly kind: 'column' | 'measure';
  readonly host: string;
  readonly expr: Expr;
  readonly value: ValueKind;
  readonly type: ColumnType;
  readonly isPercent: boolean;
  readonly isLocal: boolean;
  /** Other items whose knowledge is in it. */
  readonly usedItems: readonly number[];
  /** For SLayer: a column's `sql` or a measure's `formula`. */
  readonly text: string;
}

export type Outcome =
  | {
      readonly kind: 'encoded';
      readonly draft: EntityDraft;
      readonly verdict: Verdict & { kind: 'good' };
      readonly readings: readonly Reading[];
    }
  | {
      readonly kind: 'deferred';
      readonly reason: string;
      readonly questions: readonly string[];
      readonly readings: readonly Reading[];
      /** What was executed, where it came that far. */
      readonly sql?: string;
    };

export function deferred(
  reason: string,
  questions: readonly string[] = [],
  readings: readonly Reading[] = [],
): Outcome & { kind: 'deferred' } {
  return {
    kind: 'deferred',
    reason,
    questions: questions.length > 0 ? questions : [`${sentence(reason)}. How is it to be read?`],
    readings,
  };
}

/** Put off because terms are open; one question for each. */
export function openTerms(issues: readonly Issue[], readings: readonly Reading[]): Outcome & { kind: 'deferred' } {
  const questions = issues.map(({ term, reason, candidates }) => {
    const choice = candidates.length > 0 ? ` Candidates: ${candidates.join(', ')}.` : '';
    return `What is meant by "${term}"? ${sentence(reason)}.${choice}`;
  });
  const reason = issues.map(({ term, reason: why }) => `"${term}": ${why}`).join('; ');
  return { kind: 'deferred', reason, questions, readings };
}

/** What later items see of an entity. */
export function derivedFrom(draft: EntityDraft, kbId: number, name: string): Derived {
  const { kind, host, expr, value, isPercent, isLocal, usedItems } = draft;
  const kbIds = [...new Set([kbId, ...usedItems])].sort((a, b) => a - b);
  return { kbId, kind, ref: { model: host, column: name }, expr, value, isPercent, isLocal, kbIds };
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
