/**
 * One model as a file of SLayer's (`models/<db>/<model>.yaml`), schema 15.
 *
 * Invariant: fields are written in the tool's order whatever the order in memory; fields that we do not know survive
 * reading and writing, after the known ones.
 */
import { z } from 'zod';

import { SkeinError } from '../kernel/errors.ts';
import type { Aggregation, Column, Join, Measure, Model } from './model.ts';
import { fromYaml, toYaml } from './yaml-text.ts';

type Ordered<T> = readonly (keyof T & string)[];

const MODEL_FIELDS: Ordered<Model> = [
  'version',
  'name',
  'sql_table',
  'source_kind',
  'sql',
  'source_queries',
  'query_variables',
  'data_source',
  'columns',
  'measures',
  'aggregations',
  'joins',
  'filters',
  'default_time_dimension',
  'description',
  'hidden',
  'access_tags',
  'meta',
];
const COLUMN_FIELDS: Ordered<Column> = [
  'name',
  'sql',
  'type',
  'db_type',
  'primary_key',
  'unique',
  'description',
  'hidden',
  'format',
  'meta',
];
const MEASURE_FIELDS: Ordered<Measure> = ['formula', 'name', 'description', 'type', 'meta'];
const AGGREGATION_FIELDS: Ordered<Aggregation> = ['name', 'formula', 'params', 'description', 'meta'];
const JOIN_FIELDS: Ordered<Join> = ['target_model', 'join_pairs', 'join_type', 'cardinality', 'name'];

/** `value` with `fields` first, in that order; undefined and null fields are left out, as the tool does. */
function ordered(value: object, fields: readonly string[]): Record<string, unknown> {
  const source = value as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const field of new Set([...fields, ...Object.keys(source)])) {
    const part = source[field];
    if (part !== undefined && part !== null) result[field] = part;
  }
  return result;
}

/** The YAML text of `model`: for a model as ingested, byte for byte what the tool writes. */
export function renderModel(model: Model): string {
  return toYaml({
    ...ordered(model, MODEL_FIELDS),
    columns: model.columns.map((column) => ordered(column, COLUMN_FIELDS)),
    measures: model.measures.map((measure) => ordered(measure, MEASURE_FIELDS)),
    aggregations: model.aggregations.map((aggregation) => ordered(aggregation, AGGREGATION_FIELDS)),
    joins: model.joins.map((join) => ordered(join, JOIN_FIELDS)),
  });
}

const TYPES = ['TEXT', 'INT', 'DOUBLE', 'BOOLEAN', 'DATE', 'TIMESTAMP', 'UNKNOWN'] as const;
const meta = z.record(z.string(), z.unknown());
const queries = z.array(z.record(z.string(), z.unknown()));

const columnSchema = z
  .looseObject({
    name: z.string(),
    sql: z.string().nullish(),
    type: z.enum(TYPES).default('TEXT'),
    primary_key: z.boolean().default(false),
    unique: z.boolean().default(false),
    description: z.string().nullish(),
    hidden: z.boolean().default(false),
    meta: meta.nullish(),
  })
  .transform((column) => ({ ...column, sql: column.sql ?? column.name }));

const modelSchema = z.looseObject({
  version: z.literal(15),
  name: z.string(),
  sql_table: z.string().nullish(),
  sql: z.string().nullish(),
  source_queries: queries.nullish(),
  query_variables: meta.default({}),
  data_source: z.string(),
  columns: z.array(columnSchema).default([]),
  measures: z.array(z.looseObject({ name: z.string(), formula: z.string(), meta: meta.nullish() })).default([]),
  aggregations: z.array(z.looseObject({ name: z.string(), formula: z.string(), meta: meta.nullish() })).default([]),
  joins: z
    .array(
      z.looseObject({
        target_model: z.string(),
        join_pairs: z.array(z.tuple([z.string(), z.string()])).min(1),
        join_type: z.enum(['left', 'inner']).default('left'),
      }),
    )
    .default([]),
  filters: z.array(z.string()).default([]),
  description: z.string().nullish(),
  hidden: z.boolean().default(false),
  access_tags: z.array(z.string()).default([]),
  meta: meta.nullish(),
});

/**
 * The model in `text`, with the tool's defaults for what is not there.
 * @param where the file's name, for the error's text
 * @throws SkeinError CORRUPT: no YAML, or no model of schema 15
 */
export function parseModel(where: string, text: string): Model {
  const result = modelSchema.safeParse(fromYaml(where, text));
  if (result.success) return result.data as unknown as Model;
  const issue = result.error.issues[0];
  const place = issue?.path.join('.') ?? '';
  throw new SkeinError(
    'CORRUPT',
    `${where} is no model of schema 15: ${place === '' ? 'document' : place}: ${issue?.message ?? ''}`,
    {
      cause: result.error,
    },
  );
}
