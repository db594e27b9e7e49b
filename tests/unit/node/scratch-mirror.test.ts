/** What of an attempt's scratch goes to the store, and when. */
import { appendFileSync } from 'node:fs';
import { appendFile, mkdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { ScratchMirror } from '../../../src/node/scratch-mirror.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { namesIn } from '../../helpers/store-fixtures.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const PREFIX = 'runs/r1/sessions/shop_1/attempt-1/';
const TRANSCRIPT = 'runs/r1/rows/shop_1/partial_transcript.jsonl';
const LIVE = { isFinal: false, tries: 1 } as const;
const FINAL = { isFinal: true, tries: 1 } as const;

interface Scene {
  readonly dir: string;
  readonly store: ObjectStore;
  readonly mirror: ScratchMirror;
  readonly plan: FaultPlan;
  /** Another mirror of the same attempt: that of a later life. */
  readonly again: () => ScratchMirror;
  readonly names: () => Promise<string[]>;
  readonly text: (name: string) => Promise<string | undefined>;
}

async function scene(plan = new FaultPlan()): Promise<Scene> {
  const dir = join(await temporaryFolder(), 'scratch');
  const store = createMemoryStore();
  const again = () =>
    new ScratchMirror({ store: withFaults(store, plan), runId: 'r1', instanceId: 'shop_1', attempt: 1, dir });
  return {
    ...{ dir, store, plan, again, mirror: again() },
    names: () => namesIn(store, ''),
    text: async (name) => (await store.read(name))?.bytes.toString(),
  };
}

/** Old enough that its time says whether it changed. */
async function settled(path: string, text: string | Buffer): Promise<void> {
  await writeFile(path, text);
  const past = Date.now() / 1000 - 60;
  await utimes(path, past, past);
}

test('a task that left no scratch folder has no debug bundle; else every byte of it goes (U-01)', async () => {
  const { dir, mirror, names, store } = await scene();
  expect(await mirror.pass(FINAL)).toMatchObject({ sent: 0 });
  expect(await names()).toEqual([]);
  await mkdir(join(dir, 'store'), { recursive: true });
  const binary = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await writeFile(join(dir, 'INDEX.md'), '#');
  await writeFile(join(dir, 'store/embeddings.db'), binary);
  expect(await mirror.pass(FINAL)).toMatchObject({ sent: 2, bytes: 257 });
  expect(await names()).toEqual([`${PREFIX}INDEX.md`, `${PREFIX}store/embeddings.db`]);
  expect((await store.read(`${PREFIX}store/embeddings.db`))?.bytes).toEqual(binary);
});

test('a pass sends what changed since the last one, and nothing while nothing changes (P-06)', async () => {
  // Delays of nothing: the plan notes every call.
  const { dir, mirror, plan, text } = await scene(new FaultPlan({ fault: { kind: 'delay', delayMs: 0 } }));
  await mkdir(dir);
  await settled(join(dir, 'plan.md'), 'a');
  await settled(join(dir, 'state.db'), 'b');
  expect(await mirror.pass(LIVE)).toMatchObject({ sent: 2 });
  const before = plan.fired.length;
  expect(await mirror.pass(LIVE)).toMatchObject({ sent: 0, bytes: 0 });
  expect(plan.fired.length, 'an idle task asks the store nothing').toBe(before);
  await settled(join(dir, 'plan.md'), 'changed');
  // Touched, with the same bytes.
  await utimes(join(dir, 'state.db'), 1, 1);
  expect(await mirror.pass(LIVE)).toMatchObject({ sent: 1, bytes: 7 });
  expect(plan.fired.slice(before).filter((call) => call.includes('state.db'))).toEqual([]);
  expect(await text(`${PREFIX}plan.md`)).toBe('changed');
});

test('a file that was written a moment ago is looked at again, though its size and time are the same', async () => {
  const { dir, mirror, text } = await scene();
  await mkdir(dir);
  const path = join(dir, 'state');
  const now = new Date(Date.now() + 10_000);
  await writeFile(path, 'aaaa');
  await utimes(path, now, now);
  await mirror.pass(LIVE);
  await writeFile(path, 'bbbb');
  await utimes(path, now, now);
  await mirror.pass(LIVE);
  expect(await text(`${PREFIX}state`)).toBe('bbbb');
});

test('files that vanish or grow while they are read break no pass (P-06)', async () => {
  const { dir, mirror, store, text } = await scene();
  await mkdir(dir);
  for (let at = 0; at < 50; at += 1) await writeFile(join(dir, `f${at}`), `${at}`);
  // The listing of the store lies between the look at the folder and the reading.
  const list = store.list.bind(store);
  store.list = async (...args) => {
    await rm(join(dir, 'f0'));
    appendFileSync(join(dir, 'f1'), ' and more');
    return list(...args);
  };
  expect(await mirror.pass(LIVE)).toMatchObject({ sent: 49 });
  expect(await text(`${PREFIX}f0`)).toBeUndefined();
  store.list = list;
  await mirror.pass(FINAL);
  expect(await text(`${PREFIX}f1`)).toBe('1 and more');
});

test('the final pass leaves under the prefix what the folder holds and nothing else, whoever wrote before (U-01)', async () => {
  const { dir, mirror, again, names, text } = await scene();
  await mkdir(dir);
  await settled(join(dir, 'a.db'), 'torn');
  await settled(join(dir, 'a.db-wal'), 'wal');
  await mirror.pass(LIVE);
  await rm(join(dir, 'a.db-wal'));
  await settled(join(dir, 'a.db'), 'whole');
  // A later life knows nothing of what the first one sent.
  await again().pass(FINAL);
  expect(await names()).toEqual([`${PREFIX}a.db`]);
  expect(await text(`${PREFIX}a.db`)).toBe('whole');
});

test('the transcript lies beside the rows too, in whole lines, and its own copy goes on with it (V-02)', async () => {
  const { dir, mirror, names, text } = await scene();
  await mkdir(dir);
  await mirror.pass(LIVE);
  expect(await names()).toEqual([]);
  await writeFile(join(dir, 'partial_transcript.jsonl'), '"one"\n"tw');
  await mirror.pass(LIVE);
  expect(await text(TRANSCRIPT)).toBe('"one"\n');
  expect(await text(`${PREFIX}partial_transcript.jsonl`)).toBe('"one"\n"tw');
  await appendFile(join(dir, 'partial_transcript.jsonl'), 'o"\n');
  await mirror.pass(FINAL);
  expect(await text(TRANSCRIPT)).toBe('"one"\n"two"\n');
});

test('a lost attempt goes on with its own transcript and never stands over that of the next one', async () => {
  const { dir, again, store, text } = await scene();
  await mkdir(dir);
  const path = join(dir, 'partial_transcript.jsonl');
  await writeFile(path, '"one"\n');
  const first = again();
  await first.pass(LIVE);
  await appendFile(path, '"two"\n');
  // A successor of the node: it knows nothing, and goes on with what it finds.
  await again().pass({ ...FINAL, isLate: true });
  expect(await text(TRANSCRIPT)).toBe('"one"\n"two"\n');
  const other = (await store.read(TRANSCRIPT))!;
  await store.replace(TRANSCRIPT, Buffer.from('"of attempt 2"\n'), other.generation);
  await appendFile(path, '"three"\n');
  await again().pass({ ...FINAL, isLate: true });
  await first.pass({ ...FINAL, isLate: true });
  expect(await text(TRANSCRIPT)).toBe('"of attempt 2"\n');
  expect(await text(`${PREFIX}partial_transcript.jsonl`)).toContain('"three"');
});

test('one object that the store refuses costs that object: the others go, and the next pass sends it', async () => {
  const { dir, mirror, names, plan } = await scene(
    new FaultPlan({ fault: { kind: 'refuse' }, on: 'create', name: `${PREFIX}b`, count: 1 }),
  );
  await mkdir(dir);
  for (const name of ['a', 'b', 'c']) await settled(join(dir, name), name);
  await expect(mirror.pass(LIVE)).rejects.toThrow('refused');
  expect(await names()).toEqual([`${PREFIX}a`, `${PREFIX}c`]);
  expect(await mirror.pass(LIVE)).toMatchObject({ sent: 1 });
  expect(plan.fired).toHaveLength(1);
});

test('what is no plain file is left out while the task runs, and named at its end behind all that could go', async () => {
  const { dir, mirror, names } = await scene();
  await mkdir(dir);
  await writeFile(join(dir, 'a'), 'a');
  await symlink('/etc/passwd', join(dir, 'link'));
  expect(await mirror.pass(LIVE)).toMatchObject({ sent: 1 });
  await writeFile(join(dir, 'b'), 'b');
  await expect(mirror.pass(FINAL)).rejects.toThrow(/link: only plain files and folders are shipped/);
  expect(await names()).toEqual([`${PREFIX}a`, `${PREFIX}b`]);
});

test('a file too large to be sent at every interval waits for the end, and the pass says so', async () => {
  const { dir, mirror, names } = await scene();
  await mkdir(dir);
  const big = Buffer.alloc(33 * 1024 * 1024);
  await settled(join(dir, 'big.db'), big);
  expect(await mirror.pass(LIVE)).toMatchObject({ sent: 0, held: 1 });
  expect(await mirror.pass(FINAL)).toMatchObject({ sent: 1, bytes: big.byteLength, held: 0 });
  expect(await names()).toEqual([`${PREFIX}big.db`]);
  expect((await readFile(join(dir, 'big.db'))).byteLength).toBe(big.byteLength);
});
