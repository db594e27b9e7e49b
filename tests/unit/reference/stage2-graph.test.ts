import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { sleep } from '../../../src/kernel/retry.ts';
import { encodeDag, MAX_ENCODES } from '../../../src/reference/encode-dag.ts';
import { kbGraph } from '../../../src/reference/kb-graph.ts';
import type { SetupResult } from '../../../src/reference/model.ts';
import { kbRow } from '../../helpers/kb-dataset.ts';

const done = (id: number): SetupResult => ({
  kb_id: id,
  status: 'encoded',
  entities: [],
  notes: '',
  error: null,
  clarifying_questions: [],
});

describe('the graph of a knowledge base', () => {
  it('takes edges as G-01 says: none, one, or a list without its junk (G-01)', () => {
    const junk = ['1', -3, 1.5, null, 0, 0] as unknown as number[];
    const { childrenOf } = kbGraph([kbRow(0, -1), kbRow(1, null), kbRow(2, 1), kbRow(3, junk), kbRow(4, 77)]);
    expect(Object.fromEntries(childrenOf)).toEqual({ 0: [], 1: [], 2: [1], 3: [0], 4: [] });
  });

  it('blocks what is on a cycle and what stands above one, and names the cycle (G-02)', () => {
    const kb = [kbRow(1, [2]), kbRow(2, [3]), kbRow(3, [1, 9]), kbRow(4, [2]), kbRow(5, 4), kbRow(6, 6), kbRow(9, -1)];
    const { blocked, order } = kbGraph(kb);
    expect(order).toEqual([9]);
    expect(blocked.get(1)).toBe('KB 1 is on the dependency cycle KB 1 → KB 2 → KB 3 → KB 1');
    expect(blocked.get(4)).toBe('KB 4 depends on KB 2, which is on the dependency cycle KB 2 → KB 3 → KB 1 → KB 2');
    expect(blocked.get(5)).toContain('depends on KB 2');
    expect(blocked.get(6)).toBe('KB 6 is on the dependency cycle KB 6 → KB 6');
    expect(blocked.has(9)).toBe(false);
  });

  it('survives a chain of twenty thousand', () => {
    const kb = Array.from({ length: 20_000 }, (_, id) => kbRow(id, id - 1));
    expect(kbGraph(kb).order.length).toBe(20_000);
  });
});

describe('encoding along the graph', () => {
  it('gives children first, each id once, a parent its children’s results, at most six at once (any graph) (G-03, G-04, G-05, N-04)', async () => {
    const graphs = fc.array(fc.array(fc.integer({ min: -1, max: 14 }), { maxLength: 4 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(graphs, async (lists) => {
        const kb = lists.map((children, id) => kbRow(id, children));
        const graph = kbGraph(kb);
        const started: number[] = [];
        const ended = new Set<number>();
        let running = 0;
        const results = await encodeDag(kb, graph, {
          encode: async (row, known, parents) => {
            started.push(row.id);
            running += 1;
            expect(running).toBeLessThanOrEqual(MAX_ENCODES);
            for (const child of graph.childrenOf.get(row.id)!) expect(ended.has(child)).toBe(true);
            expect([...known.keys()]).toEqual(graph.childrenOf.get(row.id));
            expect(parents.map(({ id }) => id)).toEqual(graph.parentsOf.get(row.id));
            for (const parent of parents) expect(graph.blocked.has(parent.id)).toBe(false);
            await Promise.resolve();
            running -= 1;
            ended.add(row.id);
            return done(row.id);
          },
        });
        expect(results.map((result) => result.kb_id)).toEqual(kb.map((row) => row.id));
        expect(new Set(started).size).toBe(started.length);
        for (const { kb_id: id, status } of results) expect(status === 'deferred').toBe(graph.blocked.has(id));
        expect([...started].sort((a, b) => a - b)).toEqual([...graph.order].sort((a, b) => a - b));
      }),
      { numRuns: 60 },
    );
  });

  it('runs independent items at the same time, six of them (G-03, N-04)', async () => {
    const kb = Array.from({ length: 12 }, (_, id) => kbRow(id, -1));
    let running = 0;
    let most = 0;
    await encodeDag(kb, kbGraph(kb), {
      encode: async (row) => {
        most = Math.max(most, (running += 1));
        await sleep(2);
        running -= 1;
        return done(row.id);
      },
    });
    expect(most).toBe(6);
  });

  it('makes an item that throws, or answers for another, an error that stops nobody', async () => {
    const kb = [kbRow(0, -1), kbRow(1, 0), kbRow(2, -1)];
    const seen: (string | undefined)[] = [];
    const results = await encodeDag(kb, kbGraph(kb), {
      encode: (row, known) => {
        if (row.id === 0) throw new Error('no such thing');
        if (row.id === 1) seen.push(known.get(0)?.status);
        return Promise.resolve(done(row.id === 2 ? 7 : row.id));
      },
    });
    expect(results.map(({ status, error }) => [status, error])).toEqual([
      ['error', 'no such thing'],
      ['encoded', null],
      ['error', 'the encoder was asked for KB 2 and answered for KB 7'],
    ]);
    expect(seen).toEqual(['error']);
  });

  it('starts nothing more once it is cancelled', async () => {
    const kb = Array.from({ length: 20 }, (_, id) => kbRow(id, id - 1));
    const stop = new AbortController();
    let count = 0;
    const encode = (row: { id: number }): Promise<SetupResult> => {
      count += 1;
      if (count === 3) stop.abort();
      return Promise.resolve(done(row.id));
    };
    await expect(encodeDag(kb, kbGraph(kb), { encode }, stop.signal)).rejects.toThrow('cancelled');
    expect(count).toBe(3);
  });
});
