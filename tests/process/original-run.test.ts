/** The commands on a run that the original left in a bucket, and on a reference that it built. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

import { openDirectoryStore } from '../../src/store/directory.ts';
import { EXAMPLE, type CliEnd } from '../helpers/cli.ts';
import { runCliHere } from '../helpers/command-line.ts';
import {
  ORIGINAL_RUN,
  originalErrorRow,
  originalReference,
  originalRow,
  originalStatus,
  putOriginalRun,
  type OriginalRun,
} from '../helpers/original-run.ts';
import { queryResults } from '../helpers/results.ts';
import { readTree, writeTree } from '../helpers/shards.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const IDS = ['beehives_1', 'beehives_2', 'ferries_1'];

class Place {
  readonly cwd: string;

  constructor(cwd: string) {
    this.cwd = cwd;
  }

  static async with(run: OriginalRun): Promise<Place> {
    const place = new Place(await temporaryFolder());
    await using store = await openDirectoryStore(pathToFileURL(join(place.cwd, 'bucket')).href);
    await putOriginalRun(store, { ids: IDS, ...run });
    return place;
  }

  type(command: string, ...args: string[]): Promise<CliEnd> {
    const store = pathToFileURL(join(this.cwd, 'bucket')).href;
    return runCliHere([command, ...args, '--store', store], { cwd: this.cwd });
  }

  path(...parts: string[]): string {
    return join(this.cwd, ...parts);
  }
}

const ROWS = {
  'beehives_1/attempt-1.json': originalRow('beehives_1', 'beehives'),
  'ferries_1/attempt-1.json': originalErrorRow('ferries_1', 'actor-lost'),
};

describe('a run that the original left', () => {
  it('is listed, waited for, shown and fetched by the commands as they are (L-16, L-17, L-07)', async () => {
    const all = { ...ROWS, 'beehives_2/attempt-1.json': originalRow('beehives_2', 'beehives') };
    const place = await Place.with({ rows: all, status: originalStatus(3, 3) });
    const list = await place.type('list');
    expect(list.stdout).toContain('pydantic_ai_otf_encode/slayer/a-interact');
    expect(list.stdout).toMatch(/ done +3\/3 /);
    const waited = await place.type('wait', ORIGINAL_RUN, '--poll', '0', '--json');
    expect(waited.code).toBe(1);
    expect(JSON.parse(waited.stdout)).toMatchObject({ exit_reason: 'done', counts: { ok: 2, errors: 1 } });
    const logs = await place.type('logs', ORIGINAL_RUN, 'beehives_1');
    expect(logs.stdout).toContain('log of beehives_1/attempt-1.json');
    const fetched = await place.type('fetch', ORIGINAL_RUN, '--json');
    expect(fetched.code).toBe(1);
    const { paths } = JSON.parse(fetched.stdout) as { paths: { results_db: string } };
    expect(queryResults(paths.results_db, 'SELECT count(*) AS n FROM task_results')).toEqual([{ n: 3 }]);
  });

  it('goes on here with what has no row, from a dataset that is named; its manifest stays as it was (L-16)', async () => {
    const place = await Place.with({ rows: ROWS, status: originalStatus(2, 3, { terminal_state: null }) });
    const manifestPath = place.path('bucket', 'runs', ORIGINAL_RUN, 'manifest.json');
    const before = await readFile(manifestPath, 'utf8');
    const without = await place.type('resume', ORIGINAL_RUN);
    expect(without.code).toBe(2);
    expect(without.stderr).toContain('give --dataset DIR');
    const end = await place.type('resume', ORIGINAL_RUN, '--dataset', EXAMPLE, '--actors', '1', '--json');
    expect(end.stderr).toContain('1 of 3 ids have no row');
    expect(JSON.parse(end.stdout)).toMatchObject({
      counts: { expected: 3, done: 3, ok: 2, errors: 1 },
      exit_reason: 'errors',
      databases: [{ database: 'beehives', tasks: 2 }, { database: 'ferries' }],
    });
    expect(await readFile(manifestPath, 'utf8')).toBe(before);
    const results = queryResults(
      place.path('skein-data', 'out', 'results.db'),
      'SELECT instance_id, framework, database, user_query IS NULL AS theirs FROM task_results ORDER BY rowid',
    );
    expect(results).toEqual([
      { instance_id: 'beehives_1', framework: 'pydantic_ai_otf_encode', database: 'beehives', theirs: 1 },
      { instance_id: 'beehives_2', framework: 'pydantic_ai_otf_encode', database: 'beehives', theirs: 0 },
      // Its row names no database; the dataset does.
      { instance_id: 'ferries_1', framework: 'pydantic_ai_otf_encode', database: 'ferries', theirs: 1 },
    ]);
  });

  it('of a framework, a mode or an audit that only the original has is refused with the field, and nothing is made', async () => {
    for (const [manifest, says] of [
      [
        { framework: 'claude_sdk', slayer_setup: 'pre-encoded' },
        `run ${ORIGINAL_RUN}: framework: claude_sdk is not offered`,
      ],
      [{ mode: 'one-shot' }, `run ${ORIGINAL_RUN}: mode: one-shot`],
      [{ use_audited_gold_sql: true }, '--audited-gold'],
    ] as const) {
      const place = await Place.with({ rows: ROWS, manifest });
      const before = Object.keys(await readTree(place.cwd)).toSorted();
      const end = await place.type('resume', ORIGINAL_RUN, '--dataset', EXAMPLE);
      expect(end.code, end.stderr).toBe(2);
      expect(end.stderr).toContain(says);
      expect(end.stderr.trimEnd()).not.toContain('\n');
      expect(Object.keys(await readTree(place.cwd)).toSorted()).toEqual(before);
      // It is fetched all the same.
      expect((await place.type('fetch', ORIGINAL_RUN, '--quiet')).code).toBe(3);
    }
  });
});

describe('a reference that the original built', () => {
  it('ends a submit with the flag that takes it; taken, it is used as it is (S-02)', async () => {
    const cwd = await temporaryFolder();
    const references = join(cwd, 'skein-data', 'slayer_models_otf');
    const theirs = originalReference('beehives', 'theirs');
    await writeTree(join(references, 'beehives'), theirs);
    const args = ['submit', '--dataset', EXAMPLE, '--instance-ids', 'beehives_1', '--run-id', 'r1', '--actors', '1'];
    const refused = await runCliHere(args, { cwd });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/beehives is of unknown make \(encoder unknown\).*--accept-reference/);
    expect(Object.keys(await readTree(cwd)).filter((path) => path.includes('.skein/'))).toEqual([]);
    const taken = await runCliHere([...args, '--accept-reference', '--json'], { cwd });
    expect(taken.code, taken.stderr).toBe(0);
    expect(JSON.parse(taken.stdout)).toMatchObject({ databases: [{ database: 'beehives', reused: true, encoded: 0 }] });
    const { '_source_mtimes.json': _times, ...after } = await readTree(join(references, 'beehives'));
    expect(after).toEqual(theirs);
    // Once taken it needs no flag.
    const again = await runCliHere([...args.slice(0, 5), '--run-id', 'r2'], { cwd });
    expect(again.code, again.stderr).toBe(0);
    await rm(cwd, { recursive: true });
  });
});
