/** The models of one database as files, `models/<db>/<model>.yaml`, read all at once and written where they changed. */
import { readFileSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';
import { isGone } from './marked-tree.ts';
import { parseModel, renderModel } from './model-file.ts';
import type { Model } from './model.ts';

const EXTENSION = '.yaml';

/**
 * The folder's models by name, in the order of their file names. Empty when there is no folder.
 * @throws SkeinError CORRUPT
 */
export async function readModels(dir: string, database: string): Promise<Map<string, Model>> {
  const folder = join(dir, 'models', database);
  const names = await readdir(folder).catch((error: unknown) => {
    if (isGone(error)) return [];
    throw error;
  });
  const files = names.filter((name) => name.endsWith(EXTENSION)).sort();
  // Synchronous: whoever reads models is in an actor's own thread, and a small read costs a tenth of four trips to a file
  // thread.
  const models = files.map((name) => parseModel(join(folder, name), readFileSync(join(folder, name), 'utf8')));
  return new Map(models.map((model) => [model.name, model]));
}

/**
 * Makes the folder hold exactly `models`. Files of models that are as `before` has them are left alone, byte for byte.
 * @throws SkeinError INTERNAL for a model whose name is no file name; the system's errors
 */
export async function writeModels(
  dir: string,
  database: string,
  models: ReadonlyMap<string, Model>,
  before: ReadonlyMap<string, Model>,
): Promise<void> {
  const folder = join(dir, 'models', database);
  await mkdir(folder, { recursive: true });
  await Promise.all(
    [...before.keys()]
      .filter((name) => !models.has(name))
      .map((name) => rm(join(folder, `${name}${EXTENSION}`), { force: true })),
  );
  await Promise.all(
    [...models].map(async ([name, model]) => {
      if (name !== model.name || !/^[^./\0][^/\0]*$/.test(name)) {
        throw new SkeinError('INTERNAL', `a model called ${JSON.stringify(name)} cannot be a file`);
      }
      const text = renderModel(model);
      const original = before.get(name);
      if (original && renderModel(original) === text) return;
      await writeFile(join(folder, `${name}${EXTENSION}`), text);
    }),
  );
}
