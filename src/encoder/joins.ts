/**
 * Which models can be reached from a model so that each of its rows meets at most one row there, and by which path.
 *
 * Only declared joins are walked: forward when they are many-to-one or one-to-one, backward when they are one-to-one.
 * Where several paths lead to a model, they must lead every row to the same place (asked of the data), unless one of them
 * is a foreign key of the model itself: that one is meant.
 */
import type { DatabaseSync } from 'node:sqlite';

import type { Model } from '../reference/model.ts';
import { quoted } from './schema-index.ts';

const MAX_HOPS = 5;
/** More ways than this to one place are not compared. */
const MAX_PATHS = 12;

export interface Hop {
  readonly from: string;
  readonly to: string;
  /** Columns of `from` and of `to`. */
  readonly pairs: readonly (readonly [string, string])[];
  readonly isReverse: boolean;
}

export type PathResult =
  | { readonly kind: 'path'; readonly hops: readonly Hop[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'ambiguous'; readonly paths: readonly string[] };

export class JoinGraph {
  readonly #models: ReadonlyMap<string, Model>;
  readonly #database: DatabaseSync;
  readonly #hops = new Map<string, Hop[]>();
  readonly #found = new Map<string, PathResult>();

  constructor(models: ReadonlyMap<string, Model>, database: DatabaseSync) {
    this.#models = models;
    this.#database = database;
    const add = (hop: Hop): void => {
      const list = this.#hops.get(hop.from);
      if (list) list.push(hop);
      else this.#hops.set(hop.from, [hop]);
    };
    for (const model of models.values()) {
      for (const join of model.joins) {
        const isOnly = model.joins.filter(({ target_model: target }) => target === join.target_model).length === 1;
        if (!isOnly || !models.has(join.target_model) || models.get(join.target_model)!.sql_table === undefined)
          continue;
        const pairs = join.join_pairs;
        if (join.cardinality !== 'many_to_one' && join.cardinality !== 'one_to_one') continue;
        add({ from: model.name, to: join.target_model, pairs, isReverse: false });
        if (join.cardinality !== 'one_to_one') continue;
        const back = pairs.map(([source, target]) => [target, source] as const);
        add({ from: join.target_model, to: model.name, pairs: back, isReverse: true });
      }
    }
  }

  /** The way from `from` to `to`; no hops when they are the same. `canGoBack` false: foreign keys only. */
  path(from: string, to: string, canGoBack: boolean): PathResult {
    if (from === to) return { kind: 'path', hops: [] };
    const key = `${from}>${to}>${canGoBack}`;
    let result = this.#found.get(key);
    if (result === undefined) {
      result = this.#search(from, to, canGoBack);
      this.#found.set(key, result);
    }
    return result;
  }

  /** The model that every row of `model` belongs to by its column `column`, if that is a foreign key of its own. */
  target(model: string, column: string): Hop | undefined {
    return (this.#hops.get(model) ?? []).find(
      ({ pairs, isReverse }) => !isReverse && pairs.length === 1 && pairs[0]![0].toLowerCase() === column.toLowerCase(),
    );
  }

  #search(from: string, to: string, canGoBack: boolean): PathResult {
    const paths: Hop[][] = [];
    const visit = (at: string, hops: Hop[], seen: ReadonlySet<string>): void => {
      if (at === to) {
        paths.push(hops);
        return;
      }
      if (hops.length === MAX_HOPS || paths.length > 200) return;
      for (const hop of this.#hops.get(at) ?? []) {
        if ((hop.isReverse && !canGoBack) || seen.has(hop.to)) continue;
        visit(hop.to, [...hops, hop], new Set([...seen, hop.to]));
      }
    };
    visit(from, [], new Set([from]));
    if (paths.length === 0) return { kind: 'none' };
    paths.sort((a, b) => a.length - b.length);
    const [shortest] = paths as [Hop[]];
    if (paths.length === 1 || (shortest.length === 1 && !shortest[0]!.isReverse))
      return { kind: 'path', hops: shortest };
    const compared = paths.slice(0, MAX_PATHS);
    if (compared.every((path) => path === shortest || this.#leadTogether(from, shortest, path))) {
      return { kind: 'path', hops: shortest };
    }
    return {
      kind: 'ambiguous',
      paths: compared.slice(0, 4).map((path) => [from, ...path.map((hop) => hop.to)].join(' > ')),
    };
  }

  /** Whether two paths lead every row to the same row, or nowhere. */
  #leadTogether(from: string, one: readonly Hop[], other: readonly Hop[]): boolean {
    const table = (name: string): string => quoted(this.#models.get(name)!.sql_table!);
    const joins: string[] = [];
    const walk = (hops: readonly Hop[], letter: string): string => {
      let alias = 'r';
      hops.forEach((hop, at) => {
        const next = `${letter}${at}`;
        const on = hop.pairs.map(([a, b]) => `${alias}.${quoted(a)} = ${next}.${quoted(b)}`).join(' AND ');
        joins.push(`LEFT JOIN ${table(hop.to)} AS ${next} ON ${on}`);
        alias = next;
      });
      return alias;
    };
    const [a, b] = [walk(one, 'a'), walk(other, 'b')];
    try {
      const sql = `SELECT 1 FROM ${table(from)} AS r ${joins.join(' ')} WHERE ${a}.rowid IS NOT ${b}.rowid LIMIT 1`;
      return this.#database.prepare(sql).get() === undefined;
    } catch {
      return false;
    }
  }
}
