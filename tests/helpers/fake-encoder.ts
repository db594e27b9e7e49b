/**
 * An encoder for tests: it knows no knowledge, but writes real entities of each kind, always the same, and ends its
 * encodes in an order that changes from run to run.
 */
import { appendFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

import type { KbRow } from '../../src/dataset/task.ts';
import type { Encoder, EncoderWorkspace } from '../../src/reference/encoder.ts';
import type { Entity, SetupResult } from '../../src/reference/model.ts';

export interface FakeEncoderOptions {
  readonly version?: string;
  readonly isPaid?: boolean;
  /** A line is appended for every `open`. */
  readonly countFile?: string;
  /** Each encode takes up to so long. */
  readonly maxDelayMs?: number;
  onEncode?(row: KbRow, results: ReadonlyMap<number, SetupResult>, parents: readonly KbRow[]): void;
}

export function fakeEncoder(options: FakeEncoderOptions = {}): Encoder {
  return {
    id: 'fake',
    version: options.version ?? '1',
    isPaid: options.isPaid ?? false,
    open: async (workspace) => {
      if (options.countFile) appendFileSync(options.countFile, `${process.pid} ${workspace.database}\n`);
      using database = new DatabaseSync(workspace.databasePath, { readOnly: true });
      if (database.prepare('SELECT count(*) AS n FROM items').get()?.['n'] !== 2) throw new Error('no live database');
      return {
        encode: async (row, results, parents) => {
          options.onEncode?.(row, results, parents);
          await delay(Math.random() * (options.maxDelayMs ?? 3));
          return encode(workspace, row);
        },
        [Symbol.asyncDispose]: async () => {},
      };
    },
  };
}

function encode({ database, models }: EncoderWorkspace, row: KbRow): SetupResult {
  const { id, definition } = row;
  const host = models.get('items')!;
  const blank = { kb_id: id, notes: '', error: null, clarifying_questions: [] };
  const meta = { kb_id: id };
  const name = definition.startsWith('writes ') ? definition.slice('writes '.length) : `kb_${id}`;
  if (definition === 'fail') {
    // It wrote before it failed: what it left must not stay.
    host.columns.push({ name, sql: '1', type: 'INT', primary_key: false, unique: false, hidden: false, meta });
    throw new Error(`cannot encode ${id}`);
  }
  if (definition === 'defer') {
    return {
      ...blank,
      status: 'deferred',
      entities: [],
      notes: 'a term is unknown',
      clarifying_questions: ['What is x?'],
    };
  }
  const entities: Entity[] = [{ kind: 'column', host_model: 'items', name, entity_ref: `${database}.items.${name}` }];
  const sql = definition.startsWith('uses ') ? definition.slice('uses '.length) : `price * ${id}`;
  host.columns.push({ name, sql, type: 'DOUBLE', primary_key: false, unique: false, hidden: false, meta });
  if (id === 1) {
    host.measures.push({ name: 'total_1', formula: `sum(${name})`, meta: { kb_ids: [0, 1] } });
    entities.push({ kind: 'measure', host_model: 'items', name: 'total_1', entity_ref: `${database}.items.total_1` });
  }
  if (id === 2) {
    models.set('kb_2_model', {
      ...structuredClone(host),
      name: 'kb_2_model',
      columns: [],
      measures: [],
      joins: [],
      meta,
    });
    entities.push({ kind: 'model', host_model: null, name: 'kb_2_model', entity_ref: `${database}.kb_2_model` });
  }
  return { ...blank, status: 'encoded', entities };
}
