import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { LockKeeper } from '../../src/node/lock-keeper.ts';
import { mergeShards } from '../../src/reference/merge.ts';
import { readTree, reference, tempDir, writeSlice, writeTree } from '../helpers/shards.ts';

const HELD_MS = 600;

describe('a merge while another process holds the lock of the database', () => {
  it.for(['lets go', 'is killed'])(
    'waits for as long as the other has it, and goes on when it %s (S-09, M5, Q-19)',
    async (how) => {
      await using temp = await tempDir();
      const [shards, root] = [join(temp.dir, 'shards'), join(temp.dir, 'root')];
      await writeTree(join(root, 'shop'), reference('old'), 1_600_000_000);
      await writeSlice(shards, 'a-1-0', 'shop', reference('new'));
      const script = fileURLToPath(new URL('./merge-lock-child.ts', import.meta.url));
      const holder = spawn(process.execPath, [script, root, 'shop'], { stdio: ['pipe', 'pipe', 'inherit'] });
      await once(holder.stdout, 'data');

      await using keeper = new LockKeeper();
      const begin = performance.now();
      const merging = mergeShards({
        shardsDir: shards,
        referenceRoot: root,
        withLock: (database, work) => keeper.hold({ root, database, owner: 'fetch r1' }, work),
      });
      // Not a wait for something to happen: this is how long the other holds it.
      await delay(HELD_MS);
      expect(await readTree(join(root, 'shop'))).toEqual(reference('old'));
      if (how === 'is killed') holder.kill('SIGKILL');
      else holder.stdin.end();
      await merging;
      const waitedMs = performance.now() - begin;
      expect(await readTree(join(root, 'shop'))).toEqual(reference('new'));
      expect(waitedMs).toBeGreaterThanOrEqual(HELD_MS - 1);
      // Far below the stale time of a lock directory: the kernel lock is what excludes.
      expect(waitedMs).toBeLessThan(HELD_MS + 3_000);
    },
  );
});
