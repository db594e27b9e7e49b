/**
 * How well a database's reference covers the knowledge that one task needs.
 *
 * Needed is what the task names (`external_knowledge`), what its ambiguous terms are titled after (public datasets keep
 * `external_knowledge` back, the terms they do not), what it masks (T-03), and all that those depend on.
 */
import { childIds, deletedKbIds } from '../dataset/knowledge.ts';
import type { KbRow, Task } from '../dataset/task.ts';
import type { SetupResult } from '../reference/model.ts';

/** Why an item is needed, the first that holds. */
export type Need = 'external_knowledge' | 'ambiguous_term' | 'masked' | 'dependency';

export interface CoveredItem {
  readonly kb_id: number;
  readonly knowledge: string;
  readonly type: string;
  readonly need: Need;
  /** `masked`: the task must not see it; `missing`: the KB or the reference does not have it. */
  readonly status: SetupResult['status'] | 'masked' | 'missing';
  /** `<db>.<model>.<name>` of what stands for it; none for a masked item. */
  readonly entities: readonly string[];
  readonly questions: readonly string[];
  readonly notes: string;
}

/** A row's `knowledge_coverage`. */
export interface KnowledgeCoverage {
  /** By kb_id. */
  readonly items: readonly CoveredItem[];
  readonly counts: Readonly<Record<CoveredItem['status'], number>>;
}

/** The coverage of `task` by what its database's reference came to. */
export function coverageOf(task: Task, kb: readonly KbRow[], results: readonly SetupResult[]): KnowledgeCoverage {
  const rowById = new Map(kb.map((row) => [row.id, row]));
  const resultById = new Map(results.map((result) => [result.kb_id, result]));
  const masked = new Set(deletedKbIds(task));
  const counts = { encoded: 0, deferred: 0, error: 0, masked: 0, missing: 0 };
  const items = [...neededIds(task, kb, rowById, masked)].sort(([a], [b]) => a - b);
  return {
    counts,
    items: items.map(([id, need]): CoveredItem => {
      const [row, result] = [rowById.get(id), resultById.get(id)];
      const status = masked.has(id) ? 'masked' : (result?.status ?? 'missing');
      counts[status] += 1;
      return {
        kb_id: id,
        knowledge: row?.knowledge ?? '',
        type: row?.type ?? '',
        need,
        status,
        entities: status === 'encoded' ? (result?.entities ?? []).map((entity) => entity.entity_ref) : [],
        questions: status === 'masked' ? [] : (result?.clarifying_questions ?? []),
        notes: status === 'masked' ? '' : (result?.error ?? result?.notes ?? ''),
      };
    }),
  };
}

function neededIds(
  task: Task,
  kb: readonly KbRow[],
  rowById: ReadonlyMap<number, KbRow>,
  masked: ReadonlySet<number>,
): Map<number, Need> {
  const needs = new Map<number, Need>();
  const add = (id: number, need: Need) => {
    if (needs.has(id)) return;
    needs.set(id, need);
    const row = rowById.get(id);
    for (const child of row ? childIds(row) : []) add(child, 'dependency');
  };
  const terms = new Set(
    task.knowledge_ambiguity.map((ambiguity) => String((ambiguity as { term?: unknown }).term).toLowerCase()),
  );
  // Directly needed items first: a dependency of one may be named itself, and then that is why.
  const direct: [number, Need][] = [
    ...task.external_knowledge.map((id): [number, Need] => [id, 'external_knowledge']),
    ...kb
      .filter((row) => terms.has(row.knowledge.toLowerCase()))
      .map((row): [number, Need] => [row.id, 'ambiguous_term']),
    ...[...masked].map((id): [number, Need] => [id, 'masked']),
  ];
  for (const [id, need] of direct) add(id, need);
  for (const [id, need] of direct.toReversed()) needs.set(id, need);
  return needs;
}

/** The coverage as a page for a person. */
export function coveragePage(task: Task, { items, counts }: KnowledgeCoverage, referenceDir: string): string {
  const tally = Object.entries(counts).flatMap(([status, count]) => (count > 0 ? [`${count} ${status}`] : []));
  const lines = items.flatMap((item) => [
    `- **KB ${item.kb_id}** ${item.knowledge} (${item.type}, ${item.need}): ${item.status}`,
    ...item.entities.map((entity) => `  - \`${entity}\``),
    ...item.questions.map((question) => `  - asks: ${question}`),
    ...(item.notes ? [`  - ${item.notes.split('\n', 1)[0]}`] : []),
  ]);
  return [
    `# ${task.instance_id} (${task.selected_database})`,
    '',
    task.amb_user_query,
    '',
    `Reference: \`${referenceDir}\``,
    '',
    `Knowledge: ${tally.join(', ') || 'none needed'}`,
    '',
    ...lines,
    '',
  ].join('\n');
}
