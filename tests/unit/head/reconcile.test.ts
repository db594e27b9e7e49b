import { expect, it } from 'vitest';

import { ActiveRun } from '../../../src/head/active-run.ts';
import { reconcile } from '../../../src/head/reconcile.ts';
import { runFacts } from '../../../src/head/run-facts.ts';
import { RunLedger } from '../../../src/head/run-ledger.ts';
import type { HeldTask } from '../../../src/gen/skein/v1/node.ts';
import { HeldState } from '../../../src/gen/skein/v1/node.ts';
import { createLogger } from '../../../src/kernel/log.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { manifestOf } from '../../helpers/rows.ts';
import { heldTask } from '../../helpers/scripted-node.ts';

/** A run whose only task is out at n1. */
function runAtNode(): ActiveRun {
  const ledger = new RunLedger(
    [{ instanceId: 'a_1', database: 'a', attempt: 1, lost: 0, phase: { kind: 'waiting' } }],
    1,
  );
  ledger.take('a', 1, 'n1');
  return new ActiveRun({
    manifest: runFacts(manifestOf(['a_1'])),
    attempt: 1,
    ledger,
    nodes: { drain() {}, close() {}, revoke() {} },
    record: { end: async () => {}, stop: async () => {}, halt() {}, names: () => true, beat: async () => {} },
    writeLoss() {},
    writeVerdict() {},
    lookForRow: (active, { instanceId, attempt }) => active.neverBegan({ instanceId, attempt }),
    log: createLogger(),
    maxInFlight: 0,
  });
}

/** A store whose reads are answered when the test says so. */
function slowStore(): { store: ObjectStore; asked: Promise<void>; answer: () => void } {
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const inner = createMemoryStore();
  const store = new Proxy(inner, {
    get(target, key) {
      const own: unknown = Reflect.get(target, key);
      if (key !== 'read') return typeof own === 'function' ? own.bind(target) : own;
      return async (...args: Parameters<ObjectStore['read']>) => {
        asked.resolve();
        await gate.promise;
        return target.read(...args);
      };
    },
  });
  return { store, asked: asked.promise, answer: () => gate.resolve() };
}

const ask = (run: ActiveRun, store: ObjectStore, held: readonly HeldTask[] = []): Promise<void> =>
  reconcile({
    store,
    log: createLogger(),
    run,
    node: 'n1',
    held: new Map(held.map((task) => [task.instanceId, task])),
    isNewLife: true,
    revoke() {},
    signal: new AbortController().signal,
  });

it('leaves a task where it is that came back and went out to the same node while the store was asked about it', async () => {
  const [run, slow] = [runAtNode(), slowStore()];
  const first = ask(run, slow.store);
  await slow.asked;
  // A second session of the node was quicker: the task waits again, and the node gets it anew.
  await ask(run, createMemoryStore());
  expect(run.take('a', 1, 'n1')).toHaveLength(1);
  slow.answer();
  await first;
  expect(run.ledger.get('a_1')?.phase).toMatchObject({ kind: 'out', node: 'n1' });
  expect(run.take('a', 1, 'n2')).toEqual([]);
});

it('believes the node that names a task after all, whatever was asked before', async () => {
  const [run, slow] = [runAtNode(), slowStore()];
  const first = ask(run, slow.store);
  await slow.asked;
  await ask(run, createMemoryStore(), [heldTask('a_1', HeldState.QUEUED)]);
  slow.answer();
  await first;
  expect(run.ledger.get('a_1')?.phase).toMatchObject({ kind: 'out', node: 'n1' });
});

it('takes back what a node does not name', async () => {
  const run = runAtNode();
  await ask(run, createMemoryStore());
  expect(run.ledger.get('a_1')?.phase).toEqual({ kind: 'waiting' });
});
