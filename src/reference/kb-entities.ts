/**
 * What KB items left in a database's models: entities tagged `meta.kb_id` or `meta.kb_ids`. Taking them away again, and
 * bringing them into one order, whatever order they were made in.
 */
import type { Entity, EntityKind, Meta, Model } from './model.ts';

type Part = { name: string; meta?: Meta };
type ListKey = 'columns' | 'measures' | 'aggregations';

const LISTS: Readonly<Record<Exclude<EntityKind, 'model'>, ListKey>> = {
  column: 'columns',
  measure: 'measures',
  aggregation: 'aggregations',
};
const LIST_KEYS: readonly ListKey[] = ['columns', 'measures', 'aggregations'];

/** The KB items that an entity stands for; none for what stage 1 made. */
export function kbIdsOf(meta: Meta | undefined): number[] {
  const { kb_id: one, kb_ids: several } = (meta ?? {}) as { kb_id?: unknown; kb_ids?: unknown };
  const ids: unknown[] = [one, ...(Array.isArray(several) ? several : [])];
  return [...new Set(ids.filter((id): id is number => typeof id === 'number'))];
}

function filterList(model: Model, key: ListKey, keep: (part: Part) => boolean): boolean {
  const kept = (model[key] as Part[]).filter(keep);
  if (kept.length === model[key].length) return false;
  (model[key] as Part[]) = kept;
  return true;
}

/**
 * Takes away every entity for which `isGone` holds of its KB items: models, columns, measures and aggregations, and joins
 * to models that go. Names of the models that changed or went.
 */
export function dropTagged(models: Map<string, Model>, isGone: (kbIds: readonly number[]) => boolean): Set<string> {
  const touched = new Set<string>();
  const isDropped = ({ meta }: { meta?: Meta }): boolean => {
    const ids = kbIdsOf(meta);
    return ids.length > 0 && isGone(ids);
  };
  for (const [name, model] of models) {
    if (isDropped(model)) {
      models.delete(name);
      touched.add(name);
      continue;
    }
    for (const key of LIST_KEYS) if (filterList(model, key, (part) => !isDropped(part))) touched.add(name);
  }
  dropDanglingJoins(models, touched);
  return touched;
}

function dropDanglingJoins(models: ReadonlyMap<string, Model>, touched: Set<string>): void {
  for (const [name, model] of models) {
    const joins = model.joins.filter((join) => models.has(join.target_model) || !touched.has(join.target_model));
    if (joins.length === model.joins.length) continue;
    model.joins = joins;
    touched.add(name);
  }
}

/** Takes an entity away, whoever wrote it; what stood there under its name before any encode comes back. */
export function removeEntity(models: Map<string, Model>, before: ReadonlyMap<string, Model>, entity: Entity): void {
  const { kind, host_model: hostName, name } = entity;
  if (kind === 'model') {
    models.delete(name);
    const original = before.get(name);
    if (original) models.set(name, structuredClone(original));
    else dropDanglingJoins(models, new Set([name]));
    return;
  }
  const host = models.get(hostName ?? '');
  if (!host) return;
  const key = LISTS[kind];
  const at = (host[key] as Part[]).findIndex((part) => part.name === name);
  filterList(host, key, (part) => part.name !== name);
  const original = (before.get(host.name)?.[key] as Part[] | undefined)?.find((part) => part.name === name);
  if (original) (host[key] as Part[]).splice(at, 0, structuredClone(original));
}

/** The entity as it stands in the models. */
export function findEntity(models: ReadonlyMap<string, Model>, { kind, host_model: host, name }: Entity): unknown {
  if (kind === 'model') return models.get(name);
  return (models.get(host ?? '')?.[LISTS[kind]] as Part[] | undefined)?.find((part) => part.name === name);
}

/** Brings what encodes added into the order of `rank` (an item's place among all), behind what stood there before. */
export function sortAdded(models: ReadonlyMap<string, Model>, rank: ReadonlyMap<number, number>): void {
  const place = ({ meta }: Part): number => Math.min(...kbIdsOf(meta).map((id) => rank.get(id) ?? Infinity), Infinity);
  for (const model of models.values()) {
    for (const key of LIST_KEYS) {
      const parts = model[key] as Part[];
      const own = parts.filter(({ meta }) => kbIdsOf(meta).length === 0);
      const added = parts.filter(({ meta }) => kbIdsOf(meta).length > 0);
      if (added.length === 0) continue;
      added.sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
      (model[key] as Part[]) = [...own, ...added];
    }
  }
}
