/** What is left of a running task when its node dies: in the bucket at once, and on the disk for who starts there next. */
import { expect, it } from 'vitest';

import { partialTranscriptName, rowName, sessionPrefix } from '../../src/store/layout.ts';
import { Cluster } from '../helpers/cluster/cluster.ts';
import { NoopRun } from '../helpers/cluster/noop-run.ts';

const EVERY_MS = 1_000;
/** What a pass, a busy machine and a clock may add to the interval. */
const SLACK_MS = 2_000;

interface Message {
  readonly message: number;
  readonly at_ms: number;
}

async function messages(cluster: Cluster, name: string): Promise<Message[]> {
  const text = (await cluster.store.read(name))?.bytes.toString() ?? '';
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Message);
}

/** Tasks that talk and hold state for as long as a test lasts. */
async function submit(cluster: Cluster, flags: readonly string[] = []): Promise<NoopRun> {
  const run = await NoopRun.submit(cluster, {
    ...{ tasks: 2, databases: 1, ms: () => 3_600_000 },
    fields: () => ({ noop_message_ms: 20, noop_scratch_bytes: 10_000 }),
    flags: ['--snapshot-every', String(EVERY_MS / 1000), '--retry-lost', '0', ...flags],
  });
  for (const id of run.dataset.ids) {
    // The first message goes at once; more than it says that an interval is over.
    const name = partialTranscriptName(run.runId, id);
    await run.until(`two snapshots of ${id}`, async () => (await messages(cluster, name)).length > 1);
  }
  return run;
}

async function lostRow(cluster: Cluster, run: NoopRun, id: string): Promise<Record<string, number | string>> {
  const bytes = (await cluster.store.read(rowName(run.runId, id, 1)))!.bytes;
  const row = JSON.parse(bytes.toString()) as { error: string; synthetic: Record<string, number | string> };
  expect(row.error).toBe('actor-lost');
  return row.synthetic;
}

it('a node that is killed costs the bucket one interval of its tasks, and its next life ships the rest (P-06, V-02, X-04)', async () => {
  await using cluster = await Cluster.start(1, 2, { lostAfterS: 300 });
  const run = await submit(cluster);
  const node = await cluster.node('n1');
  await node.kill();
  const killedMs = Date.now();
  for (const id of run.dataset.ids) {
    const kept = await messages(cluster, partialTranscriptName(run.runId, id));
    expect(killedMs - kept.at(-1)!.at_ms, id).toBeLessThan(EVERY_MS + SLACK_MS);
    expect(await cluster.store.stat(`${sessionPrefix(run.runId, id, 1)}state.bin`)).toMatchObject({
      sizeBytes: 10_000,
    });
  }
  await node.start();
  await run.end();
  for (const id of run.dataset.ids) {
    const synthetic = await lostRow(cluster, run, id);
    expect(1000 * (synthetic['last_snapshot_at'] as number)).toBeLessThanOrEqual(killedMs);
    expect(synthetic['lost_s']).toBeGreaterThanOrEqual(0);
    // Down to what it said right before it died, beside the rows too: nobody else has started the task.
    const name = `${sessionPrefix(run.runId, id, 1)}partial_transcript.jsonl`;
    await run.until('the rest is there', async () => {
      const all = await messages(cluster, name);
      return killedMs - all.at(-1)!.at_ms < 500;
    });
    const whole = await messages(cluster, name);
    expect(whole.map(({ message }) => message)).toEqual(whole.map((_, at) => at + 1));
    await run.until('beside the rows too', async () => {
      return (await messages(cluster, partialTranscriptName(run.runId, id))).length === whole.length;
    });
  }
});

it('of a node that never comes back the bucket keeps the last snapshots, and the row says of when they are (P-06, X-04)', async () => {
  await using cluster = await Cluster.start(1, 2, { lostAfterS: 2 });
  const run = await submit(cluster);
  const node = await cluster.node('n1');
  await node.kill();
  const killedMs = Date.now();
  await run.end();
  for (const id of run.dataset.ids) {
    const synthetic = await lostRow(cluster, run, id);
    const lastMs = 1000 * (synthetic['last_snapshot_at'] as number);
    expect(lastMs).toBeLessThanOrEqual(killedMs);
    expect(killedMs - lastMs).toBeLessThan(EVERY_MS + SLACK_MS);
    // Nobody knows when it died: at most from then until it was given up.
    expect(1000 * (synthetic['lost_s'] as number)).toBeGreaterThanOrEqual(killedMs - lastMs - SLACK_MS);
  }
});
