/**
 * The peer of the relayed tasks: writes the objects of a finished run by the bare loop. A process of its own: `bare-objects.ts FROM TO PART OF` writes every OF-th row and log of the
 * run in FROM, beginning with PART, and prints the seconds.
 */
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { bareLoop } from '../bare-loop.ts';

const [, , from = '', to = '', part = '0', of = '1'] = process.argv;

const folders = ['rows', 'logs'].map((name) => readdir(join(from, name), { recursive: true, withFileTypes: true }));
const files = (await Promise.all(folders))
  .flat()
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .sort()
  .filter((_, index) => index % Number(of) === Number(part));
const objects = files.map((path) => [path.slice(from.length + 1), readFileSync(path)] as const);

const seconds = await bareLoop(to, objects, part);
process.stdout.write(JSON.stringify({ seconds, objects: objects.length }));
