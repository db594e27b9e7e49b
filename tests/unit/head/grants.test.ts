import { describe, expect, it } from 'vitest';

import { encodingOf, readGrant } from '../../../src/head/grant-record.ts';
import { Grants } from '../../../src/head/grants.ts';
import { createLogger } from '../../../src/kernel/log.ts';
import { FaultPlan, withFaults } from '../../../src/store/faults.ts';
import { MARKERS, shardDatabasePrefix } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { manifestOf } from '../../helpers/rows.ts';

const manifest = manifestOf(['shop_1']);
/** By name: in which life the head knows a node to be. */
const boots = new Map<string, string>();
const grantsOn = (store: ObjectStore, isDurable = true): Grants =>
  new Grants({ store, log: createLogger(), bootOf: (node) => boots.get(node), isDurable });
const recordOf = async (store: ObjectStore): Promise<unknown> =>
  (await readGrant(store, encodingOf(manifest, 'shop'), 'shop')).record;
const readyWith = (shard: string, grantEpoch: number) => ({ database: 'shop', shard, grantEpoch, digest: 'd' });

describe('the grant to encode a database', () => {
  it('goes to one node, durably before anybody is told, and keeps the others off (P-08)', async () => {
    const store = createMemoryStore();
    const grants = grantsOn(store);
    expect(grants.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'askable' });
    const granting = grants.begin(manifest, 'shop', 'n1');
    expect(grants.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'pending' });
    expect(grants.permit(manifest, 'shop', 'n2')).toEqual({ kind: 'busy' });
    await granting;
    expect(await recordOf(store)).toMatchObject({ epoch: 1, node: 'n1', run_id: 'r1', ready: null });
    expect(grants.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'granted', epoch: 1 });
    expect(grants.permit(manifest, 'shop', 'n2')).toEqual({ kind: 'busy' });
  });

  it('is not needed by runs that encode nothing', () => {
    const grants = grantsOn(createMemoryStore());
    for (const fields of [
      { framework: 'noop' },
      { mode: 'oracle' as const },
      { query_mode: 'raw' as const },
      { slayer_setup: 'pre-encoded' as const },
    ]) {
      expect(grants.permit(manifestOf(['shop_1'], fields), 'shop', 'n1')).toEqual({ kind: 'open', place: undefined });
    }
  });

  it('ends with a reference in the store, from where every node and every run of that content takes it', async () => {
    const store = createMemoryStore();
    const grants = grantsOn(store);
    await grants.begin(manifest, 'shop', 'n1');
    expect(grants.ready(manifest, 'n1', readyWith('s1', 1))).toBe(true);
    const other = manifestOf(['shop_2'], { run_id: 'r2' });
    const open = { kind: 'open', place: { runId: 'r1', shard: 's1' } };
    expect(grants.permit(manifest, 'shop', 'n2')).toEqual(open);
    expect(grants.permit(other, 'shop', 'n2')).toEqual(open);
    expect(grants.permit(manifestOf(['shop_2'], { encoder: 'other' }), 'shop', 'n2').kind).toBe('askable');
  });

  it('of a lost node passes on under the next epoch, and its late reference loses (P-08)', async () => {
    const store = createMemoryStore();
    const grants = grantsOn(store);
    await grants.begin(manifest, 'shop', 'n1');
    grants.release('n1');
    await grants.begin(manifest, 'shop', 'n2');
    expect(grants.permit(manifest, 'shop', 'n2')).toEqual({ kind: 'granted', epoch: 2 });
    expect(grants.ready(manifest, 'n1', readyWith('zombie', 1))).toBe(false);
    expect(grants.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'busy' });
    expect(grants.ready(manifest, 'n2', readyWith('s2', 2))).toBe(true);
  });

  it('outlives its head: held while it is being encoded, ready once it was, if the shard still lies there', async () => {
    const store = createMemoryStore();
    const first = grantsOn(store);
    await first.begin(manifest, 'shop', 'n1');
    const second = grantsOn(store);
    await second.load(manifest, ['shop']);
    expect(second.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'granted', epoch: 1 });
    expect(second.permit(manifest, 'shop', 'n2')).toEqual({ kind: 'busy' });
    second.ready(manifest, 'n1', readyWith('s1', 1));
    await expect.poll(() => recordOf(store)).toMatchObject({ ready: { run_id: 'r1', shard: 's1' } });

    const expired = grantsOn(store);
    await expired.load(manifest, ['shop']);
    expect(expired.permit(manifest, 'shop', 'n2').kind).toBe('askable');
    await store.create(shardDatabasePrefix('r1', 's1', 'shop') + MARKERS.uploadComplete, Buffer.from('ok'));
    const third = grantsOn(store);
    await third.load(manifest, ['shop']);
    expect(third.permit(manifest, 'shop', 'n2')).toEqual({ kind: 'open', place: { runId: 'r1', shard: 's1' } });
  });

  it('is that of one life of its node: the next one of it has to ask again, also under the next head', async () => {
    const store = createMemoryStore();
    boots.set('n1', 'b1');
    const first = grantsOn(store);
    await first.begin(manifest, 'shop', 'n1');
    first.joined('n1');
    expect(first.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'granted', epoch: 1 });
    boots.set('n1', 'b2');
    first.joined('n1');
    expect(first.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'askable' });
    await first.begin(manifest, 'shop', 'n1');

    boots.delete('n1');
    const second = grantsOn(store);
    await second.load(manifest, ['shop']);
    boots.set('n1', 'b2');
    second.joined('n1');
    expect(second.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'granted', epoch: 2 });
    boots.set('n1', 'b3');
    const third = grantsOn(store);
    await third.load(manifest, ['shop']);
    expect(third.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'askable' });
    boots.clear();
  });

  it('never repeats an epoch, whatever two heads do and whatever answers are lost', async () => {
    const plan = new FaultPlan({ fault: { kind: 'lose-answer' }, on: ['create', 'replace'] });
    const store = withFaults(createMemoryStore(), plan);
    const epochs: number[] = [];
    const heads = [grantsOn(store), grantsOn(store)];
    for (let turn = 0; turn < 6; turn += 1) {
      const head = heads[turn % 2]!;
      await head.begin(manifest, 'shop', `n${turn}`);
      const permit = head.permit(manifest, 'shop', `n${turn}`);
      if (permit.kind === 'granted') epochs.push(permit.epoch);
      head.release(`n${turn}`);
    }
    expect(epochs).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('is free again when the store did not take it', async () => {
    const broken = grantsOn({
      ...withFaults(createMemoryStore(), new FaultPlan()),
      create: () => Promise.reject(new Error('no rights')),
    });
    await expect(broken.begin(manifest, 'shop', 'n1')).rejects.toThrow('no rights');
    expect(broken.permit(manifest, 'shop', 'n2')).toEqual({ kind: 'askable' });
  });

  it('inside a command is given without a word to the store', async () => {
    const store = createMemoryStore();
    const grants = grantsOn(store, false);
    await grants.begin(manifest, 'shop', 'n1');
    expect(grants.permit(manifest, 'shop', 'n1')).toEqual({ kind: 'granted', epoch: 1 });
    expect(await recordOf(store)).toBeUndefined();
  });
});
