/** A mirror of a run's shards and a reference root beside it, for tests that merge the one into the other. */
import { join } from 'node:path';

import { mergeShards, type MergeOptions } from '../../src/reference/merge.ts';
import type { MergeReport } from '../../src/reference/merge-report.ts';
import { readTree, tempDir, writeSlice, writeTree, type ShardOptions, type Tree } from './shards.ts';

/** Times of an old and of a new build, seconds. */
export const OLD = 1_600_000_000;
export const NEW = 1_700_000_000.25;

export class MergeScene implements AsyncDisposable {
  /** Holds both; for what a test puts beside them. */
  readonly dir: string;
  readonly shards: string;
  readonly root: string;
  /** Databases in the order in which their locks were taken. */
  readonly locks: string[] = [];
  readonly #temp: AsyncDisposable;

  private constructor(temp: { dir: string } & AsyncDisposable) {
    this.#temp = temp;
    this.dir = temp.dir;
    this.shards = join(temp.dir, 'shards');
    this.root = join(temp.dir, 'root');
  }

  static async make(): Promise<MergeScene> {
    return new MergeScene(await tempDir());
  }

  slice(shard: string, tree: Tree, options?: ShardOptions, db = 'shop'): Promise<string> {
    return writeSlice(this.shards, shard, db, tree, options);
  }

  local(tree: Tree, mtimeS = OLD, db = 'shop'): Promise<void> {
    return writeTree(join(this.root, db), tree, mtimeS);
  }

  /** The identity record of a local reference. */
  record(identity: unknown, db = 'shop'): Promise<void> {
    const text = typeof identity === 'string' ? identity : JSON.stringify(identity);
    return writeTree(this.root, { [`.skein/${db}.json`]: text });
  }

  tree(db = 'shop'): Promise<Record<string, string>> {
    return readTree(join(this.root, db));
  }

  merge(options: Partial<MergeOptions> = {}): Promise<MergeReport> {
    return mergeShards({
      shardsDir: this.shards,
      referenceRoot: this.root,
      withLock: async (database, work) => {
        this.locks.push(database);
        return work();
      },
      ...options,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#temp[Symbol.asyncDispose]();
  }
}
