/**
 * Values from tables that refer to one model but not to each other: sensor and shipment of one container. Where the data
 * hold at most one row of each per row of that model, the model is the host, and looks the others up by their foreign keys.
 */
import type { Expr } from './ast.ts';
import { mapChildren } from './ast.ts';
import type { Hop, JoinGraph } from './joins.ts';
import type { Workbench } from './workbench.ts';

interface Host {
  readonly model: string;
  /** How a row of each looked-up model leads to the host. */
  readonly lookups: ReadonlyMap<string, readonly Hop[]>;
  readonly hops: number;
}

/** The expression over one host, with the rows of the other models looked up; undefined when no host has one of each. */
export function overSiblings(
  expr: Expr,
  needed: readonly string[],
  locals: ReadonlySet<string>,
  bench: Workbench,
): { expr: Expr; host: string } | undefined {
  const hosts = bench.models.flatMap((model) => hostAt(model, needed, locals, bench) ?? []);
  const least = Math.min(...hosts.map(({ hops }) => hops));
  const nearest = hosts.filter(({ hops }) => hops === least);
  // Of several that are as near, the one that refers to the others: the smallest thing that all belong to.
  const lowest = nearest.filter(({ model }) => nearest.every((other) => isForward(bench.graph, model, other.model)));
  const [host] = lowest;
  if (lowest.length !== 1 || host === undefined || !areOne(host, hosts, bench.graph)) return undefined;
  return { expr: lookUp(expr, host.lookups), host: host.model };
}

function hostAt(
  model: string,
  needed: readonly string[],
  locals: ReadonlySet<string>,
  bench: Workbench,
): Host | undefined {
  const lookups = new Map<string, readonly Hop[]>();
  let hops = 0;
  for (const other of needed) {
    if (other === model) continue;
    const ahead = bench.graph.path(model, other, false);
    if (ahead.kind === 'path' && !locals.has(other)) {
      hops += ahead.hops.length;
      continue;
    }
    const back = bench.graph.path(other, model, false);
    if (back.kind !== 'path' || back.hops.at(-1)!.pairs.length !== 1 || !bench.graph.isOneToOne(other, back.hops))
      return undefined;
    lookups.set(other, back.hops);
    hops += back.hops.length;
  }
  return { model, lookups, hops };
}

/** Whether every other host would put the same rows together: rows that lead to one of it lead to one of the host. */
function areOne(host: Host, hosts: readonly Host[], graph: JoinGraph): boolean {
  const above = (lower: Host, upper: Host): boolean => {
    const up = graph.path(lower.model, upper.model, false);
    if (up.kind !== 'path') return false;
    return [...lower.lookups].every(([model, via]) => {
      const direct = graph.path(model, upper.model, false);
      return direct.kind !== 'path' || graph.leadTogether(model, direct.hops, [...via, ...up.hops]);
    });
  };
  return hosts.every((other) => other === host || above(host, other) || above(other, host));
}

const isForward = (graph: JoinGraph, from: string, to: string): boolean => graph.path(from, to, false).kind === 'path';

function lookUp(expr: Expr, lookups: Host['lookups']): Expr {
  if (expr.kind === 'aggregate') return expr;
  if (expr.kind !== 'column') return mapChildren(expr, (part) => lookUp(part, lookups));
  const via = lookups.get(expr.ref.model);
  return via === undefined ? expr : { kind: 'aggregate', fn: 'max', set: { table: expr.ref.model, via }, arg: expr };
}
