import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { DataDir, isTaken } from '../../../src/daemon/data-dir.ts';
import { readReady, readyPath, writeReady } from '../../../src/daemon/ready-file.ts';
import { makeToken, parseToken, readToken, tokenPath } from '../../../src/daemon/token.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const READY = {
  pid: 1,
  address: '127.0.0.1:1',
  version: '0',
  boot_id: 'b',
  kind: 'head',
  is_tls: false,
  store_url: '',
};

describe('a data dir', () => {
  it('is made with mode 0700, and keeps its id over its owners, who each have a boot id of their own', async () => {
    const dir = join(await temporaryFolder(), 'deep', 'er');
    const first = await DataDir.take(dir);
    await first.release();
    const second = await DataDir.take(dir);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect(second.id).toBe(first.id);
    expect(second.bootId).not.toBe(first.bootId);
    await second.release();
  });

  it('has one owner at a time, and says who that is', async () => {
    const dir = await temporaryFolder();
    const owner = await DataDir.take(dir);
    await writeReady(dir, { ...READY, kind: 'head', pid: 4711 });
    expect(await isTaken(dir)).toBe(true);
    await expect(DataDir.take(dir)).rejects.toThrow(
      /--data-dir: .*a head \(pid 4711\) runs on it.*skein stop --data-dir/,
    );
    expect(await readReady(dir)).toMatchObject({ pid: 4711 });
    await owner.release();
    expect(await isTaken(dir)).toBe(false);
    await (await DataDir.take(dir)).release();
  });

  it('loses the ready file that a killed daemon left, before its new owner does anything', async () => {
    const dir = await temporaryFolder();
    await writeReady(dir, { ...READY, kind: 'node' });
    const owner = await DataDir.take(dir);
    expect(await readReady(dir)).toBeUndefined();
    await owner.release();
  });

  it('is gone again with all that was made for it when its daemon never got ready', async () => {
    const parent = await temporaryFolder();
    const owner = await DataDir.take(join(parent, 'a', 'b'));
    await owner.giveUp();
    expect(await readdir(parent)).toEqual([]);
    await mkdir(join(parent, 'kept'));
    await (await DataDir.take(join(parent, 'kept'))).giveUp();
    expect(await readdir(parent)).toEqual(['kept']);
  });

  it('cannot be a file, nor hold an id that is none', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'file'), '');
    await expect(DataDir.take(join(dir, 'file'))).rejects.toThrow(/--data-dir: .*a file is in its way/);
    await writeFile(join(dir, 'id'), 'nobody');
    await expect(DataDir.take(dir)).rejects.toThrow(/"nobody" is no id/);
    expect(await isTaken(dir)).toBe(false);
  });
});

describe('a ready file', () => {
  it('reads back as it was written, is undefined where there is none, and an error where it is something else', async () => {
    const dir = await temporaryFolder();
    expect(await readReady(dir)).toBeUndefined();
    await writeReady(dir, { ...READY, kind: 'node', node: 'n1' });
    expect(await readReady(dir)).toEqual({ ...READY, kind: 'node', node: 'n1' });
    await writeFile(readyPath(dir), '{"pid": "many"}');
    await expect(readReady(dir)).rejects.toThrow(/ready\.json is no ready file/);
  });
});

describe('a token', () => {
  it('is made once per data dir, readable by its owner alone', async () => {
    const dir = await temporaryFolder();
    const token = await makeToken(dir);
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(await makeToken(dir)).toBe(token);
    expect((await stat(tokenPath(dir))).mode & 0o777).toBe(0o600);
    expect((await readFile(tokenPath(dir), 'utf8')).trim()).toBe(token);
  });

  it('is refused when it is absent, empty or too short, without being shown', async () => {
    const dir = await temporaryFolder();
    await expect(readToken(join(dir, 'no'), '--token-file')).rejects.toThrow(/--token-file: .*there is no such file/);
    await expect(readToken(dir, '--token-file')).rejects.toThrow(/that is a folder/);
    await writeFile(join(dir, 'empty'), ' \n');
    await expect(readToken(join(dir, 'empty'), '--token-file')).rejects.toThrow(/is empty/);
    expect(() => parseToken('s3cret', 'SKEIN_TOKEN', 'SKEIN_TOKEN')).toThrow(/^SKEIN_TOKEN holds no token(?!.*s3cret)/);
    expect(parseToken(' 0123456789abcdef\n', 'x', 'x')).toBe('0123456789abcdef');
  });
});
