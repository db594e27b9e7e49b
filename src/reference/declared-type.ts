/**
 * What the real tool makes of a column's declared type (slayer-format §2, rule 3): exact names first, then SQLite's
 * affinity by substring.
 */
import type { ColumnType } from './model.ts';

export interface ColumnKind {
  readonly type: ColumnType;
  /** The type's own text, where `type` says less: JSON, NUMERIC, DECIMAL. */
  readonly dbType?: string;
}

const EXACT: Readonly<Record<string, ColumnType>> = {
  INT: 'INT',
  INTEGER: 'INT',
  BIGINT: 'INT',
  SMALLINT: 'INT',
  TEXT: 'TEXT',
  CHAR: 'TEXT',
  VARCHAR: 'TEXT',
  NVARCHAR: 'TEXT',
  NCHAR: 'TEXT',
  BLOB: 'TEXT',
  REAL: 'DOUBLE',
  FLOAT: 'DOUBLE',
  DOUBLE: 'DOUBLE',
  BOOL: 'BOOLEAN',
  BOOLEAN: 'BOOLEAN',
  DATE: 'DATE',
  DATE_CHAR: 'DATE',
  DATETIME: 'TIMESTAMP',
  DATETIME_CHAR: 'TIMESTAMP',
  TIMESTAMP: 'TIMESTAMP',
  TIME: 'TIMESTAMP',
  TIME_CHAR: 'TIMESTAMP',
};
const AFFINITIES: readonly (readonly [part: RegExp, type: ColumnType])[] = [
  [/INT/, 'INT'],
  [/CHAR|CLOB|TEXT/, 'TEXT'],
  [/BLOB|^$/, 'TEXT'],
  [/REAL|FLOA|DOUB/, 'DOUBLE'],
];

/**
 * The kind of a column declared as `declared` (any case, with arguments).
 * @param isGenerated a generated column's text also holds these words
 */
export function columnKind(declared: string, isGenerated = false): ColumnKind {
  const text = isGenerated ? declared.toUpperCase().replaceAll(/GENERATED|ALWAYS/g, '') : declared.toUpperCase();
  // A blank before the parenthesis stays: `DECIMAL (9,2)` is no exact name.
  const [, name = '', args] = /^([\w ]+)(\(.*?\))?/.exec(text) ?? [];
  if (name === 'JSON') return { type: 'UNKNOWN', dbType: 'JSON' };
  if (name !== 'NUMERIC' && name !== 'DECIMAL') {
    const exact = Object.hasOwn(EXACT, name) ? EXACT[name] : undefined;
    const type = exact ?? AFFINITIES.find(([part]) => part.test(name))?.[1];
    if (type !== undefined) return { type };
  }
  return exactNumeric(name === 'DECIMAL' ? 'DECIMAL' : 'NUMERIC', args);
}

function exactNumeric(name: string, args: string | undefined): ColumnKind {
  const [precision, scale, ...more] = [...(args ?? '').matchAll(/\d+/g)].map(([digits]) => Number(digits));
  if (precision === undefined || more.length > 2) return { type: 'DOUBLE', dbType: name };
  if (scale === undefined) return { type: 'DOUBLE', dbType: `${name}(${precision})` };
  return { type: scale > 0 ? 'DOUBLE' : 'INT', dbType: `${name}(${precision}, ${scale})` };
}
