/** What a reference says of one database: its columns with the words that speak of them, and the ways between its tables. */
import type { Column, Join, KnowledgeStore, Model } from 'skein/framework';

import { stem, wordsOf } from './words.ts';

export interface Known {
  readonly table: string;
  readonly column: Column;
  readonly words: ReadonlySet<string>;
  /** The knowledge that it stands for. */
  readonly kbId: number | undefined;
  /** That knowledge and what it rests on. */
  readonly kbIds: readonly number[];
  /** Its definition says that little of it is good. */
  readonly isLowerBetter: boolean;
}

/** A way from a table to another, join by join. */
export type Way = readonly Join[];

export class Catalogue {
  readonly columns: readonly Known[];
  readonly #models: ReadonlyMap<string, Model>;
  readonly #rarity = new Map<string, number>();

  constructor({ models, kb }: Pick<KnowledgeStore, 'models' | 'kb'>) {
    this.#models = models;
    const itemById = new Map(kb.map((item) => [item.id, item]));
    this.columns = [...models.values()].flatMap((model) =>
      model.columns.map((column): Known => {
        const ids = column.meta?.['kb_id'] as number | undefined;
        const item = ids === undefined ? undefined : itemById.get(ids);
        const about = [
          column.name.replaceAll('_', ' '),
          column.description ?? '',
          item?.knowledge ?? '',
          item?.description ?? '',
        ];
        return {
          table: model.name,
          column,
          words: new Set(about.flatMap(wordsOf)),
          kbId: ids,
          kbIds: (column.meta?.['kb_ids'] as number[] | undefined) ?? (ids === undefined ? [] : [ids]),
          isLowerBetter: /lower is better/i.test(item?.definition ?? ''),
        };
      }),
    );
    for (const { words } of this.columns)
      for (const word of words) this.#rarity.set(word, (this.#rarity.get(word) ?? 0) + 1);
  }

  table(name: string): Model {
    const model = this.#models.get(name);
    if (!model) throw new Error(`the reference has no model ${name}`);
    return model;
  }

  get tables(): readonly string[] {
    return [...this.#models.keys()];
  }

  /** How much of `words` speaks of `known`: a word counts the more, the fewer columns it speaks of. */
  score(words: readonly string[], known: Known): number {
    const shared = [...new Set(words)].filter((word) => known.words.has(word));
    return shared.reduce((sum, word) => sum + Math.log(1 + this.columns.length / (this.#rarity.get(word) ?? 1)), 0);
  }

  /** The column of `among` that `words` speak of most, if they speak of any. */
  best(
    words: readonly string[],
    among: readonly Known[],
  ): { readonly known: Known; readonly score: number } | undefined {
    const scored = among.map((known) => ({ known, score: this.score(words, known) }));
    const [first] = scored.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score);
    return first;
  }

  /** Tables that are named in `words`: `furnaces` by furnace. */
  namedTable(words: readonly string[]): string | undefined {
    return this.tables.find((table) => words.includes(stem(table)));
  }

  /** The ways from `table` to others, shortest first, the empty one to itself included; each join leads to one row at most. */
  waysFrom(table: string, longest = 2): { readonly table: string; readonly way: Way }[] {
    const found: { table: string; way: Way }[] = [{ table, way: [] }];
    for (const { table: at, way } of found) {
      if (way.length >= longest) continue;
      for (const join of this.table(at).joins) found.push({ table: join.target_model, way: [...way, join] });
    }
    return found;
  }

  knownOf(table: string): Known[] {
    return this.columns.filter((known) => known.table === table);
  }

  keyOf(table: string): string[] {
    return this.table(table)
      .columns.filter((column) => column.primary_key)
      .map((column) => column.name);
  }

  /** The column by which people call a row of the table. */
  nameOf(table: string): string | undefined {
    return this.table(table).columns.find(({ name, type }) => type === 'TEXT' && /name$/i.test(name))?.name;
  }
}
