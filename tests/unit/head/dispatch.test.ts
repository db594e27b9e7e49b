import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { chooseBatch, chooseSteal, leastLoaded, windowOf, type StealSource } from '../../../src/head/dispatch.ts';

const waiting = [
  { database: 'small', count: 2 },
  { database: 'large', count: 90 },
  { database: 'middle', count: 10 },
];

describe('chooseBatch', () => {
  it('gives an idle node the database with the most waiting tasks', () => {
    expect(chooseBatch({ actors: 2, held: 0, heldDatabases: new Set(), waiting })?.database).toBe('large');
  });

  it('gives a node with an idle actor another database, so that an encode does not hold it up (P-09)', () => {
    const choice = chooseBatch({ actors: 2, held: 16, heldDatabases: new Set(['large']), waiting });
    expect(choice?.database).toBe('middle');
  });

  it('stays with held databases once every actor has one (P-09)', () => {
    const choice = chooseBatch({ actors: 2, held: 4, heldDatabases: new Set(['small', 'middle']), waiting });
    expect(choice?.database).toBe('middle');
  });

  it('never overfills the window and never makes tasks up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.nat(600), fc.array(fc.nat(500)), (actors, held, counts) => {
        const some = counts.map((count, i) => ({ database: `d${i}`, count })).filter(({ count }) => count > 0);
        const choice = chooseBatch({ actors, held, heldDatabases: new Set(['d0']), waiting: some });
        if (!choice) return held >= windowOf(actors) || some.length === 0;
        const source = some.find(({ database }) => database === choice.database);
        return choice.count > 0 && choice.count <= (source?.count ?? 0) && held + choice.count <= windowOf(actors);
      }),
    );
  });
});

describe('chooseBatch under a limit', () => {
  it('gives no more than the run may still have out', () => {
    const input = { actors: 2, held: 0, heldDatabases: new Set<string>(), waiting };
    expect(chooseBatch({ ...input, room: 3 })).toEqual({ database: 'large', count: 3 });
    expect(chooseBatch({ ...input, room: 0 })).toBeUndefined();
  });
});

describe('leastLoaded', () => {
  it('is the node with the fewest tasks per actor, the first among equals', () => {
    const nodes = [
      { name: 'a', held: 8, actors: 2 },
      { name: 'b', held: 8, actors: 4 },
      { name: 'c', held: 2, actors: 1 },
    ];
    expect(leastLoaded(nodes)?.name).toBe('b');
    expect(leastLoaded([])).toBeUndefined();
  });
});

describe('chooseSteal', () => {
  const source = (fields: Partial<StealSource>): StealSource => ({
    node: 'rich',
    actors: 2,
    held: 20,
    runId: 'r1',
    database: 'shop',
    unstarted: 10,
    ...fields,
  });
  const idle = { actors: 2, held: 0 };

  it('takes from the node with the most unstarted tasks of one database, so that both have the same load', () => {
    const choice = chooseSteal(idle, [source({ node: 'poor', unstarted: 3 }), source({ unstarted: 18 })]);
    expect(choice).toEqual({ node: 'rich', runId: 'r1', database: 'shop', count: 10 });
  });

  it('takes all of a small database rather than half of nothing, and at least one task', () => {
    expect(chooseSteal(idle, [source({ unstarted: 4 })])?.count).toBe(4);
    expect(chooseSteal(idle, [source({ held: 3, unstarted: 1 })])?.count).toBe(1);
  });

  it('leaves a node alone whose actors are about to start all it has', () => {
    expect(chooseSteal(idle, [source({ held: 2, unstarted: 2 })])).toBeUndefined();
  });

  it('is nothing for a node without an idle actor', () => {
    expect(chooseSteal({ actors: 2, held: 2 }, [source({})])).toBeUndefined();
  });
});
