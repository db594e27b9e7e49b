import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { checkFolders } from '../../../src/cli/folders.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

describe('folders that a command will write to', () => {
  it('need not exist, and are not made', async () => {
    const dir = await temporaryFolder();
    await checkFolders([
      { field: '--out', path: join(dir, 'a', 'b', 'c') },
      { field: '--cache-root', path: join(dir, 'a', 'b', 'd') },
    ]);
    expect(await readdir(dir)).toEqual([]);
  });

  it('are not the dataset nor below it, also not by a link', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'data'));
    await symlink(join(dir, 'data'), join(dir, 'link'));
    for (const path of ['data', 'data/x', 'link', 'link/x']) {
      const check = checkFolders([{ field: '--cache-root', path: join(dir, path) }], join(dir, 'data'));
      await expect(check).rejects.toThrow('--cache-root');
    }
    await checkFolders([{ field: '--out', path: join(dir, 'data-2') }], join(dir, 'data'));
  });

  it('are not one and the same', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'one'));
    await symlink(join(dir, 'one'), join(dir, 'other'));
    const check = checkFolders([
      { field: '--cache-root', path: join(dir, 'one') },
      { field: '--reference-root', path: join(dir, 'other') },
    ]);
    await expect(check).rejects.toThrow('is also --cache-root');
  });

  it('are no files, nor below one', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'file'), '');
    for (const path of ['file', 'file/x', 'file/x/y']) {
      await expect(checkFolders([{ field: '--out', path: join(dir, path) }])).rejects.toThrow('is a file');
    }
  });
});
