/** A run of noop tasks on a cluster, watched by the checker from the moment it was acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';

import { expect } from 'vitest';

import type { NoopRecord } from '../../../src/frameworks/noop.ts';
import { waitUntil } from '../wait-until.ts';
import { Checker, type Report } from './checker.ts';
import type { Cluster } from './cluster.ts';
import { makeNoopDataset, type NoopDataset, type NoopDatasetOptions } from './noop-dataset.ts';

export interface NoopRunOptions extends NoopDatasetOptions {
  /** Default `r1`. */
  readonly runId?: string;
  /** More flags of `submit`: `--retry-lost 3` … */
  readonly flags?: readonly string[];
}

export class NoopRun {
  readonly runId: string;
  readonly dataset: NoopDataset;
  readonly checker: Checker;
  readonly #cluster: Cluster;

  private constructor(cluster: Cluster, runId: string, dataset: NoopDataset, checker: Checker) {
    this.#cluster = cluster;
    this.runId = runId;
    this.dataset = dataset;
    this.checker = checker;
  }

  /** Submits and returns as soon as the head has taken it on. */
  static async submit(cluster: Cluster, { runId = 'r1', flags = [], ...options }: NoopRunOptions): Promise<NoopRun> {
    const dataset = await makeNoopDataset(join(cluster.dir, `dataset-${runId}`), options);
    const checker = new Checker(cluster.store);
    await cluster.run(submitArgs(dataset, runId, flags));
    checker.acknowledged(runId, dataset.ids);
    return new NoopRun(cluster, runId, dataset, checker);
  }

  /** Starts that the tasks wrote down. */
  async starts(): Promise<NoopRecord[]> {
    return (await this.dataset.records()).filter(({ what }) => what === 'start');
  }

  /** Waits for `count` starts, all nodes together. */
  async started(count: number, deadlineMs = 20_000): Promise<void> {
    await this.until(`${count} tasks have started`, async () => (await this.starts()).length >= count, deadlineMs);
  }

  /** As `waitUntil`, with the checker looking all the while, and what the processes wrote in the failure's text. */
  async until(what: string, condition: () => boolean | Promise<boolean>, deadlineMs = 30_000): Promise<void> {
    const done = new AbortController();
    const looking = (async () => {
      while (!done.signal.aborted) {
        await this.checker.look();
        await sleep(200);
      }
    })();
    // What is unsafe ends the wait at once.
    const unsafe = looking.then(() => new Promise<never>(() => {}));
    try {
      await Promise.race([waitUntil(what, condition, deadlineMs, 20), unsafe]);
    } catch (error) {
      throw new Error(`${String(error)}\n${this.#cluster.diary()}`, { cause: error });
    } finally {
      done.abort();
      await looking.catch(() => {});
    }
  }

  /** Waits for the run's end, and accounts for all of it: nothing lost, unexpected or doubled. */
  async end(deadlineMs = 30_000): Promise<Report> {
    await this.until(`${this.runId} is done`, () => this.checker.isAllDone, deadlineMs);
    const report = await this.checker.report(await this.dataset.records(), await this.#cluster.headLog());
    expect(report, JSON.stringify(report)).toMatchObject({ lost: [], unexpected: [], doubled: [], unexplained: [] });
    expect(report.rows).toBe(this.dataset.ids.length);
    return report;
  }
}

export const submitArgs = (dataset: NoopDataset, runId: string, flags: readonly string[] = []): string[] => [
  ...['submit', '--dataset', dataset.dir, '--all', '--framework', 'noop', '--query-mode', 'raw'],
  ...['--run-id', runId, '--detach', '--quiet', ...flags],
];
