import { describe, expect, it } from 'vitest';

import { Lease, readLease, type LeaseDocument, type LeaseOptions, type LeaseOutcome } from '../../../src/run/lease.ts';
import { ownProcess, isProcessGone } from '../../../src/run/process-identity.ts';
import { acquireRunLease, runHolder } from '../../../src/run/run-lease.ts';
import { jsonBytes } from '../../../src/kernel/json.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { HEAD_LEASE_NAME, runLeaseName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';

/** A clock that only waiting moves, and one process per head. */
class Clock {
  nowMs = 0;
  readonly #alarms: { atMs: number; ring: () => void }[] = [];
  readonly now = (): number => this.nowMs;
  /** Waits by this clock: whatever is due meanwhile happens first. */
  readonly sleep = async (ms: number): Promise<void> => this.pass(ms);

  at(atMs: number, ring: () => void): void {
    this.#alarms.push({ atMs, ring });
  }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const alarm of this.#alarms.splice(0)) {
      if (alarm.atMs <= this.nowMs) alarm.ring();
      else this.#alarms.push(alarm);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const clock = (): Clock => new Clock();

/** A lease as a process of another machine wrote it: nobody here can tell whether it lives. */
async function putForeign(store: ObjectStore, name: string, fields: Partial<LeaseDocument>): Promise<string> {
  const document = {
    epoch: 4,
    head_id: 'far',
    boot_id: 'b',
    address: '10.0.0.9:6380',
    kind: 'daemon',
    renewed_at_ms: 1,
  };
  const standing = await store.stat(name);
  const bytes = jsonBytes({ ...document, ...fields });
  const written = standing ? await store.replace(name, bytes, standing.generation) : await store.create(name, bytes);
  return written.generation ?? '';
}

const take = (
  store: ObjectStore,
  headId: string,
  time: Clock,
  more: Partial<LeaseOptions> = {},
): Promise<LeaseOutcome> =>
  Lease.acquire({
    store,
    name: HEAD_LEASE_NAME,
    owner: { headId, bootId: 'boot', kind: 'daemon' },
    now: time.now,
    sleep: time.sleep,
    ...more,
  });

const heldOf = (outcome: LeaseOutcome): Lease => {
  if (outcome.kind !== 'held') throw new Error(`refused by ${outcome.by.head_id}`);
  return outcome.lease;
};

describe('a lease', () => {
  it('is taken at once where nothing stands, and by the same head again under the next epoch', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    const first = heldOf(await take(store, 'h1', time));
    expect(first.epoch).toBe(1);
    expect(first.holds()).toBe(true);
    const second = heldOf(await take(store, 'h1', time));
    expect(second.epoch).toBe(2);
    expect(time.nowMs).toBe(0);
    first.abandon();
    second.abandon();
  });

  it('of another head is taken only when it did not change for 15 s', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    await putForeign(store, HEAD_LEASE_NAME, {});
    const lease = heldOf(await take(store, 'h1', time));
    expect(time.nowMs).toBeGreaterThanOrEqual(15_000);
    expect(lease.epoch).toBe(5);
    lease.abandon();
  });

  it('of another head that lives is refused, and its holder named', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    await putForeign(store, HEAD_LEASE_NAME, {});
    time.at(4_900, () => void putForeign(store, HEAD_LEASE_NAME, { renewed_at_ms: 2 }));
    expect(await take(store, 'h1', time)).toMatchObject({ kind: 'refused', by: { address: '10.0.0.9:6380' } });
    expect(time.nowMs).toBeLessThan(6_000);
  });

  it('that was given up is taken at once', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    await putForeign(store, HEAD_LEASE_NAME, { released: true });
    const lease = heldOf(await take(store, 'h1', time));
    await lease.release();
    expect(await readLease(store, HEAD_LEASE_NAME)).toMatchObject({ released: true, epoch: 5 });
    expect(lease.holds()).toBe(false);
    expect(heldOf(await take(store, 'h2', time)).epoch).toBe(6);
    expect(time.nowMs).toBe(0);
  });

  it('of a process of this machine that is dead is taken at once', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    const [boot, namespace] = ownProcess().split('/');
    await putForeign(store, HEAD_LEASE_NAME, { process: `${boot}/${namespace}/${process.pid}/1` });
    heldOf(await take(store, 'h1', time)).abandon();
    expect(time.nowMs).toBe(0);
    expect(isProcessGone(ownProcess())).toBe(false);
    expect(isProcessGone('')).toBe(false);
    expect(isProcessGone(`another-boot/${namespace}/${process.pid}/1`)).toBe(false);
  });

  it('is held by one of two heads that fight for it, whoever is frozen when', async () => {
    const store = createMemoryStore();
    const time = clock();
    let lease = heldOf(await take(store, 'h0', time));
    for (let turn = 1; turn <= 20; turn += 1) {
      // The holder is frozen: it renews nothing, and nobody tells it. Its process lives.
      await store.replace(
        HEAD_LEASE_NAME,
        jsonBytes({ ...(await readLease(store, HEAD_LEASE_NAME)), process: '' }),
        (await store.stat(HEAD_LEASE_NAME))?.generation ?? '',
      );
      const next = heldOf(await take(store, `h${turn}`, time));
      // It is back, and asks before it acts.
      expect(lease.holds()).toBe(false);
      await lease.renew();
      expect(lease.isLost).toBe(true);
      expect(next.holds()).toBe(true);
      expect(next.epoch).toBe(turn + 1);
      lease = next;
    }
    lease.abandon();
  });

  it('is not acted on long before anybody else may take it, when renewals do not come through', async () => {
    const [plan, time] = [new FaultPlan(), clock()];
    const store = withFaults(createMemoryStore(), plan);
    const troubles: unknown[] = [];
    const lease = heldOf(await take(store, 'h1', time, { onTrouble: (error) => troubles.push(error) }));
    plan.add({ fault: { kind: 'refuse' }, on: 'replace' });
    await time.pass(5_000);
    await lease.renew();
    expect(troubles).toHaveLength(1);
    expect(lease.holds()).toBe(true);
    await time.pass(5_000);
    expect(lease.holds()).toBe(false);
    plan.clear();
    await lease.renew();
    expect(lease.holds()).toBe(true);
    lease.abandon();
  });

  it('survives lost answers of every write', async () => {
    const [plan, time] = [new FaultPlan({ fault: { kind: 'lose-answer' }, on: ['create', 'replace'] }), clock()];
    const store = withFaults(createMemoryStore(), plan);
    const lease = heldOf(await take(store, 'h1', time));
    expect(lease.epoch).toBe(1);
    await lease.renew('here:1');
    expect(lease.holds()).toBe(true);
    await lease.release();
    expect(await readLease(store, HEAD_LEASE_NAME)).toMatchObject({ address: 'here:1', released: true });
  });

  it('survives a renewal that was done and given up as failed', async () => {
    const [store, time, plan] = [createMemoryStore(), clock(), new FaultPlan()];
    const troubles: unknown[] = [];
    const lost: unknown[] = [];
    const lease = heldOf(
      await take(withFaults(store, plan), 'h1', time, {
        onTrouble: (error) => troubles.push(error),
        onLost: (by) => lost.push(by),
      }),
    );
    // The answer of the first try is lost, and so is every answer to what became of it.
    plan
      .add({ on: 'replace', fault: { kind: 'lose-answer' }, count: 1 })
      .add({ on: 'replace', fault: { kind: 'refuse' } });
    plan.add({ on: 'read', fault: { kind: 'refuse' } });
    await lease.renew();
    expect(troubles).toHaveLength(1);
    plan.clear();
    await lease.renew('10.0.0.1:6380');
    expect({ lost, holds: lease.holds() }).toEqual({ lost: [], holds: true });
    expect((await readLease(store, HEAD_LEASE_NAME))?.address).toBe('10.0.0.1:6380');
    lease.abandon();
  });

  it('tells its holder once when somebody else has it', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    const lost: unknown[] = [];
    const lease = heldOf(await take(store, 'h1', time, { onLost: (by) => lost.push(by?.head_id) }));
    await putForeign(store, HEAD_LEASE_NAME, { head_id: 'far' });
    await lease.renew();
    await lease.renew();
    expect(lost).toEqual(['far']);
  });
});

describe('the lease of a run', () => {
  const ask = (store: ObjectStore, headId: string, kind: 'daemon' | 'embedded', time: Clock): Promise<LeaseOutcome> =>
    acquireRunLease({
      store,
      runId: 'r1',
      owner: { headId, bootId: 'b', kind },
      now: time.now,
      sleep: time.sleep,
    });

  it('of a daemon holds as long as the bucket is that daemon’s', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    await putForeign(store, runLeaseName('r1'), { head_id: 'far' });
    await putForeign(store, HEAD_LEASE_NAME, { head_id: 'far', renewed_at_ms: Date.now() });
    expect(await ask(store, 'command', 'embedded', time)).toMatchObject({ kind: 'refused', by: { head_id: 'far' } });
    expect(await runHolder(store, 'r1')).toMatchObject({ head_id: 'far', address: '10.0.0.9:6380' });
    await putForeign(store, HEAD_LEASE_NAME, { head_id: 'another', renewed_at_ms: Date.now() });
    expect(await runHolder(store, 'r1')).toBeUndefined();
    heldOf(await ask(store, 'command', 'embedded', time)).abandon();
  });

  it('of a daemon whose clock is behind is not taken while the bucket’s lease changes', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    await putForeign(store, runLeaseName('r1'), { head_id: 'far' });
    await putForeign(store, HEAD_LEASE_NAME, { head_id: 'far', renewed_at_ms: 1 });
    time.at(4_000, () => void putForeign(store, HEAD_LEASE_NAME, { head_id: 'far', renewed_at_ms: 2 }));
    expect(await ask(store, 'command', 'embedded', time)).toMatchObject({ kind: 'refused' });
  });

  it('of a dead daemon is taken by a command after 15 s, and by the next daemon at once', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    await putForeign(store, runLeaseName('r1'), { head_id: 'far' });
    await putForeign(store, HEAD_LEASE_NAME, { head_id: 'far', renewed_at_ms: 1 });
    heldOf(await ask(store, 'h2', 'daemon', time)).abandon();
    expect(time.nowMs).toBe(0);
    await putForeign(store, runLeaseName('r1'), { head_id: 'far' });
    heldOf(await ask(store, 'command', 'embedded', time)).abandon();
    expect(time.nowMs).toBeGreaterThanOrEqual(15_000);
  });

  it('of a command that lives is refused, also to a daemon', async () => {
    const [store, time] = [createMemoryStore(), clock()];
    await putForeign(store, runLeaseName('r1'), { kind: 'embedded', renewed_at_ms: Date.now() });
    expect((await ask(store, 'h2', 'daemon', time)).kind).toBe('refused');
    expect((await ask(store, 'other', 'embedded', time)).kind).toBe('refused');
    expect(time.nowMs).toBe(0);
  });
});
