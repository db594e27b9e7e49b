import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { FAIL_POINTS } from '../../src/kernel/failpoint.ts';
import { mergeShards } from '../../src/reference/merge.ts';
import { readTree, reference, tempDir, writeSlice, writeTree, type Tree } from '../helpers/shards.ts';

const POINTS = FAIL_POINTS.filter((point) => point.startsWith('merge.'));

function start(script: string, ...args: string[]): ChildProcess {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}

describe('a merge that is killed', () => {
  it.for(POINTS)(
    'at %s leaves the old, the new or an unmarked folder, and the next merge ends whole (M-06, X-11, H1, Q-23, Q-24)',
    async (point) => {
      await using temp = await tempDir();
      const [shards, root] = [join(temp.dir, 'shards'), join(temp.dir, 'root')];
      await writeTree(join(root, 'shop'), reference('old', { 'models/shop/stale.yaml': 'stale' }), 1_600_000_000);
      const identity = { encoder_id: 'rules', is_paid: false, built_at_ms: 1_700_000_000_250 };
      await writeTree(root, { '.skein/shop.json': JSON.stringify({ ...identity, built_at_ms: 1_600_000_000_000 }) });
      await writeSlice(shards, 'a-1-0', 'shop', reference('new'), { record: { identity } });

      const child = start('./merge-child.ts', shards, root, point);
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
      expect(signal).toBe('SIGKILL');
      const left = await readTree(join(root, 'shop'));
      if (point === 'merge.after-marker') expect(left).toEqual(reference('new'));
      else expect(left['_reference_fp.txt']).toBeUndefined();

      const withLock = <T>(_database: string, work: () => Promise<T>): Promise<T> => work();
      const report = await mergeShards({ shardsDir: shards, referenceRoot: root, withLock });
      expect(report.merged_dbs).toMatchObject([{ outcome: point === 'merge.after-marker' ? 'unchanged' : 'updated' }]);
      expect(await readTree(join(root, 'shop'))).toEqual(reference('new'));
      expect(JSON.parse((await readTree(root))['.skein/shop.json'] ?? '')).toEqual(identity);
    },
  );
});

const FILES = 5;
const MERGES = 200;

/** Files that all say to which build they belong. */
function build(number: number): Tree {
  const files = Array.from({ length: FILES - 1 }, (_, file) => [
    `models/shop/f${file}.yaml`,
    `build-${number} file ${file}`,
  ]);
  return { ...(Object.fromEntries(files) as Tree), '_reference_fp.txt': `build-${number}` };
}

describe('readers without the lock', () => {
  it('never see a marker over mixed content while 200 merges replace one build by the next, some of which die (H1, M3 marker, M-06, R-05, U-04)', async () => {
    await using temp = await tempDir();
    const [shards, root] = [join(temp.dir, 'shards'), join(temp.dir, 'root')];
    await writeTree(join(root, 'shop'), build(0), 1_600_000_000);
    const reader = start('./merge-reader.ts', join(root, 'shop'), String(FILES));
    const said = text(reader.stdout!);
    const withLock = <T>(_database: string, work: () => Promise<T>): Promise<T> => work();
    for (let number = 1; number <= MERGES; number += 1) {
      await rm(shards, { recursive: true, force: true });
      await writeSlice(shards, 'a-1-0', 'shop', build(number), { mtimeS: 1_700_000_000 + number });
      const point = POINTS[(number / 25) % POINTS.length];
      if (number % 25 === 0) await once(start('./merge-child.ts', shards, root, point!), 'exit');
      await mergeShards({ shardsDir: shards, referenceRoot: root, withLock });
    }
    reader.stdin!.end();
    const counts = JSON.parse(await said) as { whole: number; absent: number; changed: number; mixed: string[] };
    expect(counts.mixed).toEqual([]);
    // The reader was there while it happened: it saw both whole references and folders in the making.
    expect(counts.whole).toBeGreaterThan(MERGES / 4);
    expect(counts.absent + counts.changed).toBeGreaterThan(0);
    process.stdout.write(
      `${MERGES} merges: read whole ${counts.whole} times, absent ${counts.absent}, changing ${counts.changed}, mixed 0\n`,
    );
  });
});
