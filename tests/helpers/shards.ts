/** References and shards on disk, as builders and uploads leave them, for tests of upload, merge and fetch. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { sha256 } from '../../src/kernel/digest.ts';
import { contentDigest } from '../../src/reference/shard-slice.ts';

export type Tree = Readonly<Record<string, string>>;

/** A folder of its own that goes with the scope. */
export async function tempDir(): Promise<{ dir: string } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), 'skein-test-'));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

export async function writeTree(dir: string, tree: Tree, mtimeS?: number): Promise<void> {
  for (const [path, text] of Object.entries(tree)) {
    const file = join(dir, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    if (mtimeS !== undefined) await utimes(file, mtimeS, mtimeS);
  }
}

/** Every file below `dir` with its text; empty when there is none. Folders without files end in `/`. */
export async function readTree(dir: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  const visit = async (relative: string): Promise<void> => {
    const entries = await readdir(join(dir, relative), { withFileTypes: true }).catch(() => []);
    if (entries.length === 0 && relative !== '') tree[`${relative}/`] = '';
    for (const entry of entries) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) await visit(path);
      else tree[path] = await readFile(join(dir, path), 'utf8');
    }
  };
  await visit('');
  return tree;
}

/** The content of a whole reference, told apart by `flavour` in every file. */
export function reference(flavour: string, extra: Tree = {}): Tree {
  return {
    '_reference_fp.txt': `fp-${flavour}`,
    '_kb_rows.json': '[]',
    'models/shop/items.yaml': `items of ${flavour}`,
    'models/shop/orders.yaml': `orders of ${flavour}`,
    'memories.yaml': `memories of ${flavour}`,
    ...extra,
  };
}

export interface ShardOptions {
  readonly mtimeS?: number;
  /** Writes `_skein_shard.json` with these facts. */
  readonly record?: { epoch?: number; run_id?: string; built_at_ms?: number; identity?: unknown };
  /** Left out: `_upload_complete`. */
  readonly incomplete?: boolean;
  /** In place of what belongs there. */
  readonly mtimes?: unknown;
}

/** A slice in a local mirror, written by hand so that reading it is checked against the format and not the writer. */
export async function writeSlice(
  shardsDir: string,
  shard: string,
  database: string,
  tree: Tree,
  options: ShardOptions = {},
): Promise<string> {
  const dir = join(shardsDir, shard, database);
  const { mtimeS = 1_700_000_000.25 } = options;
  await writeTree(dir, tree, mtimeS);
  const mtimes = options.mtimes ?? Object.fromEntries(Object.keys(tree).map((path) => [path, mtimeS]));
  await writeTree(dir, { '_source_mtimes.json': typeof mtimes === 'string' ? mtimes : JSON.stringify(mtimes) });
  if (options.record) {
    const bytes = Object.entries(tree).map(([path, text]) => [path, Buffer.from(text)] as const);
    const record = {
      version: 1,
      database,
      epoch: 0,
      run_id: 'r1',
      built_at_ms: mtimeS * 1000,
      content_digest: contentDigest(new Map(bytes)),
      files: Object.fromEntries(bytes.map(([path, b]) => [path, { size: b.length, sha256: sha256(b) }])),
      identity: null,
      ...options.record,
    };
    await writeTree(dir, { '_skein_shard.json': JSON.stringify(record) });
  }
  if (!options.incomplete) await writeTree(dir, { _upload_complete: 'ok' });
  return dir;
}

export async function mtimeOf(path: string): Promise<number> {
  return (await stat(path)).mtimeMs / 1000;
}
