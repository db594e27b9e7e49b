/** A spool on a disk that is really full: a small tmpfs of its own mount namespace. */
import { execFile } from 'node:child_process';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const CHILD = fileURLToPath(new URL('full-disk-child.ts', import.meta.url));
const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', '/mnt']).status === 0;
if (!canMount) console.warn('full-disk.test.ts is skipped: no mount namespace can be made here (unshare -rm)');

interface Report {
  readonly made: number;
  readonly troubles: readonly string[];
  readonly refused: string;
  readonly onDisk: number | string;
  readonly rows: readonly string[];
}

describe.skipIf(!canMount)('a spool on a full disk', () => {
  it('says so, starts nothing, keeps every result, shows no part of one, and goes on when there is room', async () => {
    const folder = await temporaryFolder();
    const script = `mount -t tmpfs -o size=300k none ${folder} && exec ${process.execPath} ${CHILD} ${folder}`;
    const { stdout } = await promisify(execFile)('unshare', ['-rm', 'sh', '-c', script]);
    const report = JSON.parse(stdout) as Report;
    expect(report.troubles[0]).toMatch(/^disk full: /);
    expect(report.troubles.at(-1)).toBe('');
    expect(report.refused).toMatch(/no space is left/);
    expect(report.made).toBeGreaterThan(20);
    expect(report.onDisk).toSatisfy((count: number | string) => typeof count === 'string' || count < report.made);
    expect(report.rows).toEqual(
      Array.from({ length: report.made }, (_, index) => `shop_${index + 1} 5004 log ${index + 1}`),
    );
  });
});
