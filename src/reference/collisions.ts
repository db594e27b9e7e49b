/**
 * Two KB items that wrote the same entity (G-06): nobody can say whose it is, so it goes, and both become deferred. What
 * depends on them and uses what went is deferred too: a broken entity is worse than none.
 */
import { removeEntity, findEntity } from './kb-entities.ts';
import type { Entity, Model, SetupResult } from './model.ts';

export interface CollisionContext {
  readonly models: Map<string, Model>;
  /** The models before any encode. */
  readonly before: ReadonlyMap<string, Model>;
  readonly childrenOf: ReadonlyMap<number, readonly number[]>;
}

/** The results after the check, by kb_id; entities of those that became deferred are gone from `models`. */
export function settleCollisions(results: readonly SetupResult[], context: CollisionContext): SetupResult[] {
  const reasons = new Map<number, string[]>();
  for (const { entity, ids } of collisions(results)) {
    for (const id of ids) {
      const others = ids.filter((other) => other !== id).map((other) => `KB ${other}`);
      const note = `collision: ${entity.kind} ${nameOf(entity)} was also written by ${others.join(', ')}`;
      reasons.set(id, [...(reasons.get(id) ?? []), note]);
    }
  }
  if (reasons.size === 0) return [...results];
  addDependents(results, context, reasons);
  for (const { kb_id: id, entities } of results) {
    if (reasons.has(id)) for (const entity of entities) removeEntity(context.models, context.before, entity);
  }
  return results.map((result) => {
    const notes = reasons.get(result.kb_id);
    if (!notes) return result;
    return { ...result, status: 'deferred', entities: [], notes: [result.notes, ...notes].filter(Boolean).join('\n') };
  });
}

function collisions(results: readonly SetupResult[]): { entity: Entity; ids: number[] }[] {
  const writers = new Map<string, { entity: Entity; ids: number[] }>();
  for (const { kb_id: id, status, entities } of results) {
    if (status !== 'encoded') continue;
    for (const entity of entities) {
      const key = JSON.stringify([entity.host_model, entity.name, entity.kind]);
      const writer = writers.get(key) ?? { entity, ids: [] };
      if (!writer.ids.includes(id)) writer.ids.push(id);
      writers.set(key, writer);
    }
  }
  return [...writers.values()].filter(({ ids }) => ids.length > 1);
}

/** Adds to `reasons` who uses, directly or not, an entity of one that is in it. */
function addDependents(
  results: readonly SetupResult[],
  { models, childrenOf }: CollisionContext,
  reasons: Map<number, string[]>,
): void {
  const byId = new Map(results.map((result) => [result.kb_id, result]));
  for (let hasGrown = true; hasGrown;) {
    hasGrown = false;
    for (const { kb_id: id, status, entities } of results) {
      if (status !== 'encoded' || reasons.has(id)) continue;
      const text = JSON.stringify(entities.map((entity) => findEntity(models, entity)));
      const used = (childrenOf.get(id) ?? []).find(
        (child) => reasons.has(child) && byId.get(child)!.entities.some(({ name }) => mentions(text, name)),
      );
      if (used === undefined) continue;
      reasons.set(id, [`it uses an entity of KB ${used}, which went with a collision`]);
      hasGrown = true;
    }
  }
}

function mentions(text: string, name: string): boolean {
  return new RegExp(`(?<!\\w)${name.replaceAll(/\W/g, '\\$&')}(?!\\w)`).test(text);
}

const nameOf = ({ host_model: host, name }: Entity): string => (host === null ? name : `${host}.${name}`);
