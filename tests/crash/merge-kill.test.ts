/**
 * SIGKILL at every call by which a merge changes something: the calls of one merge are counted, then it is run once per call
 * and killed as that call begins. What is left must be the old reference, the new one, or a folder without marker; then the
 * next fetch must end with the new one and no left-overs.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import pLimit from 'p-limit';
import { describe, expect, it } from 'vitest';

import { fetchRun, type FetchResult } from '../../src/head/fetch.ts';
import { LockKeeper } from '../../src/node/lock-keeper.ts';
import { localReference } from '../../src/reference/local-reference.ts';
import { uploadShard } from '../../src/reference/shard.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import { manifestOf, putRun, row } from '../helpers/rows.ts';
import { readTree, reference, tempDir, writeTree, type Tree } from '../helpers/shards.ts';
import { canTrace, threadsOf, trace, type Call } from '../helpers/strace.ts';

const CHILD = fileURLToPath(new URL('./merge-kill-child.ts', import.meta.url));
/** Calls that change what a folder or a file holds; whatever of them this machine's kernel has not is never made. */
const CHANGES = [
  ...['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'rmdir', 'mkdir', 'mkdirat', 'link', 'linkat'],
  ...['write', 'pwrite64', 'writev', 'pwritev', 'sendfile', 'copy_file_range', 'ftruncate', 'utimensat', 'openat'],
].map((name) => `?${name}`);

const OLD: Tree = reference('old', { 'models/gone/stale.yaml': 'stale' });
const NEW: Tree = reference('new', { 'models/fresh/more.yaml': 'more' });
const recordOf = (flavour: string, builtAtMs: number): object => ({
  version: 1,
  database: 'shop',
  input_fp: `fp-${flavour}`,
  encoder_id: 'rules',
  encoder_version: '1',
  is_paid: false,
  built_at_ms: builtAtMs,
});
const OLD_RECORD = recordOf('old', 1_600_000_000_000);
const NEW_RECORD = recordOf('new', 1_700_000_000_000);

async function putReference(root: string, tree: Tree, record: object, mtimeS: number): Promise<void> {
  await writeTree(join(root, 'shop'), tree, mtimeS);
  await writeTree(root, { '.skein/shop.json': JSON.stringify(record) });
}

class Ground {
  readonly dir: string;
  readonly store: ObjectStore;
  #roots = 0;

  private constructor(dir: string, store: ObjectStore) {
    this.dir = dir;
    this.store = store;
  }

  /** A run with one row and one shard, mirrored here; nothing merged yet. */
  static async make(dir: string): Promise<Ground> {
    const ground = new Ground(dir, await openStore(`file://${join(dir, 'store')}`));
    await putRun(ground.store, manifestOf(['shop_1']), [row('shop_1')]);
    const built = join(dir, 'built');
    await putReference(built, NEW, NEW_RECORD, 1_700_000_000);
    const shard = { store: ground.store, runId: 'r1', shard: 'h-1-0', database: 'shop', referenceRoot: built };
    await uploadShard(shard);
    await ground.fetch(undefined);
    return ground;
  }

  async fetch(referenceRoot: string | undefined): Promise<FetchResult> {
    await using keeper = new LockKeeper();
    return await fetchRun({
      store: this.store,
      runId: 'r1',
      outDir: join(this.dir, 'out'),
      referenceRoot,
      withLock: (database, work) => keeper.hold({ root: referenceRoot!, database, owner: 'fetch r1' }, work),
    });
  }

  /** A root with the old reference. */
  async root(): Promise<string> {
    const root = join(this.dir, `root-${(this.#roots += 1)}`);
    await putReference(root, OLD, OLD_RECORD, 1_600_000_000);
    return root;
  }

  /** A child that is about to merge into `root`. */
  async child(root: string): Promise<ChildProcess> {
    const shards = join(this.dir, 'out', 'r1', 'post_run', 'slayer_models_otf');
    const child = spawn(process.execPath, [CHILD, shards, root], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    });
    await once(child.stdout, 'data');
    return child;
  }
}

/** What a call does, without what differs from run to run: process ids, random parts, the number of a staged file. */
function gist({ name, text }: Call, root: string, pid: number): string {
  const path = text
    .slice(text.indexOf(root) + root.length + 1)
    .replace(/[">,].*$/, '')
    .replaceAll(String(pid), 'PID')
    .replace(/PID-[0-9a-f]{8}/, 'PID-x')
    .replace(/(\.merge-PID-\d+)\/\d+/, '$1/n');
  return `${name} ${path}`;
}

type State = 'old whole' | 'new whole' | 'no marker';

/** What stands in `root`, as a reader without the lock sees it. */
async function stateOf(root: string): Promise<State> {
  const all = await readTree(join(root, 'shop'));
  const tree = Object.fromEntries(Object.entries(all).filter(([path]) => !path.startsWith('.') && !path.endsWith('/')));
  const local = await localReference(root, 'shop');
  if (local === undefined) {
    expect(tree['_reference_fp.txt']).toBeUndefined();
    // Every file is of one build or the other, never half of one.
    for (const [path, text] of Object.entries(tree)) expect([OLD[path], NEW[path]]).toContain(text);
    return 'no marker';
  }
  const isNew = local.fingerprint === 'fp-new';
  expect(tree).toEqual(isNew ? NEW : OLD);
  expect(local.identity).toEqual(isNew ? NEW_RECORD : OLD_RECORD);
  return isNew ? 'new whole' : 'old whole';
}

/** Kills a merge as `planned` begins. What it was killed at, and what it left. */
async function killAt(ground: Ground, planned: Call): Promise<{ hit: string; state: State }> {
  const root = await ground.root();
  const child = await ground.child(root);
  const ended = once(child, 'exit');
  const ids = threadsOf(child);
  const inject = `inject=${planned.name}:signal=SIGKILL:when=${planned.nth}`;
  const thread = { [planned.thread]: ids[planned.thread] };
  const tracer = await trace(thread, [planned.name], `${root}.trace`, [inject]);
  child.stdin!.end('go\n');
  expect(await ended).toEqual([null, 'SIGKILL']);
  const last = (await tracer.calls()).at(-1)!;
  const state = await stateOf(root);

  const { mergeReport } = await ground.fetch(root);
  expect(mergeReport.merged_dbs).toMatchObject([{ outcome: state === 'new whole' ? 'unchanged' : 'updated' }]);
  expect(await readTree(join(root, 'shop'))).toEqual(NEW);
  expect(JSON.parse(await readFile(join(root, '.skein', 'shop.json'), 'utf8'))).toEqual(NEW_RECORD);
  expect((await readdir(root)).sort()).toEqual(['.skein', 'shop', 'shop.build.lock']);
  expect(await readdir(join(root, '.skein'))).toEqual(['shop.json']);
  return { hit: gist(last, root, child.pid!), state };
}

describe.skipIf(!canTrace())('a merge that is killed', () => {
  it('at any call that changes something leaves the old, the new or no marker, and the next fetch ends whole (H1, M3 marker, M-06, M-07, X-11, Q-23, Q-24)', async () => {
    await using temp = await tempDir();
    const ground = await Ground.make(temp.dir);
    await using _store = ground.store;

    const root = await ground.root();
    const child = await ground.child(root);
    const ended = once(child, 'exit');
    const tracer = await trace(threadsOf(child), CHANGES, `${root}.trace`);
    child.stdin!.end('go\n');
    expect(await ended).toEqual([0, null]);
    expect(await stateOf(root)).toBe('new whole');
    const planned = (await tracer.calls()).filter(
      ({ name, text }) =>
        text.includes(root) && (name !== 'openat' || text.includes('O_CREAT')) && !/ = -1 E/.test(text),
    );

    const limit = pLimit(2);
    const ends = await Promise.allSettled(planned.map((call) => limit(() => killAt(ground, call))));
    expect(ends.filter(({ status }) => status === 'rejected')).toEqual([]);
    const killed = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
    const hits = new Set(killed.map(({ hit }) => hit));
    expect(planned.map((call) => gist(call, root, child.pid!)).filter((each) => !hits.has(each))).toEqual([]);
    // Each kind of state was met, or the kills were not where they should be.
    const met = Object.groupBy(killed, ({ state }) => state);
    expect(Object.keys(met).sort()).toEqual(['new whole', 'no marker', 'old whole']);
    process.stdout.write(table(killed));
  });
});

function table(killed: readonly { hit: string; state: State }[]): string {
  const lines = ['killed at             kills  old whole  no marker  new whole  recovered'];
  const byName = Object.groupBy(killed, ({ hit }) => hit.split(' ')[0]!);
  for (const [name, kills = []] of [...Object.entries(byName), ['all', killed] as const]) {
    const count = (state: State): string => String(kills.filter((kill) => kill.state === state).length).padStart(9);
    const all = String(kills.length);
    const states = (['old whole', 'no marker', 'new whole'] as const).map(count).join('  ');
    lines.push(`${name.padEnd(20)}  ${all.padStart(5)}  ${states}  ${all.padStart(9)}`);
  }
  return `${lines.join('\n')}\n`;
}
