/**
 * Encodes the items of a knowledge base, children before parents, with whatever encoder it is handed (G-01 … G-05).
 *
 * Invariants: E1 every row has exactly one result, and each item is encoded at most once. E2 an item that fails is a
 * result (`error`); the others go on. E3 at most `MAX_ENCODES` run at once.
 */
import pLimit from 'p-limit';

import type { KbRow } from '../dataset/task.ts';
import { describeError } from '../kernel/errors.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import type { EncoderSession } from './encoder.ts';
import type { KbGraph } from './kb-graph.ts';
import type { SetupResult } from './model.ts';

/** Encodes of one database that run at the same time. */
export const MAX_ENCODES = 6;

/**
 * One result a row, by kb_id (G-05).
 * @throws SkeinError CANCELLED once `signal` fired and what ran has ended; nothing else
 */
export async function encodeDag(
  kb: readonly KbRow[],
  graph: KbGraph,
  session: Pick<EncoderSession, 'encode'>,
  signal?: AbortSignal,
): Promise<SetupResult[]> {
  const rows = new Map(kb.map((row) => [row.id, row]));
  const results = new Map<number, SetupResult>();
  for (const [id, note] of graph.blocked) results.set(id, { ...blank(id, 'deferred'), notes: note });
  const waitsFor = new Map(graph.order.map((id) => [id, graph.childrenOf.get(id)?.length ?? 0]));
  const limit = pLimit(MAX_ENCODES);

  const run = async (id: number): Promise<void> => {
    const result = await limit(() => (signal?.aborted ? undefined : encodeOne(id)));
    if (result === undefined) return;
    results.set(id, result);
    const ready = (graph.parentsOf.get(id) ?? []).filter((parent) => {
      const left = waitsFor.get(parent)! - 1;
      waitsFor.set(parent, left);
      return left === 0;
    });
    await Promise.all(ready.map(run));
  };
  const encodeOne = async (id: number): Promise<SetupResult> => {
    const children = (graph.childrenOf.get(id) ?? []).map((child) => [child, results.get(child)!] as const);
    const parents = (graph.parentsOf.get(id) ?? []).map((parent) => rows.get(parent)!);
    try {
      return checked(id, await session.encode(rows.get(id)!, new Map(children), parents));
    } catch (error) {
      return { ...blank(id, 'error'), error: describeError(error) };
    }
  };

  await Promise.all(graph.order.filter((id) => waitsFor.get(id) === 0).map(run));
  throwIfCancelled(signal, 'the encode');
  return [...results.values()].sort((a, b) => a.kb_id - b.kb_id);
}

/** What an encoder said, with every field there; only an encoded item has entities. */
function checked(id: number, said: SetupResult): SetupResult {
  if (said.kb_id !== id) throw new Error(`the encoder was asked for KB ${id} and answered for KB ${said.kb_id}`);
  return { ...blank(id, said.status), ...said, entities: said.status === 'encoded' ? said.entities : [] };
}

function blank(id: number, status: SetupResult['status']): SetupResult {
  return { kb_id: id, status, entities: [], notes: '', error: null, clarifying_questions: [] };
}
