/**
 * SIGKILL of the whole command at every fail point, once, each followed by what a person would type next, and an end that
 * equals an undisturbed run: same rows, same references.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FAIL_POINTS } from '../../src/kernel/failpoint.ts';
import { localReference } from '../../src/reference/local-reference.ts';
import { EXAMPLE_DATASET, skein } from '../helpers/skein.ts';

const RUN = 'crash-run';

interface Roots {
  readonly dir: string;
  readonly args: readonly string[];
}

function roots(dir: string): Roots {
  return {
    dir,
    args: [
      ...['--store', `file://${join(dir, 'store')}`, '--out', join(dir, 'out')],
      ...['--reference-root', join(dir, 'references')],
    ],
  };
}

const submitArgs = ({ dir, args }: Roots): string[] => [
  ...['submit', '--dataset', EXAMPLE_DATASET, '--all', '--actors', '2', '--run-id', RUN, '--quiet'],
  ...['--cache-root', join(dir, 'cache'), ...args],
];

/** What may differ between two runs of the same tasks. */
const VOLATILE = new Set(['started_at', 'duration_s', 'timings_ms', 'node', 'variant_storage_path']);

interface Outcome {
  readonly rows: Readonly<Record<string, unknown>>;
  readonly references: Readonly<Record<string, string>>;
}

async function outcomeOf({ dir }: Roots): Promise<Outcome> {
  const rowsDir = join(dir, 'store', 'runs', RUN, 'rows');
  const rows: Record<string, unknown> = {};
  for (const entry of await readdir(rowsDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const row = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    rows[path.slice(rowsDir.length)] = Object.fromEntries(Object.entries(row).filter(([key]) => !VOLATILE.has(key)));
  }
  const references: Record<string, string> = {};
  const root = join(dir, 'references');
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.') || entry.name.endsWith('.lock')) continue;
    references[entry.name] = (await localReference(root, entry.name))?.order.digest ?? 'no marker';
  }
  return { rows, references };
}

describe('a command that is killed', () => {
  let base: string;
  let undisturbed: Outcome;

  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'skein-crash-'));
    const calm = roots(join(base, 'calm'));
    const { code, stderr } = await skein(submitArgs(calm));
    expect(code, stderr).toBe(0);
    undisturbed = await outcomeOf(calm);
    expect(Object.keys(undisturbed.rows).length).toBeGreaterThanOrEqual(18);
    expect(Object.values(undisturbed.references)).not.toContain('no marker');
  });

  afterAll(() => rm(base, { recursive: true, force: true }));

  it.concurrent.for(FAIL_POINTS)(
    'at %s goes on to the same rows and references (X-08, L-03)',
    async (point, { expect: its }) => {
      const disturbed = roots(join(base, point));
      // A merge has something to do only where the references are not there yet.
      const isMerge = point.startsWith('merge.');
      if (isMerge) {
        its((await skein(submitArgs(disturbed))).code).toBe(0);
        await rm(join(disturbed.dir, 'references'), { recursive: true, force: true });
      }
      const first = isMerge ? ['fetch', RUN, '--quiet', ...disturbed.args] : submitArgs(disturbed);
      const killed = await skein(first, { env: { SKEIN_FAILPOINT: point } });
      its(killed.signal, `${point} was reached`).toBe('SIGKILL');

      const hasManifest = existsSync(join(disturbed.dir, 'store', 'runs', RUN, 'manifest.json'));
      const again = isMerge
        ? first
        : hasManifest
          ? ['resume', RUN, '--actors', '2', '--quiet', ...disturbed.args]
          : submitArgs(disturbed);
      const { code, stderr } = await skein(again);
      its(code, stderr).toBe(0);
      its(await outcomeOf(disturbed)).toEqual(undisturbed);
    },
  );
});
