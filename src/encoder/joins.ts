/**
 * Which models can be reached from a model so that each of its rows meets at most one row there, and by which path.
 *
 * Only declared joins are walked: forward when they are many-to-one or one-to-one, backward when they are one-to-one.
 * Where several paths lead to a model, no row may be led to different places by them (asked of the data), unless one of
 * them is a foreign key of the model itself: that one is meant. Of several the one that leads most rows somewhere counts.
 */
import type { DatabaseSync } from 'node:sqlite';

import type { Model } from '../reference/model.ts';
import { physicalSql, quoted } from './schema-index.ts';

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

  /** Whether no two rows of `from` are led to one row by a path: in the data, not by declaration. */
  isOneToOne(from: string, path: readonly Hop[]): boolean {
    const last = path.at(-1)!;
    const { joins, last: alias } = this.#joined(path.slice(0, -1), 'a');
    const key = `${alias}.${quoted(last.pairs[0]![0])}`;
    const sql = `SELECT 1 FROM ${this.#table(from)} AS r ${joins} WHERE ${key} IS NOT NULL GROUP BY ${key} HAVING COUNT(*) > 1 LIMIT 1`;
    return this.#database.prepare(sql).get() === undefined;
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
    const covered = new Map(compared.map((path) => [path, this.#coverage(from, path)]));
    const most = Math.max(...covered.values());
    const best = compared.find((path) => covered.get(path) === most)!;
    if (compared.every((path) => path === best || this.leadTogether(from, best, path)))
      return { kind: 'path', hops: best };
    return {
      kind: 'ambiguous',
      paths: compared.slice(0, 4).map((path) => [from, ...path.map((hop) => hop.to)].join(' > ')),
    };
  }

  /** On how many rows a path leads somewhere. */
  #coverage(from: string, path: readonly Hop[]): number {
    const { joins, last } = this.#joined(path, 'a');
    const row = this.#database
      .prepare(`SELECT COUNT(${last}.${this.#key(path)}) AS n FROM ${this.#table(from)} AS r ${joins}`)
      .get();
    return Number(row?.['n'] ?? 0);
  }

  /** Whether no row is led to different rows by two paths. One may lead nowhere: a reference that is not filled in. */
  leadTogether(from: string, one: readonly Hop[], other: readonly Hop[]): boolean {
    const [a, b] = [this.#joined(one, 'a'), this.#joined(other, 'b')];
    if (one.length === 0 || other.length === 0) return true;
    const model = this.#models.get(one.at(-1)!.to)!;
    const keys = model.columns.filter(({ primary_key: isKey }) => isKey).map(({ sql }) => physicalSql(sql));
    const differ = (keys.length > 0 ? keys : ['rowid'])
      .map((key) => `${a.last}.${key} <> ${b.last}.${key}`)
      .join(' OR ');
    const sql = `SELECT 1 FROM ${this.#table(from)} AS r ${a.joins} ${b.joins} WHERE ${differ} LIMIT 1`;
    return this.#database.prepare(sql).get() === undefined;
  }

  #joined(hops: readonly Hop[], letter: string): { joins: string; last: string } {
    let last = 'r';
    const joins = hops.map((hop, at) => {
      const next = `${letter}${at}`;
      const on = hop.pairs.map(([a, b]) => `${last}.${quoted(a)} = ${next}.${quoted(b)}`).join(' AND ');
      last = next;
      return `LEFT JOIN ${this.#table(hop.to)} AS ${next} ON ${on}`;
    });
    return { joins: joins.join(' '), last };
  }

  /** A column that a row at the end of a path is sure to have. */
  #key(path: readonly Hop[]): string {
    return quoted(path.at(-1)!.pairs[0]![1]);
  }

  #table(model: string): string {
    return quoted(this.#models.get(model)!.sql_table!);
  }
}
