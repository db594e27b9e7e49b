/**
 * SLayer's documents, as the real tool (1.4.1, model schema 15) reads and writes them. Field order is file order. A
 * field that is undefined is not written. `meta` is ours to fill and survives the tool's load and save.
 */

export type ColumnType = 'TEXT' | 'INT' | 'DOUBLE' | 'BOOLEAN' | 'DATE' | 'TIMESTAMP' | 'UNKNOWN';
export type Meta = Record<string, unknown>;

export interface Column {
  name: string;
  /** An expression over this model's columns, or a joined model's by dotted path. */
  sql: string;
  type: ColumnType;
  db_type?: string;
  primary_key: boolean;
  unique: boolean;
  description?: string;
  hidden: boolean;
  format?: { type: string };
  meta?: Meta;
}

export interface Measure {
  name: string;
  /** Function calls over columns and other measures: `avg(x)`, `sum(a) * 1.0 / count(*)`. */
  formula: string;
  description?: string;
  type?: ColumnType;
  meta?: Meta;
}

export interface Aggregation {
  name: string;
  /** SQL with `{value}` and the params' names in braces. */
  formula: string;
  params?: { name: string; sql: string }[];
  description?: string;
  meta?: Meta;
}

export interface Join {
  target_model: string;
  join_pairs: [source: string, target: string][];
  join_type: 'left' | 'inner';
  cardinality?: 'one_to_one' | 'one_to_many' | 'many_to_one' | 'many_to_many';
  name?: string;
}

export interface Model {
  version: 15;
  name: string;
  sql_table?: string;
  source_kind?: 'table' | 'view';
  sql?: string;
  /** Query-backed models: a list of query objects, the last one is the result. */
  source_queries?: Record<string, unknown>[];
  query_variables: Record<string, unknown>;
  data_source: string;
  columns: Column[];
  measures: Measure[];
  aggregations: Aggregation[];
  joins: Join[];
  filters: string[];
  default_time_dimension?: string;
  description?: string;
  hidden: boolean;
  access_tags: string[];
  meta?: Meta;
}

export type EntityKind = 'column' | 'measure' | 'aggregation' | 'model';

/** Something that the encoder wrote for a KB item. */
export interface Entity {
  kind: EntityKind;
  /** The model that holds it; null for a model of its own. */
  host_model: string | null;
  name: string;
  /** `<db>.<model>.<name>`, or `<db>.<model>`. */
  entity_ref: string;
}

/** What became of a KB item: one entry of `_setup_results.json`, sorted by `kb_id` (G-05). */
export interface SetupResult {
  kb_id: number;
  status: 'encoded' | 'deferred' | 'error';
  entities: Entity[];
  notes: string;
  error: string | null;
  clarifying_questions: string[];
}

/** One row of `memories.yaml` (T-01). */
export interface Memory {
  version: 1;
  id: string;
  learning: string;
  description: string;
  entities: string[];
  query: null;
  created_at: string;
}
