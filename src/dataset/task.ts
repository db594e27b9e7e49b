/**
 * BIRD-Interact's rows as Skein reads them. Unknown fields are kept: a framework of the user's may want them.
 */

/** One line of `mini_interact.jsonl`. */
export interface Task {
  readonly instance_id: string;
  readonly selected_database: string;
  readonly amb_user_query: string;
  /** Gold SQL; empty where the authors keep it back. A bare string is read as a list of one. */
  readonly sol_sql: readonly string[];
  /** The dataset's own gold SQL, on every task of a run under an audit (§3C). */
  readonly original_sol_sql?: readonly string[];
  readonly preprocess_sql: readonly string[];
  readonly clean_up_sqls: readonly string[];
  readonly test_cases: readonly string[];
  /** KB ids that the task needs. */
  readonly external_knowledge: readonly number[];
  /** `Query`, `Management` … */
  readonly category: string;
  readonly conditions?: { readonly order?: boolean; readonly [key: string]: unknown };
  readonly knowledge_ambiguity: readonly { readonly deleted_knowledge?: number | readonly number[] | null }[];
  readonly user_query_ambiguity?: unknown;
  readonly [field: string]: unknown;
}

/** The kinds of knowledge. */
export type KbType = 'calculation_knowledge' | 'domain_knowledge' | 'value_illustration';

/** One line of `<db>_kb.jsonl`, every field kept as it stands. */
export interface KbRow {
  readonly id: number;
  readonly knowledge: string;
  readonly description: string;
  readonly definition: string;
  readonly type: KbType | (string & {});
  /** -1 or null: none; a number: one; else a list (G-01). */
  readonly children_knowledge: number | readonly number[] | null;
  readonly [field: string]: unknown;
}

/** What a column means: a text, or for a JSON column its meaning and those of its leaves, nested by object level. */
export type ColumnMeaning = string | { readonly column_meaning: string; readonly fields_meaning: FieldsMeaning };
export interface FieldsMeaning {
  readonly [field: string]: string | FieldsMeaning;
}
/** `<db>_column_meaning_base.json`: keys `<prefix>|<table>|<column>`, table and column to be matched without case. */
export type ColumnMeanings = Readonly<Record<string, ColumnMeaning>>;
