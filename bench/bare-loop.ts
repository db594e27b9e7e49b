/**
 * The peer of everything that stores rows: objects written durably (temp, fsync, link, fsync of the folder) with 16 in flight,
 * and nothing else.
 */
import { link, mkdir, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Objects under way at a time. */
export const IN_FLIGHT = 16;

/**
 * Writes each (path, bytes) below `root`. The seconds that it took.
 * @param name of this loop's temporary files, where several write below one root
 */
export async function bareLoop(
  root: string,
  objects: readonly (readonly [string, Buffer])[],
  name = '0',
): Promise<number> {
  const temps = join(root, '.temps');
  await mkdir(temps, { recursive: true });
  const begin = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < objects.length; i = next++) {
      const [path = '', bytes = Buffer.alloc(0)] = objects[i] ?? [];
      const temp = join(temps, `${name}-${i}`);
      const target = join(root, path);
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
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return (performance.now() - begin) / 1000;
}
