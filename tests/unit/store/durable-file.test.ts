import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { fsyncDirectory, writeFileDurable } from '../../../src/store/durable-file.ts';
import { temporaryFolder } from '../../helpers/store-fixtures.ts';

test('writes new files and over old ones, and leaves nothing else', async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'a.txt');
  expect(await writeFileDurable(path, 'one')).toEqual({ kind: 'written' });
  expect(await writeFileDurable(path, Buffer.from('two'))).toEqual({ kind: 'written' });
  expect(await readFile(path, 'utf8')).toBe('two');
  expect(await readdir(folder.path)).toEqual(['a.txt']);
});

test('exclusive leaves an existing file alone, and of many writers lets one win', async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'a.txt');
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, n) => writeFileDurable(path, `writer ${n}`, { exclusive: true })),
  );
  const winner = outcomes.findIndex(({ kind }) => kind === 'written');
  expect(outcomes.filter(({ kind }) => kind === 'exists')).toHaveLength(19);
  expect(await readFile(path, 'utf8')).toBe(`writer ${winner}`);
  expect(await readdir(folder.path)).toEqual(['a.txt']);
});

test('keeps its temps in the folder it is given, and the mode it is asked for', async () => {
  using folder = temporaryFolder();
  const tempDir = join(folder.path, 'temps');
  const target = join(folder.path, 'target');
  await mkdir(tempDir);
  await mkdir(target);
  await writeFileDurable(join(target, 'secret'), 'x', { tempDir, mode: 0o600 });
  expect((await stat(join(target, 'secret'))).mode & 0o777).toBe(0o600);
  expect(await readdir(tempDir)).toEqual([]);
  // A temp folder that is not there shows that it is the one that is used.
  const nowhere = writeFileDurable(join(target, 'b'), 'x', { tempDir: join(folder.path, 'none') });
  await expect(nowhere).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(await readdir(target)).toEqual(['secret']);
});

test('names the file in its error, and leaves no temp where the target cannot be written', async () => {
  using folder = temporaryFolder();
  await mkdir(join(folder.path, 'folder/full'), { recursive: true });
  const path = join(folder.path, 'folder');
  const failure = writeFileDurable(path, 'x');
  await expect(failure).rejects.toMatchObject({ message: expect.stringContaining(path) });
  expect(await readdir(folder.path)).toEqual(['folder']);
  await writeFile(join(folder.path, 'file'), 'x');
  await expect(writeFileDurable(join(folder.path, 'file/below'), 'x')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

test('many syncs of one folder at once all end, and one of a missing folder fails for each caller', async () => {
  using folder = temporaryFolder();
  await Promise.all(Array.from({ length: 200 }, () => fsyncDirectory(folder.path)));
  await fsyncDirectory(folder.path);
  const missing = join(folder.path, 'missing');
  const ends = await Promise.allSettled(Array.from({ length: 5 }, () => fsyncDirectory(missing)));
  expect(ends.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'rejected'));
  await mkdir(missing);
  await fsyncDirectory(missing);
});
