/**
 * Where an entity belongs: the model each of whose rows it has one value for. That is the model from which every column in
 * it is reached by foreign keys alone; failing that, one that reaches some by going back over one-to-one joins.
 */
import { walk, type Expr } from './ast.ts';
import type { JoinGraph } from './joins.ts';
import type { Derived } from './knowledge-index.ts';
import type { SchemaIndex } from './schema-index.ts';

export type Hosting =
  | { readonly kind: 'column'; readonly host: string; readonly isLocal: boolean }
  | { readonly kind: 'measure'; readonly host: string }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly candidates: readonly string[];
      /** Models that are not reached from one another; a common host may look their rows up (`siblings.ts`). */
      readonly apart?: readonly string[];
    };

export interface HostingContext {
  readonly index: SchemaIndex;
  readonly graph: JoinGraph;
  readonly models: readonly string[];
  readonly derivedOf: (model: string, column: string) => Derived | undefined;
}

const refused = (reason: string, candidates: readonly string[] = []): Hosting => ({
  kind: 'refused',
  reason,
  candidates,
});

const apart = (models: readonly string[], reason: string): Hosting => ({
  kind: 'refused',
  reason,
  candidates: models,
  apart: models,
});

export function hostOf(expr: Expr, context: HostingContext): Hosting {
  const aggregates = [...walk(expr)].filter((node) => node.kind === 'aggregate');
  const outside = columnsOutside(expr);
  const locals = new Set(
    outside.filter(({ model, column }) => context.derivedOf(model, column)?.isLocal).map(({ model }) => model),
  );
  const needed = [...new Set(outside.map(({ model }) => model))];
  if (aggregates.length === 0) {
    if (needed.length === 0) return refused('it names no column');
    if (locals.size > 1) return apart(needed, 'it needs totals that belong to different models');
    const [local] = locals;
    if (local === undefined) return reachAll(needed, context);
    const missed = needed.find((model) => context.graph.path(local, model, false).kind !== 'path');
    return missed === undefined
      ? { kind: 'column', host: local, isLocal: true }
      : apart(needed, `${missed} is not reached from ${local}, to which its totals belong`);
  }
  const keyed = aggregates.filter(({ set }) => set.key !== undefined);
  if (keyed.length === aggregates.length) return keyedHost(keyed, needed, context);
  if (keyed.length > 0) return refused('totals per entity are mixed with totals of a whole table');
  if (outside.length > 0) return refused('values of a row are mixed with totals of a whole table');
  const tables = new Set(
    aggregates.flatMap((aggregate) => [
      ...(aggregate.set.table === '' ? [] : [aggregate.set.table]),
      ...columnsIn(aggregate).map(({ model }) => model),
    ]),
  );
  const [host] = tables;
  return tables.size === 1
    ? { kind: 'measure', host: host! }
    : refused('its totals are of different tables', [...tables]);
}

/** Totals per entity: of tables that refer to the host by the key named. */
function keyedHost(
  keyed: readonly (Expr & { kind: 'aggregate' })[],
  needed: readonly string[],
  { index, graph, derivedOf }: HostingContext,
): Hosting {
  const hosts = new Set<string>();
  for (const aggregate of keyed) {
    const { table, key } = aggregate.set;
    const column = index.match(key!, table)?.columns[0];
    const target = column === undefined ? undefined : graph.target(table, column.ref.column);
    if (target === undefined) return refused(`${key} is no foreign key of ${table}`);
    hosts.add(target.to);
    const foreign = columnsIn(aggregate).find(
      ({ model, column: name }) => model !== table || derivedOf(model, name) !== undefined,
    );
    if (foreign !== undefined)
      return refused(`${foreign.model}.${foreign.column} is no column of the rows of ${table}`);
  }
  const [host] = hosts;
  if (hosts.size !== 1 || host === undefined) return refused('its totals belong to different models', [...hosts]);
  const missed = needed.find((model) => graph.path(host, model, false).kind !== 'path');
  return missed === undefined
    ? { kind: 'column', host, isLocal: true }
    : refused(`${missed} is not reached from ${host}`);
}

function reachAll(needed: readonly string[], { graph, models }: HostingContext): Hosting {
  const problems = new Set<string>();
  const reach = (host: string, canGoBack: boolean): number | undefined => {
    let hops = 0;
    for (const model of needed) {
      const path = graph.path(host, model, canGoBack);
      if (path.kind === 'ambiguous' && needed.includes(host)) for (const way of path.paths) problems.add(way);
      if (path.kind !== 'path') return undefined;
      hops += path.hops.length;
    }
    return hops;
  };
  const column = (host: string): Hosting => ({ kind: 'column', host, isLocal: false });
  const own = needed.find((model) => reach(model, false) !== undefined);
  if (own !== undefined) return column(own);
  const among = (canGoBack: boolean): { model: string; hops: number }[] =>
    models.flatMap((model) => {
      const hops = reach(model, canGoBack);
      return hops === undefined ? [] : [{ model, hops }];
    });
  const forward = among(false);
  const least = Math.min(...forward.map(({ hops }) => hops));
  const nearest = forward.filter(({ hops }) => hops === least);
  if (nearest.length === 1) return column(nearest[0]!.model);
  const back = among(true);
  const centre = back.filter(({ model, hops }) => !needed.includes(model) && hops === needed.length);
  if (centre.length === 1) return column(centre[0]!.model);
  const ownBack = back.filter(({ model }) => needed.includes(model)).sort((a, b) => a.hops - b.hops)[0];
  if (ownBack !== undefined) return column(ownBack.model);
  if (problems.size > 0)
    return refused(`several ways that lead to different rows join ${needed.join(', ')}`, [...problems]);
  if (nearest.length > 1)
    return refused(
      `${needed.join(', ')} meet in several models`,
      nearest.map(({ model }) => model),
    );
  return apart(needed, `no model has one row of each of ${needed.join(', ')} for every row of its own`);
}

/** Columns of an expression that are not inside an aggregate. */
export function columnsOutside(expr: Expr): { model: string; column: string }[] {
  const inside = new Set(
    [...walk(expr)].filter((node) => node.kind === 'aggregate').flatMap((node) => [...walk(node)]),
  );
  return [...walk(expr)].flatMap((node) => (node.kind === 'column' && !inside.has(node) ? [node.ref] : []));
}

function columnsIn(expr: Expr): { model: string; column: string }[] {
  return [...walk(expr)].flatMap((node) => (node.kind === 'column' ? [node.ref] : []));
}
