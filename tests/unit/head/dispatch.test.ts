import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { chooseBatch, windowOf } from '../../../src/head/dispatch.ts';

const waiting = [
  { database: 'small', count: 2 },
  { database: 'large', count: 90 },
  { database: 'middle', count: 10 },
];

describe('chooseBatch', () => {
  it('gives an idle node the database with the most waiting tasks', () => {
    expect(chooseBatch({ actors: 2, held: 0, heldDatabases: new Set(), waiting })?.database).toBe('large');
  });

  it('gives a node with an idle actor another database, so that an encode does not hold it up', () => {
    const choice = chooseBatch({ actors: 2, held: 16, heldDatabases: new Set(['large']), waiting });
    expect(choice?.database).toBe('middle');
  });

  it('stays with held databases once every actor has one', () => {
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
