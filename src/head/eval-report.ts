/**
 * `eval.json` as a file: the run's numbers around its canonical rows (C-05). Rows are written as they come; the numbers
 * that stand before them are known only at the end, so rows go to a spool first.
 *
 * Invariants: E1 the file is whole or as it was. E2 its bytes are those of one JSON text with indent 2 and a final newline.
 */
import { createReadStream } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { fsyncDirectory } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import type { StoredRow } from '../run/canonical-row.ts';
import type { FileLook } from './collation-stamp.ts';

export class EvalReport implements AsyncDisposable {
  readonly #path: string;
  readonly #spool: FileHandle;
  #hasRows = false;

  private constructor(path: string, spool: FileHandle) {
    this.#path = path;
    this.#spool = spool;
  }

  /** Begins the report that will be at `path`. Disposing of it without `publish` leaves `path` as it was. */
  static async create(path: string): Promise<EvalReport> {
    return guard(path, async () => new EvalReport(path, await open(spoolOf(path), 'w')));
  }

  async add(rows: readonly StoredRow[]): Promise<void> {
    if (rows.length === 0) return;
    const lead = this.#hasRows ? ',\n' : '\n';
    this.#hasRows = true;
    await guard(this.#path, () => this.#spool.writeFile(lead + rowsText(rows)));
  }

  /** Writes the whole beside its place; the file as it will stand there. @param head fields before `results` @param tail fields after it */
  async finish(head: object, tail: object): Promise<FileLook> {
    return guard(this.#path, async () => {
      await this.#spool.close();
      await using file = await open(tempOf(this.#path), 'w');
      await file.writeFile(`${JSON.stringify(head, null, 2).slice(0, -2)},\n  "results": [`);
      for await (const chunk of createReadStream(spoolOf(this.#path))) await file.writeFile(chunk as Buffer);
      await file.writeFile(`${this.#hasRows ? '\n  ' : ''}],\n${JSON.stringify(tail, null, 2).slice(2)}\n`);
      await file.sync();
      const { size, mtimeMs, ino } = await file.stat();
      return { sizeBytes: size, mtimeMs, inode: ino };
    });
  }

  /** Puts what `finish` wrote in its place. */
  async publish(): Promise<void> {
    await guard(this.#path, async () => {
      await rename(tempOf(this.#path), this.#path);
      await fsyncDirectory(dirname(this.#path));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool.close().catch(() => {});
    await Promise.all([spoolOf(this.#path), tempOf(this.#path)].map((path) => rm(path, { force: true })));
  }
}

/* Fixed names: what a killed fetch left is written over by the next one, under the lock of the folder. */
const spoolOf = (path: string): string => `${path}.rows.tmp`;
const tempOf = (path: string): string => `${path}.tmp`;

/** The rows as they stand in a list that stands in an object: indented by four. */
function rowsText(rows: readonly StoredRow[]): string {
  const nested = JSON.stringify([rows], null, 2);
  return nested.slice('[\n  [\n'.length, -'\n  ]\n]'.length);
}

async function guard<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileSystemError(`writing ${path}`, error);
  }
}
