/**
 * The peer of the relayed tasks: writes the objects of a finished run durably (temp, fsync, link, fsync of the folder) with
 * 16 in flight, and nothing else. A process of its own: `bare-objects.ts FROM TO PART OF` writes every OF-th row and log of the
 * run in FROM, beginning with PART, and prints the seconds.
 */
import { readFileSync } from 'node:fs';
import { link, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const IN_FLIGHT = 16;
const [, , from = '', to = '', part = '0', of = '1'] = process.argv;

const folders = ['rows', 'logs'].map((name) => readdir(join(from, name), { recursive: true, withFileTypes: true }));
const files = (await Promise.all(folders))
  .flat()
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .sort()
  .filter((_, index) => index % Number(of) === Number(part));
const objects = files.map((path) => [path.slice(from.length + 1), readFileSync(path)] as const);

const temps = join(to, '.temps');
await mkdir(temps, { recursive: true });
const begin = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: IN_FLIGHT }, async () => {
    for (let i = next++; i < objects.length; i = next++) {
      const [path = '', bytes = Buffer.alloc(0)] = objects[i] ?? [];
      const temp = join(temps, `${part}-${i}`);
      const target = join(to, path);
      const file = await open(temp, 'wx');
      await file.writeFile(bytes);
      await file.sync();
      await file.close();
      await mkdir(dirname(target), { recursive: true });
      await link(temp, target);
      await unlink(temp);
      const folder = await open(dirname(target), 'r');
      await folder.sync();
      await folder.close();
    }
  }),
);
process.stdout.write(JSON.stringify({ seconds: (performance.now() - begin) / 1000, objects: objects.length }));
