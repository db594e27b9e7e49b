/** What is peculiar to the directory store: plain files, links, folders, disks that are full, other processes. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, lstat, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { openDirectoryStore } from '../../src/store/directory.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { bytesOf, mustCreate, namesIn, temporaryFolder, textOf } from '../helpers/store-fixtures.ts';

let folder: ReturnType<typeof temporaryFolder>;
let root: string;
let store: ObjectStore;

beforeEach(async () => {
  folder = temporaryFolder();
  root = join(folder.path, 'bucket');
  store = await openDirectoryStore(pathToFileURL(root).href);
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe('objects and files', () => {
  test('an object is the plain file of its name, and all else lies in one dot-folder', async () => {
    await mustCreate(store, 'runs/r1/rows/i1/attempt-1.json', '{}');
    expect(await readFile(join(root, 'runs/r1/rows/i1/attempt-1.json'), 'utf8')).toBe('{}');
    expect((await readdir(root)).sort()).toEqual(['.skein-store', 'runs']);
    expect(await readdir(join(root, '.skein-store/tmp'))).toEqual([]);
  });

  test('a file copied in from outside is an object that can be read, replaced and removed', async () => {
    await mkdir(join(root, 'in/side'), { recursive: true });
    await writeFile(join(root, 'in/side/a'), 'from outside');
    const object = await store.read('in/side/a');
    expect(object?.bytes.toString()).toBe('from outside');
    expect(await namesIn(store, '')).toEqual(['in/side/a']);
    expect(await store.create('in/side/a', bytesOf('x'))).toEqual({
      kind: 'conflict',
      generation: object?.generation,
    });
    const replaced = await store.replace('in/side/a', bytesOf('ours'), object?.generation ?? '');
    expect(replaced.kind).toBe('written');
    expect(await store.remove('in/side/a', replaced.generation ?? '')).toEqual({ kind: 'removed' });
  });

  test('a file changed from outside has a new generation', async () => {
    const generation = await mustCreate(store, 'a', '1');
    await writeFile(join(root, 'other'), '2');
    await rename(join(root, 'other'), join(root, 'a'));
    expect(await store.replace('a', bytesOf('3'), generation)).toMatchObject({ kind: 'conflict' });
    expect(await textOf(store, 'a')).toBe('2');
  });

  test('a generation is new even if the clock stands still or goes back', async () => {
    const first = await mustCreate(store, 'a', 'same');
    // A file from the future: every later write happens "before" it.
    await utimes(join(root, 'a'), 4e9, 4e9);
    const seen = new Set([first]);
    let lastNs = 0n;
    for (let turn = 0; turn < 10; turn += 1) {
      const current = (await store.stat('a'))?.generation ?? '';
      seen.add(current);
      const { mtimeNs } = await lstat(join(root, 'a'), { bigint: true });
      expect(mtimeNs > lastNs).toBe(true);
      lastNs = mtimeNs;
      expect((await store.replace('a', bytesOf('same'), current)).kind).toBe('written');
    }
    expect(seen.size).toBe(11);
  });

  test('opening and looking make nothing; neither does the question whether it is writable', async () => {
    expect(await store.read('a')).toBeUndefined();
    expect(await namesIn(store, '')).toEqual([]);
    expect(await store.remove('a', '1')).toEqual({ kind: 'absent' });
    expect(await store.replace('a', bytesOf('x'), '1')).toMatchObject({ kind: 'conflict' });
    await store.checkWritable();
    expect(existsSync(root)).toBe(false);
  });

  test('goes on after its folders were taken away', async () => {
    const before = await mustCreate(store, 'a/b/c', '1');
    await store.replace('a/b/c', bytesOf('2'), before);
    await rm(root, { recursive: true });
    expect(await namesIn(store, '')).toEqual([]);
    const generation = await mustCreate(store, 'a/b/c', '3');
    expect((await store.replace('a/b/c', bytesOf('4'), generation)).kind).toBe('written');
    expect(await textOf(store, 'a/b/c')).toBe('4');
  });

  test('two stores on one directory in one process exclude each other', async () => {
    await using other = await openDirectoryStore(pathToFileURL(root).href);
    await mustCreate(store, 'counter', '0');
    const increment = async (mine: ObjectStore): Promise<void> => {
      for (let done = 0; done < 20;) {
        const counter = await mine.read('counter');
        const next = bytesOf(String(Number(counter?.bytes) + 1));
        if ((await mine.replace('counter', next, counter?.generation ?? '')).kind === 'written') done += 1;
      }
    };
    await Promise.all([store, other, store, other].map(increment));
    expect(await textOf(store, 'counter')).toBe('80');
  });

  test('removes the temps of a process that is gone, and nobody else’s', async () => {
    await mustCreate(store, 'a', '1');
    const temps = join(root, '.skein-store/tmp');
    const { OwnFolder } = await import('../../src/store/own-folder.ts');
    const mine = new OwnFolder(root).newTemp();
    const dead = mine.replace(`-${process.pid}-`, '-4194304-');
    await writeFile(mine, 'mine');
    await writeFile(dead, 'half of');
    await writeFile(join(temps, 'ffffffff-1-00000000-1'), 'another machine’s, young');
    await writeFile(join(temps, 'ffffffff-1-00000000-2'), 'another machine’s, old');
    await utimes(join(temps, 'ffffffff-1-00000000-2'), 1e9, 1e9);
    await using _again = await openDirectoryStore(pathToFileURL(root).href);
    expect((await readdir(temps)).sort()).toEqual([mine.slice(temps.length + 1), 'ffffffff-1-00000000-1'].sort());
  });

  test('writes an object again whose temp another machine swept', async () => {
    await mustCreate(store, 'a', '1');
    const sweeping = (async () => {
      for (let turn = 0; turn < 200; turn += 1) {
        const temps = await readdir(join(root, '.skein-store/tmp'));
        await Promise.all(temps.map((name) => rm(join(root, '.skein-store/tmp', name), { force: true })));
      }
    })();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, n) => store.create(`swept/${n}`, bytesOf(`whole ${n}`))),
    );
    await sweeping;
    for (const [n, outcome] of outcomes.entries()) {
      const text = await textOf(store, `swept/${n}`);
      // Swept twice it is an error, and then nothing stands there: never a part.
      if (outcome.status === 'fulfilled') expect(text).toBe(`whole ${n}`);
      else expect(text).toBeUndefined();
    }
  });
});

describe('what is no object', () => {
  let outside: string;

  beforeEach(async () => {
    outside = join(folder.path, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
    await mustCreate(store, 'a/b', '1');
  });

  const refused = { code: 'INVALID_INPUT' };

  test('a link to a folder outside is not followed by any verb, and not listed', async () => {
    await symlink(outside, join(root, 'link'));
    await expect(store.read('link/secret')).rejects.toMatchObject(refused);
    await expect(store.stat('link/secret')).rejects.toMatchObject(refused);
    await expect(store.create('link/new', bytesOf('x'))).rejects.toMatchObject(refused);
    await expect(store.create('link/deep/new', bytesOf('x'))).rejects.toMatchObject(refused);
    await expect(store.replace('link/secret', bytesOf('x'), '1')).rejects.toMatchObject(refused);
    await expect(store.remove('link/secret', '1')).rejects.toMatchObject(refused);
    await expect(store.list('link/')).rejects.toMatchObject(refused);
    expect(await namesIn(store, '')).toEqual(['a/b']);
    expect((await store.list('', { delimiter: '/' })).prefixes).toEqual(['a/']);
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await readdir(join(root, '.skein-store/tmp'))).toEqual([]);
  });

  test('a link in the place of an object is neither read nor replaced nor created over', async () => {
    await symlink(join(outside, 'secret'), join(root, 'a/link'));
    await expect(store.read('a/link')).rejects.toMatchObject(refused);
    await expect(store.stat('a/link')).rejects.toMatchObject(refused);
    await expect(store.create('a/link', bytesOf('x'))).rejects.toMatchObject(refused);
    await expect(store.replace('a/link', bytesOf('x'), '1')).rejects.toMatchObject(refused);
    await expect(store.remove('a/link', '1')).rejects.toMatchObject(refused);
    expect(await namesIn(store, 'a/')).toEqual(['a/b']);
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  test('a folder in the place of an object, and an object in the place of a folder, are refused by name', async () => {
    await expect(store.create('a', bytesOf('x'))).rejects.toMatchObject(refused);
    await expect(store.create('a/b/c', bytesOf('x'))).rejects.toMatchObject(refused);
    await expect(store.create('a/b/c/d', bytesOf('x'))).rejects.toMatchObject(refused);
    expect(await namesIn(store, '')).toEqual(['a/b']);
  });

  test('a pipe is passed over and does not hold a reader', async () => {
    execFileSync('mkfifo', [join(root, 'a/pipe')]);
    expect(await store.read('a/pipe')).toBeUndefined();
    expect(await namesIn(store, '')).toEqual(['a/b']);
  });

  test('files whose names no object can have are passed over', async () => {
    await writeFile(join(root, 'a/new\nline'), 'x');
    await writeFile(Buffer.concat([Buffer.from(join(root, 'a/')), Buffer.from([0xff, 0xfe])]), 'x');
    expect(await namesIn(store, '')).toEqual(['a/b']);
  });

  test('a part of a name longer than the file system allows is refused by name', async () => {
    await expect(store.create(`a/${'x'.repeat(256)}`, bytesOf('x'))).rejects.toMatchObject(refused);
  });

  test('the root itself may be reached over a link', async () => {
    await symlink(root, join(folder.path, 'alias'));
    await using alias = await openDirectoryStore(pathToFileURL(join(folder.path, 'alias')).href);
    expect(await textOf(alias, 'a/b')).toBe('1');
    await mustCreate(alias, 'a/c', '2');
    expect(await textOf(store, 'a/c')).toBe('2');
  });
});

describe('opening', () => {
  test.each([
    'bucket',
    './bucket',
    '/tmp/bucket',
    '',
    'file:bucket',
    'file://bucket',
    'file://host/tmp/bucket',
    'file:///tmp/a%2Fb',
    'file:///tmp/a?b',
    'file:///tmp/a#b',
    'file:///tmp/a%00b',
    'file:///tmp/a%0Ab',
    's3://bucket',
    'http://host/x',
  ])('refuses %j in one line that names the value and a legal form', async (url) => {
    const failure = await openStore(url).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(failure).toMatchObject({ code: 'INVALID_INPUT' });
    expect(failure?.message).toContain(JSON.stringify(url));
    expect(failure?.message).toContain('--store');
    expect(failure?.message).toContain('file:///');
    expect(failure?.message).not.toContain('\n');
  });

  test('refuses a file in the place of the directory, or above it', async () => {
    const file = join(folder.path, 'file');
    await writeFile(file, 'x');
    for (const path of [file, join(file, 'below'), join(file, 'far/below')]) {
      await expect(openStore(pathToFileURL(path).href)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
  });

  test('takes percent signs, spaces and letters of any language in its path, and gives its URL back', async () => {
    const path = join(folder.path, 'ä b%c#d');
    await using odd = await openStore(pathToFileURL(path).href);
    await mustCreate(odd, 'x', '1');
    expect(await readFile(join(path, 'x'), 'utf8')).toBe('1');
    await using again = await openStore(odd.url);
    expect(await textOf(again, 'x')).toBe('1');
  });

  test('shares a memory store of one URL within the process', async () => {
    await using first = await openStore('memory:shared-by-this-test');
    await mustCreate(first, 'x', '1');
    await using second = await openStore('memory:shared-by-this-test');
    expect(await textOf(second, 'x')).toBe('1');
    await using other = await openStore('memory:another-of-this-test');
    expect(await textOf(other, 'x')).toBeUndefined();
  });

  test('says why a place cannot be written to', async () => {
    // Where nobody, root included, may make a folder.
    if (!existsSync('/proc/self')) return;
    await using nowhere = await openStore('file:///proc/self/skein');
    await expect(nowhere.checkWritable()).rejects.toMatchObject({
      code: 'PREFLIGHT',
      message: expect.stringContaining('file:///proc/self/skein'),
    });
  });
});

describe('a disk that is full', () => {
  test('is an error, and leaves no part of an object', async (context) => {
    const mounted = mountSmallDisk();
    if (typeof mounted === 'string') {
      console.log(`skipped: the full-disk test, ${mounted}`);
      return context.skip(mounted);
    }
    using disk = mounted;
    await using full = await openDirectoryStore(pathToFileURL(join(disk.path, 'bucket')).href);
    const kept = await mustCreate(full, 'kept', 'kept');
    await expect(full.create('big', Buffer.alloc(6 * 1024 * 1024, 1))).rejects.toMatchObject({ code: 'DISK_FULL' });
    await expect(full.replace('kept', Buffer.alloc(6 * 1024 * 1024, 1), kept)).rejects.toMatchObject({
      code: 'DISK_FULL',
    });
    expect(await namesIn(full, '')).toEqual(['kept']);
    expect(await textOf(full, 'kept')).toBe('kept');
    // What the attempts took was given back.
    expect((await full.create('fits', Buffer.alloc(3 * 1024 * 1024, 1))).kind).toBe('written');
    for (let n = 0; ; n += 1) {
      const outcome = await full.create(`small/${n}`, Buffer.alloc(100_000, 1)).catch((error: unknown) => error);
      if ((outcome as { code?: string }).code === 'DISK_FULL') break;
      expect(outcome).toMatchObject({ kind: 'written' });
      expect(n).toBeLessThan(40);
    }
    for (const name of await namesIn(full, 'small/')) expect((await full.stat(name))?.sizeBytes).toBe(100_000);
    expect(await readdir(join(disk.path, 'bucket/.skein-store/tmp'))).toEqual([]);
  });
});

/** A tmpfs of 4 MiB, or why there is none. */
function mountSmallDisk(): (Disposable & { path: string }) | string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it needs root on Linux to mount a small disk';
  const place = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', place.path], { stdio: 'pipe' });
  } catch (error) {
    place[Symbol.dispose]();
    return `a small disk cannot be mounted: ${(error as Error).message.split('\n')[0]}`;
  }
  return {
    path: place.path,
    [Symbol.dispose]: () => {
      execFileSync('umount', [place.path]);
      place[Symbol.dispose]();
    },
  };
}

test('a file copied over an object is another generation, as is the same file touched', async () => {
  const generation = await mustCreate(store, 'a', 'same');
  await copyFile(join(root, 'a'), join(folder.path, 'copy'));
  await copyFile(join(folder.path, 'copy'), join(root, 'a'));
  expect((await store.stat('a'))?.generation).not.toBe(generation);
  expect((await lstat(join(root, 'a'))).size).toBe(4);
});
