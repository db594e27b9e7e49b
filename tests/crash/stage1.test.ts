import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FAIL_POINTS } from '../../src/kernel/failpoint.ts';
import { cacheFingerprint, ensureCache, isCacheFresh } from '../../src/reference/stage1.ts';

const POINTS = FAIL_POINTS.filter((point) => point.startsWith('stage1.'));
const SHIPPED = fileURLToPath(new URL('../../examples/mini-interact', import.meta.url));
const CHILD = fileURLToPath(new URL('./stage1-child.ts', import.meta.url));
const database = 'ferries';

async function tree(dir: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files[path.slice(dir.length + 1)] = await readFile(path, 'utf8');
  }
  return files;
}

describe('a build of stage 1 that is killed', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'skein-stage1-crash-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it.for(POINTS.flatMap((point) => [[point, 'nothing'] as const, [point, 'a stale cache'] as const]))(
    'at %s over %s leaves the old, the new or no cache, and the next build ends as an undisturbed one (D-10, X-12)',
    async ([point, before]) => {
      const dataset = { dir: join(root, 'data') };
      await cp(SHIPPED, dataset.dir, { recursive: true });
      const cacheRoot = join(root, 'cache');
      const dir = join(cacheRoot, database);
      if (before === 'a stale cache') {
        await ensureCache({ dataset, database, cacheRoot });
        using open = new DatabaseSync(join(dataset.dir, database, `${database}.sqlite`));
        open.exec('UPDATE ports SET berthcount = berthcount + 1');
      }
      const old = await cacheFingerprint(dir);
      const undisturbed = await ensureCache({ dataset, database, cacheRoot: join(root, 'undisturbed') });
      const whole = await tree(undisturbed.dir);

      const child = spawn(process.execPath, [CHILD, dataset.dir, database, cacheRoot, point], { stdio: 'inherit' });
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
      expect(signal).toBe('SIGKILL');

      const isCommitted = point === 'stage1.after-commit';
      expect(await cacheFingerprint(dir)).toBe(isCommitted ? undisturbed.fingerprint : old);
      if (isCommitted) expect(await tree(dir)).toEqual(whole);
      expect(await isCacheFresh({ dataset, database, cacheRoot })).toBe(isCommitted);

      const { wasBuilt } = await ensureCache({ dataset, database, cacheRoot });
      expect(wasBuilt).toBe(!isCommitted);
      expect(await tree(dir)).toEqual(whole);
      expect((await readdir(cacheRoot)).filter((name) => name !== '.stage1.lock')).toEqual([database]);
    },
  );
});
