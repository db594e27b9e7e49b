import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { openDaemonLog } from '../../../src/daemon/rotating-log.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const MAX_BYTES = 2_000;

describe('the log of a daemon', () => {
  it('is turned over by size, keeps five files, loses no line of those, and every line is JSON', async () => {
    const dir = join(await temporaryFolder(), 'log');
    const log = openDaemonLog(dir, MAX_BYTES).child({ node: 'n1' });
    for (let count = 0; count < 200; count += 1) log.info({ count }, 'an event');
    const files = ['daemon.log.4', 'daemon.log.3', 'daemon.log.2', 'daemon.log.1', 'daemon.log'];
    expect((await readdir(dir)).sort()).toEqual(files.toSorted());
    const lines = (await Promise.all(files.map((name) => readFile(join(dir, name), 'utf8'))))
      .join('')
      .trim()
      .split('\n');
    const counts = lines.map((line) => (JSON.parse(line) as { count: number; node: string }).count);
    const first = counts[0] ?? 0;
    expect(first).toBeGreaterThan(0);
    expect(counts).toEqual(Array.from({ length: 200 - first }, (_, at) => first + at));
    for (const name of files) expect((await stat(join(dir, name))).size).toBeLessThan(MAX_BYTES + 200);
  });

  it('goes on in the file that an earlier daemon left', async () => {
    const dir = await temporaryFolder();
    openDaemonLog(dir).info('first');
    openDaemonLog(dir).info('second');
    expect((await readFile(join(dir, 'daemon.log'), 'utf8')).trim().split('\n')).toHaveLength(2);
  });
});
