/**
 * Folders whose marker says that they are whole, for readers that hold no lock: the marker is looked at before and after,
 * and when it changed, the reader begins again (DESIGN rule 4).
 */
import { closeSync, constants, copyFileSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { SkeinError, systemCode } from '../kernel/errors.ts';
import { sleep } from '../kernel/retry.ts';
import { breath, readWhole } from '../store/descriptor.ts';
import { fsyncDirectory } from '../store/durable-file.ts';

export interface MarkerLook {
  /** Its content, trimmed: a fingerprint. */
  readonly text: string;
  /** Different as soon as another marker stands there. */
  readonly stamp: string;
}

/** How often a reader begins again before it gives up, and how long it waits in between. */
const LOOKS = 100;
const LOOK_AGAIN_MS = 20;

/** The marker of `dir`, undefined where there is none. A breath each: who looks again and again lets others run. */
export async function markerOf(dir: string, marker: string): Promise<MarkerLook | undefined> {
  await breath();
  let fd: number | undefined;
  try {
    fd = openSync(join(dir, marker), 'r');
    const { ino, mtimeNs } = fstatSync(fd, { bigint: true });
    const text = readFileSync(fd, 'utf8');
    return { text: text.trim(), stamp: `${ino}:${mtimeNs}:${text}` };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Whether an error says that something is not there, or not there any more. */
export function isGone(error: unknown): boolean {
  return systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR';
}

/** Every plain file below `dir`, relative and sorted; nothing whose name begins with a dot. */
export function filesBelow(dir: string): string[] {
  const files: string[] = [];
  const visit = (relative: string): void => {
    for (const entry of readdirSync(join(dir, relative), { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) files.push(path);
    }
  };
  visit('');
  return files.sort();
}

/**
 * What `read` makes of `dir` while one and the same marker stands there, or undefined without a marker. `read` may meet
 * files that go: then it is called again.
 * @throws SkeinError UNAVAILABLE when the folder keeps changing; what `read` throws while the marker stands still
 */
export async function readMarked<T>(
  dir: string,
  marker: string,
  read: (look: MarkerLook) => Promise<T>,
): Promise<{ readonly look: MarkerLook; readonly value: T } | undefined> {
  let isAbsent = false;
  for (let tries = 0; tries < LOOKS; tries += 1) {
    const look = await markerOf(dir, marker);
    isAbsent = look === undefined;
    if (look === undefined) {
      if (tries === 0) return undefined;
      // It was there: whoever replaces one takes the marker off first.
      await sleep(LOOK_AGAIN_MS);
    } else {
      const outcome = await read(look).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      const after = await markerOf(dir, marker);
      if (after?.stamp === look.stamp) {
        if ('error' in outcome) throw outcome.error;
        return { look, value: outcome.value };
      }
    }
  }
  if (isAbsent) return undefined;
  throw new SkeinError('UNAVAILABLE', `${dir} keeps changing while it is read; another process builds or merges it`);
}

/**
 * Copies the marked folder `source` to `target`, which is made anew. Undefined when `source` has no marker. Not synced.
 * @throws SkeinError UNAVAILABLE as `readMarked`
 */
export async function copyMarked(source: string, marker: string, target: string): Promise<MarkerLook | undefined> {
  const copied = await readMarked(source, marker, async () => {
    await rm(target, { recursive: true, force: true });
    await mkdir(target, { recursive: true });
    const files = filesBelow(source);
    for (const folder of new Set(files.map((path) => dirname(join(target, path)))))
      await mkdir(folder, { recursive: true });
    for (const path of files) copyFileSync(join(source, path), join(target, path), constants.COPYFILE_FICLONE);
  });
  return copied?.look;
}

/** The bytes of every file below `dir`, by relative path. */
export async function readTree(dir: string): Promise<Map<string, Buffer>> {
  const files = filesBelow(dir);
  return new Map(await Promise.all(files.map(async (path) => [path, await readWhole(join(dir, path))] as const)));
}

/** Brings every file and folder below `dir` to the disk. @throws the system's error; the tree must then be thrown away */
export async function syncTree(dir: string): Promise<void> {
  const files = filesBelow(dir);
  await Promise.all(
    files.map(async (path) => {
      await using file = await open(join(dir, path), 'r+');
      await file.sync();
    }),
  );
  const folders = new Set([dir]);
  for (const path of files) {
    for (let at = dirname(path); at !== '.'; at = dirname(at)) folders.add(join(dir, at));
  }
  await Promise.all([...folders].map((folder) => fsyncDirectory(folder)));
}

/** Whether `path` is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
