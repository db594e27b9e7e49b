/**
 * Everything dies at once: nodes, head and clients are killed, frozen and cut off for minutes while runs are submitted and
 * worked on. Nothing may be lost or doubled, and when the faults stop every run ends by itself.
 *
 * `SKEIN_SEED=n` repeats the faults of a run that printed `seed n`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { expect, it } from 'vitest';

import { Checker, reportText } from '../helpers/cluster/checker.ts';
import { Cluster } from '../helpers/cluster/cluster.ts';
import { accountFaults } from '../helpers/cluster/fault-times.ts';
import { Nemesis, planFaults, type PlanSizes } from '../helpers/cluster/nemesis.ts';
import { makeNoopDataset } from '../helpers/cluster/noop-dataset.ts';
import { seedOfRun, SeededRandom } from '../helpers/cluster/random.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const RUNS = 8;
const TASKS_A_RUN = 150;
const ACTORS_A_NODE = 6;
/** Longer than both keepalives (5 + 3 s) and `--lost-after` (3 s) together. */
const LONG_MS = 11_500;
/** From the last mended fault until every run is done. */
const LIVENESS_MS = 60_000;

const NODE_FAULTS: PlanSizes = {
  kills: 15,
  shortFreezes: 3,
  longFreezes: 1,
  shortCuts: 3,
  longCuts: 1,
  refusals: 3,
  longMs: LONG_MS,
};
const HEAD_FAULTS: PlanSizes = {
  kills: 17,
  shortFreezes: 3,
  longFreezes: 1,
  shortCuts: 0,
  longCuts: 0,
  refusals: 0,
  longMs: LONG_MS,
};

it('loses and doubles nothing while everything is killed, frozen and cut off (P-45)', async () => {
  const seed = seedOfRun();
  console.log(`nemesis: seed ${seed} (SKEIN_SEED=${seed} repeats its faults)`);
  const randomOf = (lane: number): SeededRandom => new SeededRandom(seed + 1_000_003 * lane);
  await using cluster = await Cluster.start(2, ACTORS_A_NODE, { lostAfterS: 3 });
  const lengths = randomOf(0);
  const dataset = await makeNoopDataset(join(cluster.dir, 'dataset'), {
    tasks: TASKS_A_RUN,
    ms: () => lengths.int(50, 1_800),
    // Some end their actor once.
    fields: (index) => (index % 25 === 7 ? { noop_dies: 1 } : {}),
  });
  const checker = new Checker(cluster.store);
  const nemesis = new Nemesis(checker);
  const stop = new AbortController();

  const looking = (async () => {
    while (!stop.signal.aborted) {
      await checker.look();
      await sleep(500);
    }
  })();
  const broken = looking.catch((error: unknown) => {
    stop.abort();
    throw error;
  });

  const clients = async (): Promise<void> => {
    const random = randomOf(9);
    for (let n = 0; n < RUNS && !stop.signal.aborted; n += 1) {
      const run = `r${n}`;
      const submit = [
        ...['submit', '--dataset', dataset.dir, '--all', '--framework', 'noop', '--query-mode', 'raw'],
        ...['--run-id', run, '--retry-lost', '50', '--detach', '--quiet'],
      ];
      // A submit that is killed and typed again is one run.
      await nemesis.killClient(cluster, submit, random.int(50, 700));
      await waitUntil(`${run} is acknowledged`, async () => (await cluster.cli(submit).ended).code === 0, 60_000);
      checker.acknowledged(run, dataset.ids);
      await nemesis.killClient(cluster, ['fetch', run, '--out', join(cluster.dir, 'killed')], random.int(200, 900));
      // The next one when half of all is done: there is always work, and never much of it.
      const isHalfDone = (): boolean => stop.signal.aborted || 2 * checker.progress.rows >= checker.progress.of;
      await waitUntil('half of the rows are there', isHalfDone, 120_000, 100);
    }
  };

  try {
    const [n1, n2] = [await cluster.node('n1'), await cluster.node('n2')];
    const calm = (lane: number) => {
      const random = randomOf(100 + lane);
      return () => random.int(700, 3_500);
    };
    await Promise.race([
      Promise.all([
        nemesis.lane(n1, planFaults(randomOf(1), NODE_FAULTS), calm(1), stop.signal),
        nemesis.lane(n2, planFaults(randomOf(2), NODE_FAULTS), calm(2), stop.signal),
        nemesis.lane(cluster.head, planFaults(randomOf(3), HEAD_FAULTS), calm(3), stop.signal),
        clients(),
      ]),
      broken,
    ]);
    await Promise.race([waitUntil('every run is done after the faults', () => checker.isAllDone, LIVENESS_MS), broken]);
  } catch (error) {
    console.log(JSON.stringify(checker.progress), await cluster.recent());
    throw error;
  } finally {
    stop.abort();
    await looking.catch(() => {});
  }

  for (let n = 0; n < RUNS; n += 1) {
    await cluster.run(['wait', `r${n}`, '--quiet']);
    await cluster.run(['fetch', `r${n}`, '--out', join(cluster.dir, 'out'), '--quiet']);
  }
  await accountFaults(cluster, checker, await dataset.records());
  const report = await checker.report(await dataset.records(), await cluster.headLog());
  console.log(reportText(`nemesis, seed ${seed}, ${checker.looks} looks`, report));
  for (const name of report.unexplained.slice(0, 2)) {
    const [, run = '', id = ''] = /^(.*)\/(.*)#/.exec(name) ?? [];
    const records = (await dataset.records()).filter((each) => each.run_id === run && each.instance_id === id);
    const when = records.map(
      ({ what, attempt, pid, at_ms }) => `${new Date(at_ms).toISOString()} ${what} #${attempt} ${pid}`,
    );
    console.log(`${name}\n${when.join('\n')}\n${await cluster.traceOf(run, id)}`);
  }
  expect(report).toMatchObject({ lost: [], unexpected: [], doubled: [], unexplained: [], synthetic: 0 });
  expect(report.rows).toBe(RUNS * TASKS_A_RUN);
  using results = new DatabaseSync(join(cluster.dir, 'out', 'results.db'), { readOnly: true });
  const { n, ids } = results
    .prepare('SELECT count(*) AS n, count(DISTINCT run_id || instance_id) AS ids FROM task_results')
    .get() as { n: number; ids: number };
  expect([n, ids]).toEqual([report.submitted, report.submitted]);
  const of = (kind: RegExp) => checker.faults.filter((fault) => kind.test(fault.kind)).length;
  expect(of(/SIGKILL/)).toBeGreaterThanOrEqual(50);
  expect(of(/partition/)).toBeGreaterThanOrEqual(10);
  expect(of(/SIGSTOP/)).toBeGreaterThanOrEqual(10);
});
