/** `submit --audited-gold`: what is scored by, here and on a node of a cluster, and what the run says of it. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

import { auditedGoldDigest, uploadAuditedGold } from '../../src/run/audited-gold-object.ts';
import { Head } from '../../src/head/head.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { openDirectoryStore } from '../../src/store/directory.ts';
import { HeadClient } from '../../src/wire/head-client.ts';
import { EXAMPLE } from '../helpers/cli.ts';
import { submitToStore } from '../helpers/cluster-run.ts';
import { runCliHere } from '../helpers/command-line.ts';
import { startDataDirNode } from '../helpers/data-dir-node.ts';
import { queryResults } from '../helpers/results.ts';
import { readTree, writeTree } from '../helpers/shards.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const IDS = ['beehives_1', 'beehives_2', 'ferries_1'];
const ORACLE = ['submit', '--dataset', EXAMPLE, '--mode', 'oracle', '--instance-ids', IDS.join(','), '--actors', '1'];
const EDITED = 'SELECT count(*) FROM hives';
const LINES =
  `${JSON.stringify({ instance_id: 'beehives_1', status: 'edited', sol_sql: EDITED })}\n` +
  `${JSON.stringify({ instance_id: 'beehives_2', status: 'clean', sol_sql: [] })}\n`;

describe('submit --audited-gold', () => {
  it('scores by the audited gold SQL, records the verdict by the original, and says what was replaced (W-15, 3C-08)', async () => {
    const cwd = await temporaryFolder();
    await writeTree(join(cwd, 'gold'), { 'beehives.jsonl': LINES });
    const end = await runCliHere([...ORACLE, '--audited-gold', 'gold', '--run-id', 'r1', '--json'], { cwd });
    expect(end.code, end.stderr).toBe(0);
    expect(end.stderr).toContain('audited gold: 1 task edited, 0 unrecoverable, 1 clean, 1 not audited');
    const results = queryResults(
      join(cwd, 'skein-data/out/results.db'),
      'SELECT instance_id, phase1_passed, ground_truth_sql, phase1_passed_audited, phase1_passed_original, phase1_observation_original FROM task_results ORDER BY rowid',
    );
    // Oracle submits the audited gold SQL, which is wrong by the original.
    expect(results).toMatchObject([
      {
        instance_id: 'beehives_1',
        phase1_passed: 1,
        ground_truth_sql: EDITED,
        phase1_passed_audited: 1,
        phase1_passed_original: 0,
      },
      { instance_id: 'beehives_2', phase1_passed: 1, phase1_passed_audited: 1, phase1_passed_original: 1 },
      { instance_id: 'ferries_1', phase1_passed: 1, phase1_passed_audited: 1, phase1_passed_original: 1 },
    ]);
    expect(
      queryResults(join(cwd, 'skein-data/out/results.db'), 'SELECT use_audited_gold_sql FROM run_metadata'),
    ).toEqual([{ use_audited_gold_sql: 1 }]);
    const run = join(cwd, 'skein-data/store/runs/r1');
    const log = JSON.parse(await readFile(join(run, 'audited_gold_overlay.json'), 'utf8')) as { digest: string };
    expect(log).toMatchObject({ counts: { edited: 1, clean: 1, absent: 1 }, replaced: { beehives_1: 'edited' } });
    expect(JSON.parse(await readFile(join(run, 'manifest.json'), 'utf8'))).toMatchObject({
      use_audited_gold_sql: true,
      audited_gold: log.digest,
    });
    // Another audit is another run.
    await writeTree(join(cwd, 'gold'), { 'beehives.jsonl': LINES.replace('count(*)', 'max(hivetag)') });
    const other = await runCliHere([...ORACLE, '--audited-gold', 'gold', '--run-id', 'r1'], { cwd });
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('audited_gold is');
  });

  it('with a bad line ends in one line with file, line and value, and nothing is made (W-15)', async () => {
    const cwd = await temporaryFolder();
    await writeTree(join(cwd, 'gold'), { 'beehives.jsonl': `${LINES}{"instance_id": "beehives_3", "status": "ok"}\n` });
    const end = await runCliHere([...ORACLE, '--audited-gold', 'gold'], { cwd });
    expect(end.code).toBe(2);
    expect(end.stderr).toMatch(/^skein: .*gold\/beehives\.jsonl line 3: status: "ok" is none of [^\n]*\n$/);
    expect(Object.keys(await readTree(cwd))).toEqual(['gold/beehives.jsonl']);
  });

  it('reaches a node of a cluster through the store; one whose audit is not there runs nothing by the raw SQL (W-15)', async () => {
    const dir = await temporaryFolder();
    await using store = await openDirectoryStore(pathToFileURL(join(dir, 'bucket')).href);
    const run = { datasetDir: EXAMPLE, cacheRoot: join(dir, 'cache'), ids: IDS };
    const settings = { framework: 'oracle', mode: 'oracle', query_mode: 'raw', use_audited_gold_sql: true } as const;
    const audited_gold = auditedGoldDigest(LINES);
    await uploadAuditedGold(store, LINES);
    await submitToStore(store, { ...run, runId: 'r1', settings: { ...settings, audited_gold } });
    await submitToStore(store, { ...run, runId: 'r2', settings: { ...settings, audited_gold: '0'.repeat(32) } });
    const security = { token: 'secret' };
    const log = createLogger();
    await using head = await Head.start({ store, security, log, kind: 'daemon', headId: 'h', bootId: randomUUID() });
    await using _node = await startDataDirNode({
      ...{ name: 'one', dataDir: join(dir, 'one'), address: head.address, security, store },
      logPath: join(dir, 'one.log'),
    });
    using client = new HeadClient(head.address, security);
    await client.startRun('r1', 0);
    for await (const _progress of client.watchRun('r1'));
    const row = async (id: string): Promise<unknown> =>
      JSON.parse((await store.read(`runs/r1/rows/${id}/attempt-1.json`))?.bytes.toString() ?? 'null');
    expect(await row('beehives_1')).toMatchObject({ ground_truth_sql: EDITED, phase1_passed_original: false });
    expect(await row('ferries_1')).toMatchObject({ phase1_passed_audited: true, phase1_passed_original: true });
    await client.startRun('r2', 0);
    await expect.poll(() => readFile(join(dir, 'one.log'), 'utf8'), { timeout: 10_000 }).toContain('audited gold SQL');
    const rows = (await store.list('runs/r2/rows/')).objects;
    for (const { name } of rows) {
      expect(JSON.parse((await store.read(name))?.bytes.toString() ?? '{}')).toMatchObject({ phase1_passed: false });
    }
  });
});
