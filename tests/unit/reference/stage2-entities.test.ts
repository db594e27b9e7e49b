import { describe, expect, it } from 'vitest';

import { annotateMemories } from '../../../src/reference/annotate.ts';
import { settleCollisions } from '../../../src/reference/collisions.ts';
import { dropTagged, kbIdsOf, sortAdded } from '../../../src/reference/kb-entities.ts';
import { memoriesFor } from '../../../src/reference/memory-file.ts';
import type { Column, Entity, Meta, Model, SetupResult } from '../../../src/reference/model.ts';
import { kbRow } from '../../helpers/kb-dataset.ts';

const column = (name: string, meta?: Meta, sql = name): Column => ({
  name,
  sql,
  type: 'DOUBLE',
  primary_key: false,
  unique: false,
  hidden: false,
  ...(meta && { meta }),
});

const model = (name: string, columns: Column[], fields: Partial<Model> = {}): Model => ({
  version: 15,
  name,
  query_variables: {},
  data_source: 'shop',
  columns,
  measures: [],
  aggregations: [],
  joins: [],
  filters: [],
  hidden: false,
  access_tags: [],
  ...fields,
});

const entity = (kind: Entity['kind'], host: string | null, name: string): Entity => ({
  kind,
  host_model: host,
  name,
  entity_ref: host === null ? `shop.${name}` : `shop.${host}.${name}`,
});

const encoded = (id: number, ...entities: Entity[]): SetupResult => ({
  kb_id: id,
  status: 'encoded',
  entities,
  notes: '',
  error: null,
  clarifying_questions: [],
});

const modelsOf = (...models: Model[]): Map<string, Model> => new Map(models.map((one) => [one.name, one]));
const namesOf = (models: Map<string, Model>, name: string): string[] =>
  models.get(name)!.columns.map((part) => part.name);

describe('entities of KB items', () => {
  it('are told by kb_id or kb_ids', () => {
    expect(kbIdsOf({ kb_id: 3 })).toEqual([3]);
    expect(kbIdsOf({ kb_ids: [3, 4, 3, 'x'] })).toEqual([3, 4]);
    expect(kbIdsOf({ derived_from: 'a' })).toEqual([]);
    expect(kbIdsOf(undefined)).toEqual([]);
  });

  it('go with models, columns, measures, aggregations, and joins to a model that goes; other joins stay (T-03)', () => {
    const join = (target: string) => ({
      target_model: target,
      join_pairs: [['a', 'b']] as [string, string][],
      join_type: 'left' as const,
    });
    const items = model('items', [column('price'), column('x', { kb_id: 1 })], {
      measures: [{ name: 'm', formula: 'sum(x)', meta: { kb_ids: [1, 2] } }],
      aggregations: [{ name: 'a', formula: 'sum({value})', meta: { kb_id: 1 } }],
      joins: [join('view'), join('elsewhere')],
    });
    const models = modelsOf(items, model('view', [], { meta: { kb_id: 1 } }));
    expect(dropTagged(models, (ids) => ids.includes(1))).toEqual(new Set(['items', 'view']));
    expect([...models.keys()]).toEqual(['items']);
    expect(items).toMatchObject({ measures: [], aggregations: [], joins: [{ target_model: 'elsewhere' }] });
    expect(namesOf(models, 'items')).toEqual(['price']);
    expect(dropTagged(models, (ids) => ids.includes(1))).toEqual(new Set());
  });

  it('stand behind what was there before, in the order of the graph', () => {
    const columns = [
      column('price'),
      column('b', { kb_id: 1 }),
      column('a', { kb_id: 2 }),
      column('id'),
      column('a1', { kb_id: 1 }),
    ];
    const models = modelsOf(model('items', columns));
    sortAdded(models, new Map([2, 1].map((id, place) => [id, place])));
    expect(namesOf(models, 'items')).toEqual(['price', 'id', 'a', 'a1', 'b']);
  });
});

describe('a collision', () => {
  const settle = (
    results: SetupResult[],
    models: Map<string, Model>,
    before: Map<string, Model>,
    children: [number, number[]][] = [],
  ) => settleCollisions(results, { models, before, childrenOf: new Map(children) });

  it('takes the entity and all others of those items away, and puts back what stage 1 had there (G-06)', () => {
    const before = modelsOf(model('items', [column('price'), column('label')]));
    const models = modelsOf(
      model('items', [column('price', { kb_id: 2 }, 'price * 2'), column('label'), column('own', { kb_id: 1 })]),
      model('view', [], { meta: { kb_id: 2 } }),
    );
    const twin = entity('column', 'items', 'price');
    const results = settle(
      [encoded(1, twin, entity('column', 'items', 'own')), encoded(2, twin, entity('model', null, 'view')), encoded(3)],
      models,
      before,
    );
    expect(results.map(({ status }) => status)).toEqual(['deferred', 'deferred', 'encoded']);
    expect(results[0]!.notes).toBe('collision: column items.price was also written by KB 2');
    expect([...models.keys()]).toEqual(['items']);
    expect(models.get('items')!.columns).toEqual(before.get('items')!.columns);
  });

  it('is one only between items that are encoded, in the same host and of the same kind (G-06)', () => {
    const models = modelsOf(model('items', [column('x')]), model('orders', [column('x')]));
    const results = [
      encoded(1, entity('column', 'items', 'x')),
      encoded(2, entity('column', 'orders', 'x')),
      encoded(3, entity('measure', 'items', 'x')),
      { ...encoded(4, entity('column', 'items', 'x')), status: 'error' as const },
    ];
    expect(settle(results, models, modelsOf())).toEqual(results);
  });

  it('reaches those who use what went, not those who merely depend on the item (G-06)', () => {
    const models = modelsOf(
      model('items', [
        column('x', { kb_id: 1 }),
        column('y', { kb_id: 3 }, 'x + 1'),
        column('z', { kb_id: 4 }, 'y * 2'),
        column('w', { kb_id: 5 }, 'x2 * 2'),
      ]),
    );
    const results = settle(
      [
        encoded(1, entity('column', 'items', 'x')),
        encoded(2, entity('column', 'items', 'x')),
        encoded(3, entity('column', 'items', 'y')),
        encoded(4, entity('column', 'items', 'z')),
        encoded(5, entity('column', 'items', 'w')),
      ],
      models,
      modelsOf(model('items', [])),
      [
        [3, [1]],
        [4, [3]],
        [5, [1]],
      ],
    );
    expect(results.map(({ status }) => status)).toEqual(['deferred', 'deferred', 'deferred', 'deferred', 'encoded']);
    expect(namesOf(models, 'items')).toEqual(['w']);
  });
});

describe('annotating memories', () => {
  it('passes over items without a memory, and adds a link only once (G-07)', () => {
    const memories = memoriesFor('shop', [kbRow(1, -1), kbRow(2, 1)]);
    const twice = encoded(1, entity('column', 'items', 'x'), entity('column', 'items', 'x'));
    const annotated = annotateMemories('shop', memories, [twice, encoded(7)]);
    expect(annotated[0]!.entities).toEqual(['shop', 'shop.items.x']);
    expect(annotated[1]).toEqual(memories[1]);
    expect(annotated.map(({ id }) => id)).toEqual(memories.map(({ id }) => id));
  });
});
