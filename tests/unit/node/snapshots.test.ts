/** When a running task's scratch goes to the store. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { createLogger } from '../../../src/kernel/log.ts';
import { LogSlice } from '../../../src/node/log-slice.ts';
import { Shipper } from '../../../src/node/shipper.ts';
import { Snapshots, type AttemptSnapshots } from '../../../src/node/snapshots.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { namesIn } from '../../helpers/store-fixtures.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const BUNDLE = 'runs/r1/sessions/shop_1/attempt-1/';
const TRANSCRIPT = 'runs/r1/rows/shop_1/partial_transcript.jsonl';
/** Longer than any test. */
const NEVER_MS = 3_600_000;

interface Scene {
  readonly path: string;
  readonly snapshots: Snapshots;
  readonly attempt: AttemptSnapshots;
  readonly plan: FaultPlan;
  readonly shipper: Shipper;
  readonly names: () => Promise<string[]>;
  readonly transcript: () => Promise<string | undefined>;
}

async function scene(everyMs: number, plan = new FaultPlan()): Promise<Scene> {
  const scratchDir = join(await temporaryFolder(), 'scratch');
  await mkdir(scratchDir);
  const memory = createMemoryStore();
  const store = withFaults(memory, plan);
  const shipper = new Shipper({ store, runId: 'r1', log: createLogger() });
  const snapshots = new Snapshots({ store, runId: 'r1', shipper, everyMs });
  return {
    ...{ plan, shipper, snapshots, path: join(scratchDir, 'partial_transcript.jsonl') },
    attempt: snapshots.begin({ instanceId: 'shop_1', attempt: 1, scratchDir }),
    names: () => namesIn(memory, ''),
    transcript: async () => (await memory.read(TRANSCRIPT))?.bytes.toString(),
  };
}

test('the first message of a transcript goes at once, those after it with the interval, the last ones with the end (V-02)', async () => {
  const { path, snapshots, attempt, transcript } = await scene(NEVER_MS);
  await writeFile(path, '"one"\n');
  snapshots.transcriptBegun('shop_1');
  await waitUntil('the first message is there', async () => (await transcript()) === '"one"\n');
  await appendFile(path, '"two"\n');
  expect(await transcript()).toBe('"one"\n');
  await attempt.finish(false);
  expect(await transcript()).toBe('"one"\n"two"\n');
});

test('what a task writes goes at every interval, without a word of the task (V-02, P-06)', async () => {
  const { path, attempt, transcript, names } = await scene(40);
  await writeFile(path, '"one"\n');
  await waitUntil('the first snapshot', async () => (await transcript()) === '"one"\n');
  await appendFile(path, '"two"\n');
  await writeFile(join(path, '..', 'state.db'), 'state');
  const writtenMs = Date.now();
  await waitUntil('the next snapshot', async () => (await names()).includes(`${BUNDLE}state.db`));
  expect(await transcript()).toBe('"one"\n"two"\n');
  await waitUntil('a pass that found nothing new', () => (attempt.lastMs ?? 0) > writtenMs);
  attempt.stop();
});

test('an upload that failed is counted and tried again long before the interval is over (V-02, P-33)', async () => {
  const refused = new FaultPlan({ fault: { kind: 'refuse' }, on: 'create', name: TRANSCRIPT, count: 2 });
  const { path, snapshots, attempt, shipper, transcript } = await scene(NEVER_MS, refused);
  await writeFile(path, '"one"\n');
  snapshots.transcriptBegun('shop_1');
  await waitUntil('the transcript is there', async () => (await transcript()) === '"one"\n', 10_000);
  attempt.stop();
  expect(shipper.failures['snapshot']).toBeGreaterThanOrEqual(1);
});

test('a task that ends within the interval costs the store nothing but its bundle', async () => {
  const noting = new FaultPlan({ fault: { kind: 'delay', delayMs: 0 } });
  const { path, attempt, plan } = await scene(NEVER_MS, noting);
  await writeFile(join(path, '..', 'state.db'), 'state');
  attempt.stop();
  expect(plan.fired).toEqual([]);
  expect(attempt.lastMs).toBeUndefined();
});

test('an interval of 0 leaves all to the end, the transcript too', async () => {
  const noting = new FaultPlan({ fault: { kind: 'delay', delayMs: 0 } });
  const { path, snapshots, attempt, plan, transcript } = await scene(0, noting);
  await writeFile(path, '"one"\n');
  snapshots.transcriptBegun('shop_1');
  expect(plan.fired).toEqual([]);
  await attempt.finish(false);
  expect(await transcript()).toBe('"one"\n');
});

test('the end of a task takes the place of a pass that hangs, which counts as no failure (P-33)', async () => {
  const hanging = new FaultPlan({ fault: { kind: 'delay', delayMs: 60_000 }, on: 'create', count: 1 });
  const { path, attempt, shipper, plan, names } = await scene(20, hanging);
  await writeFile(join(path, '..', 'notes.txt'), 'one');
  await waitUntil('the pass hangs', () => plan.fired.length === 1);
  await attempt.finish(false);
  expect(await names()).toEqual([`${BUNDLE}notes.txt`]);
  expect(shipper.failures).toEqual({});
});

test('the end of a task takes the place of a transcript that hangs, which counts as no failure (P-33)', async () => {
  const hanging = new FaultPlan({ fault: { kind: 'delay', delayMs: 60_000 }, on: 'create', count: 1 });
  const { path, snapshots, attempt, shipper, plan, transcript } = await scene(NEVER_MS, hanging);
  await writeFile(path, '"one"\n');
  snapshots.transcriptBegun('shop_1');
  await waitUntil('the snapshot hangs', () => plan.fired.length === 1);
  await attempt.finish(false);
  expect(await transcript()).toBe('"one"\n');
  expect(shipper.failures).toEqual({});
});

test('what a task prints goes with its snapshots, and makes way for the whole log (P-06)', async () => {
  const memory = createMemoryStore();
  const logPath = join(await temporaryFolder(), 'actor.log');
  await writeFile(logPath, 'of the task before\n');
  const shipper = new Shipper({ store: memory, runId: 'r1', log: createLogger() });
  const snapshots = new Snapshots({ store: memory, runId: 'r1', shipper, everyMs: 20 });
  const log = new LogSlice(logPath);
  const attempt = snapshots.begin({ instanceId: 'shop_1', attempt: 1, scratchDir: join(logPath, '..', 'none'), log });
  const partial = async () => (await memory.read('runs/r1/logs/shop_1/attempt-1.partial.log'))?.bytes.toString();
  await appendFile(logPath, 'one\n');
  await waitUntil('the first line', async () => (await partial()) === 'one\n');
  await appendFile(logPath, 'two\n');
  await waitUntil('the second line', async () => (await partial()) === 'one\ntwo\n');
  attempt.stop();
  await shipper.taskLog('shop_1', 1, log.read());
  await attempt.finish(false);
  expect(await namesIn(memory, '')).toEqual(['runs/r1/logs/shop_1/attempt-1.log']);
  expect(shipper.failures).toEqual({});
});
