/**
 * `datasources/<db>.yaml`: which SQLite file a store's models read, absolute in a stage-1 cache (D-02), relative to the
 * dataset's root in a committed reference, re-anchored whenever it is used (T-02).
 */
import { join, resolve } from 'node:path';

import { z } from 'zod';

import { SkeinError } from '../kernel/errors.ts';
import { fromYaml, toYaml } from './yaml-text.ts';

export interface Datasource {
  version: 2;
  /** The database. */
  name: string;
  type: 'sqlite';
  /** An SQLAlchemy URL: `sqlite:////abs/file` or `sqlite:///rel/file`. */
  connection_string: string;
  granularities: unknown[];
}

const PREFIX = 'sqlite:///';

/** The URL of the SQLite file at the absolute `path`. */
export function absoluteUrl(path: string): string {
  return `${PREFIX}${resolve(path)}`;
}

/** The URL that holds on any machine: relative to the root of the dataset. */
export function portableUrl(database: string): string {
  return `${PREFIX}${database}/${database}.sqlite`;
}

/**
 * The SQLite file that `url` means on this machine, with the dataset at `datasetDir` (T-02): a relative URL is resolved
 * against it, an absolute one, which names a file of the machine that built it, is `<datasetDir>/<db>/<db>.sqlite`.
 * @throws SkeinError CORRUPT when the URL is none of SQLite's
 */
export function databaseFileOf(datasource: Datasource, datasetDir: string): string {
  const { name, connection_string: url } = datasource;
  if (!url.startsWith(PREFIX))
    throw new SkeinError('CORRUPT', `datasource ${name}: ${JSON.stringify(url)} is no URL of an SQLite file`);
  const path = url.slice(PREFIX.length);
  return path.startsWith('/') ? join(datasetDir, name, `${name}.sqlite`) : join(datasetDir, path);
}

/** The datasource of `database` with that URL, as the tool makes it. */
export function datasourceFor(database: string, url: string): Datasource {
  return { version: 2, name: database, type: 'sqlite', connection_string: url, granularities: [] };
}

/** The text of a `datasources/<db>.yaml`. */
export function renderDatasource(datasource: Datasource): string {
  const { version, name, type, connection_string, granularities } = datasource;
  return toYaml({ version, name, type, connection_string, granularities });
}

const schema = z.looseObject({
  version: z.number().default(2),
  name: z.string(),
  type: z.literal('sqlite').default('sqlite'),
  connection_string: z.string(),
  granularities: z.array(z.unknown()).default([]),
});

/**
 * The datasource in `text`.
 * @throws SkeinError CORRUPT naming `where`
 */
export function parseDatasource(where: string, text: string): Datasource {
  const result = schema.safeParse(fromYaml(where, text));
  if (result.success) return result.data as unknown as Datasource;
  const issue = result.error.issues[0];
  throw new SkeinError(
    'CORRUPT',
    `${where} is no datasource: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    {
      cause: result.error,
    },
  );
}
