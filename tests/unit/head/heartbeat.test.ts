import { randomUUID } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { ActiveRun } from '../../../src/head/active-run.ts';
import { Heartbeat } from '../../../src/head/heartbeat.ts';
import { runFacts } from '../../../src/head/run-facts.ts';
import { RunLedger } from '../../../src/head/run-ledger.ts';
import { createLogger } from '../../../src/kernel/log.ts';
import { readStoredStatus } from '../../../src/run/status.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { manifestOf } from '../../helpers/rows.ts';

/** A run as a head has it that adopts it now. */
async function adopted(store: ObjectStore, mayWrite = (): boolean => true, troubles: unknown[] = []) {
  const { generation } = await readStoredStatus(store, 'r1');
  const heartbeat = new Heartbeat({
    store,
    log: createLogger(),
    bootId: randomUUID(),
    facts: () => ({ actors: { live: 1, pending: 0 }, nodes: [], waitingFor: '' }),
    mayWrite,
    isOver: () => !mayWrite(),
    generation,
    isPatient: true,
    onBeat: (trouble) => troubles.push(trouble),
    release: () => Promise.resolve(),
    abandon: () => Promise.resolve(),
  });
  const ledger = new RunLedger(
    [{ instanceId: 'a_1', database: 'a', attempt: 1, lost: 0, phase: { kind: 'waiting' } }],
    1,
  );
  const run = new ActiveRun({
    manifest: runFacts(manifestOf(['a_1'])),
    attempt: 1,
    ledger,
    nodes: { drain: () => {}, close: () => {}, revoke: () => {} },
    record: heartbeat,
    writeLoss: () => {},
    writeVerdict: () => {},
    lookForRow: () => {},
    log: createLogger(),
    maxInFlight: 0,
  });
  await heartbeat.start(run);
  return { heartbeat, run };
}

describe('the heartbeat of a run', () => {
  it('of a head that another one replaced is fenced before it writes anything, and lets go of the run (L-17)', async () => {
    const store = createMemoryStore();
    const frozen = await adopted(store);
    const next = await adopted(store);
    const before = await readStoredStatus(store, 'r1');
    await frozen.heartbeat.beat();
    expect(frozen.run.phase).toMatchObject({ kind: 'ended', end: { kind: 'failed' } });
    expect(await readStoredStatus(store, 'r1')).toEqual(before);
    await next.heartbeat.beat();
    expect(next.run.phase.kind).toBe('running');
    expect((await readStoredStatus(store, 'r1')).generation).not.toBe(before.generation);
    next.heartbeat.halt();
  });

  it('fails a run that ends after another head took it: its end is not written', async () => {
    const store = createMemoryStore();
    const frozen = await adopted(store);
    const next = await adopted(store);
    frozen.run.drain(0);
    expect(await frozen.run.ended).toMatchObject({ kind: 'failed' });
    expect((await readStoredStatus(store, 'r1')).status).toMatchObject({ stopped: false });
    next.heartbeat.halt();
  });

  it('takes a beat that was done and given up as failed for its own', async () => {
    const [store, plan] = [createMemoryStore(), new FaultPlan()];
    const { heartbeat, run } = await adopted(withFaults(store, plan));
    const before = await readStoredStatus(store, 'r1');
    plan.add({ on: 'replace', fault: { kind: 'lose-answer' }, count: 1 });
    plan.add({ on: ['replace', 'read'], fault: { kind: 'refuse' } });
    await heartbeat.beat();
    const done = await readStoredStatus(store, 'r1');
    expect(done.generation).not.toBe(before.generation);
    plan.clear();
    await heartbeat.beat();
    expect(run.phase.kind).toBe('running');
    expect((await readStoredStatus(store, 'r1')).generation).not.toBe(done.generation);
    heartbeat.halt();
  });

  it('takes a lost answer for its own write, and a refused one for trouble that passes (P-34, W-11)', async () => {
    const plan = new FaultPlan({ fault: { kind: 'lose-answer' }, on: ['create', 'replace'] });
    const store = withFaults(createMemoryStore(), plan);
    const troubles: unknown[] = [];
    const { heartbeat, run } = await adopted(store, undefined, troubles);
    await heartbeat.beat();
    expect(run.phase.kind).toBe('running');
    plan.clear();
    plan.add({ fault: { kind: 'refuse' }, on: 'replace', count: 3 });
    await heartbeat.beat();
    await heartbeat.beat();
    expect(troubles).toEqual([undefined, undefined, expect.stringContaining('refused'), undefined]);
    heartbeat.halt();
  });

  it('waits with the end of a run for a store that is away (W-11)', async () => {
    const plan = new FaultPlan();
    const store = withFaults(createMemoryStore(), plan);
    const { run } = await adopted(store);
    plan.add({ fault: { kind: 'refuse' }, on: 'replace', count: 4 });
    run.drain(0);
    expect(await run.ended).toEqual({ kind: 'stopped' });
    expect((await readStoredStatus(store, 'r1')).status).toMatchObject({ stopped: true });
  });

  it('is silent while its head does not hold the lease, and does not say how a run ended', async () => {
    const store = createMemoryStore();
    let isHeld = true;
    const { heartbeat, run } = await adopted(store, () => isHeld);
    const { generation } = await readStoredStatus(store, 'r1');
    isHeld = false;
    await heartbeat.beat();
    run.drain(0);
    expect(await run.ended).toMatchObject({ kind: 'failed', error: expect.stringContaining('lost its lease') });
    expect((await readStoredStatus(store, 'r1')).generation).toBe(generation);
    heartbeat.halt();
  });
});
